//! What a mirror says of itself: "I am here, with this room, until then".
//!
//! A lease is the value of the register [`NAME`]. Whoever reads one knows that the mirror said so;
//! whether it holds what it says is found out by asking ([`keeper`](crate::keeper)) and by audits.
//! While a lease holds, the mirror is part of every plan; when it ends and nobody answers, the
//! copies of the mirror are made again elsewhere.

use std::time::Duration;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::name::Region;
use catalog::register::VALUE_BYTES_MAX;
use catalog::{ByteSize, Digest};

use crate::filter::Filter;
use crate::strategy::Measured;
use crate::unit::Unit;

/// The name of the register that carries a lease.
pub const NAME: &str = "mirror/lease";
/// How long a lease holds.
pub const LIFE: Duration = Duration::from_secs(30 * 60);
/// How often it is said again: two may be lost on the way.
pub const RENEWED_EVERY: Duration = Duration::from_secs(10 * 60);

/// The version of the layout.
const VERSION: u64 = 1;

/// What a mirror offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Where it says that it is; without one it holds copies for nobody in particular.
    pub region: Option<Region>,
    /// How much it is willing to hold.
    pub capacity: ByteSize,
    /// How much of that it holds.
    pub used: ByteSize,
    /// Whether it offers itself as the last resort of all others.
    pub backbone: bool,
    /// Counts how often it began anew: what it said of its holdings before does not count.
    pub generation: u64,
    /// The hash of its [`Filter`]; `None` when it takes anything.
    pub filter: Option<Digest>,
    /// How well it serves, as far as it can tell.
    pub measured: Measured,
}

/// A mirror as others know it: its lease, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// What it offers.
    pub lease: Lease,
    /// What it is willing to hold.
    pub accepts: Accepts,
}

/// What a mirror is willing to hold, as far as is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// What this filter lets through.
    Only(Filter),
    /// The filter that its lease names is not known here, so nobody counts on it.
    Unknown,
}

impl Mirror {
    /// A mirror with this lease.
    ///
    /// - `filter`: the value of its register [`filter::NAME`](crate::filter::NAME), if there is one.
    ///   It counts when it is the one that the lease names.
    pub fn new(lease: Lease, filter: Option<&[u8]>) -> Self {
        let accepts = match (lease.filter, filter) {
            (None, _) => Accepts::Only(Filter::default()),
            (Some(named), Some(value)) if Digest::of(value) == named => {
                Filter::decode(value).map_or(Accepts::Unknown, Accepts::Only)
            }
            (Some(_), _) => Accepts::Unknown,
        };
        Self { lease, accepts }
    }
}

impl Accepts {
    /// Whether it is known to hold `unit`.
    pub fn accepts(&self, unit: &Unit) -> bool {
        match self {
            Self::Only(filter) => filter.accepts(unit),
            Self::Unknown => false,
        }
    }

    /// Whether it holds everything.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Only(filter) if filter.is_everything())
    }
}

impl Lease {
    /// The value of a register that says this.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert_some("backbone", self.backbone.then_some(true));
        map.insert("cap", self.capacity.as_u64());
        map.insert_some("churn", some(self.measured.churn));
        map.insert_some("filter", self.filter);
        map.insert("gen", self.generation);
        map.insert_some("hits", some(self.measured.hits));
        map.insert_some("ms", self.measured.latency_ms.map(u64::from));
        map.insert_some("region", self.region.as_ref().map(Region::as_str));
        map.insert("used", self.used.as_u64());
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads the value of a register.
    ///
    /// # Errors
    /// [`CodecError`]; any node can cause it.
    pub fn decode(value: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(value, VALUE_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let lease = Self {
            region: fields.parsed_opt("region")?,
            capacity: ByteSize::bytes(fields.uint("cap")?),
            used: ByteSize::bytes(fields.uint("used")?),
            backbone: fields.bool_opt("backbone")?.unwrap_or_default(),
            generation: fields.uint("gen")?,
            filter: match fields.bytes_opt("filter")? {
                Some(bytes) => Some(digest(bytes)?),
                None => None,
            },
            measured: Measured {
                latency_ms: number(&mut fields, "ms", u32::MAX)?,
                hits: number(&mut fields, "hits", 1000)?.map(|hits| hits as u16),
                churn: number(&mut fields, "churn", 1000)?.map(|churn| churn as u16),
            },
        };
        fields.finish()?;
        Ok(lease)
    }
}

fn some(permille: Option<u16>) -> Option<u64> {
    permille.map(|permille| u64::from(permille.min(1000)))
}

fn digest(bytes: Vec<u8>) -> Result<Digest, CodecError> {
    let wrong = CodecError::WrongType { field: "filter", expected: "32 bytes" };
    Ok(Digest::from_bytes(bytes.try_into().map_err(|_| wrong)?))
}

fn number(fields: &mut Fields, field: &'static str, most: u32) -> Result<Option<u32>, CodecError> {
    let found = fields.uint_opt(field)?;
    let read = |number| u32::try_from(number).ok().filter(|number| *number <= most);
    found.map(|found| read(found).ok_or_else(|| CodecError::invalid(field, "too many"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lease() -> Lease {
        Lease {
            region: Some("eu-west".parse().unwrap()),
            capacity: ByteSize::gib(10),
            used: ByteSize::mib(3),
            backbone: true,
            generation: 2,
            filter: Some(Digest::from_bytes([0xab; 32])),
            measured: Measured { latency_ms: Some(40), hits: Some(900), churn: Some(20) },
        }
    }

    #[test]
    fn a_lease_has_these_bytes() {
        let bytes = [
            "aa",
            "617601",
            "626d731828",
            "636361701b0000000280000000",
            "6367656e02",
            "6468697473190384",
            "64757365641a00300000",
            "65636875726e14",
            "6666696c746572",
            &format!("5820{}", "ab".repeat(32)),
            "66726567696f6e6765752d77657374",
            "686261636b626f6e65f5",
        ];
        assert_eq!(hex::encode(lease().encode()), bytes.concat());
        assert_eq!(Lease::decode(&lease().encode()), Ok(lease()));
    }

    #[test]
    fn a_lease_may_leave_out_what_it_does_not_know() {
        let least = Lease {
            region: None,
            backbone: false,
            filter: None,
            measured: Measured::default(),
            ..lease()
        };
        assert_eq!(Lease::decode(&least.encode()), Ok(least.clone()));
        assert!(least.encode().len() < 40, "{}", least.encode().len());
    }

    #[test]
    fn a_lease_with_impossible_numbers_is_refused() {
        let mut map = Map::new();
        for (key, value) in [("v", 1), ("cap", 1), ("used", 0), ("gen", 0), ("hits", 1001)] {
            map.insert(key, value);
        }
        assert!(Lease::decode(&cbor::encode(&Value::Map(map))).is_err());
        assert!(Lease::decode(&[]).is_err());
    }

    /// A plan counts on nobody whose selection it does not know: another copy is the safe mistake.
    #[test]
    fn a_filter_counts_when_it_is_the_one_that_the_lease_names() {
        let kinds = [catalog::PackageKind::Model].into();
        let filter = Filter { kinds, ..Filter::default() };
        let value = filter.encode().unwrap();
        let named = Lease { filter: filter.digest().unwrap(), ..lease() };
        let of = |filter: Option<&[u8]>| Mirror::new(named.clone(), filter).accepts;
        assert_eq!(of(Some(&value)), Accepts::Only(filter));
        assert_eq!(of(None), Accepts::Unknown);
        assert_eq!(of(Some(&Filter::default().encode().unwrap())), Accepts::Unknown);
        let open = Lease { filter: None, ..lease() };
        assert_eq!(Mirror::new(open, Some(&value)).accepts, Accepts::Only(Filter::default()));
    }

    proptest! {
        #[test]
        fn a_damaged_lease_is_read_or_refused(at in 0_usize..200, to: u8, cut in 0_usize..200) {
            let mut bytes = lease().encode();
            let length = bytes.len();
            bytes[at % length] = to;
            bytes.truncate(length - cut % length);
            let _ = Lease::decode(&bytes);
        }
    }
}
