//! What a mirror says that it served: the value of the register `mirror/demand`.

use std::time::Duration;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::name::Region;
use catalog::register::VALUE_BYTES_MAX;

use super::Prefix;

/// The name of the register that carries demand.
pub const NAME: &str = "mirror/demand";
/// How long it travels; what was served fades by itself.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The most rows.
pub const ROWS_MAX: usize = 128;

/// The most regions.
const REGIONS_MAX: usize = 32;
/// Prefix, number of the region, exponent, hour.
const ROW_BYTES: usize = 11;
/// What stands for no region, and for no hour.
const NONE: u8 = 255;
/// The version of the layout.
const VERSION: u64 = 1;

/// How often a mirror was asked for some units, the most wanted of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// At most [`ROWS_MAX`], by unit and region.
    pub rows: Vec<DemandRow>,
}

/// How often clients in one region asked for one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandRow {
    /// The unit.
    pub prefix: Prefix,
    /// Where the clients say that they are.
    pub region: Option<Region>,
    /// How often, as a power of two, in a count that halves every day.
    pub log2: u8,
    /// The hour of the day, in UTC, around which most of them came, if there is one.
    pub peak: Option<u8>,
}

impl Demand {
    /// The value of a register that says this: what is beyond the bounds is left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut regions: Vec<&Region> =
            self.rows.iter().filter_map(|row| row.region.as_ref()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions.truncate(REGIONS_MAX);
        let mut rows = Vec::with_capacity(self.rows.len() * ROW_BYTES);
        for row in self.rows.iter().take(ROWS_MAX) {
            let region = match &row.region {
                None => NONE,
                Some(region) => match regions.binary_search(&region) {
                    Ok(at) => at as u8,
                    Err(_) => continue,
                },
            };
            rows.extend_from_slice(&row.prefix.0);
            rows.extend_from_slice(&[region, row.log2, row.peak.unwrap_or(NONE)]);
        }
        let mut map = Map::new();
        map.insert("r", Value::Array(regions.into_iter().map(|r| r.as_str().into()).collect()));
        map.insert("rows", rows);
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
        let regions = fields.texts("r")?;
        let bytes = fields.bytes("rows")?;
        fields.finish()?;
        if regions.len() > REGIONS_MAX {
            return Err(CodecError::invalid("r", "too many regions"));
        }
        let regions: Result<Vec<Region>, _> = regions.iter().map(|text| text.parse()).collect();
        let regions = regions.map_err(|error| CodecError::invalid("r", error))?;
        if !bytes.len().is_multiple_of(ROW_BYTES) || bytes.len() > ROWS_MAX * ROW_BYTES {
            return Err(CodecError::invalid("rows", "not some whole rows"));
        }
        let row = |row: &[u8]| {
            let (prefix, rest) = row.split_first_chunk::<8>()?;
            let &[region, log2, peak] = rest else { return None };
            let region = match region {
                NONE => None,
                at => Some(regions.get(usize::from(at))?.clone()),
            };
            let peak = match peak {
                NONE => None,
                hour @ 0..24 => Some(hour),
                _ => return None,
            };
            (log2 < 64).then_some(DemandRow { prefix: Prefix(*prefix), region, log2, peak })
        };
        let rows: Option<Vec<_>> = bytes.chunks_exact(ROW_BYTES).map(row).collect();
        Ok(Self { rows: rows.ok_or_else(|| CodecError::invalid("rows", "not a row"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand() -> Demand {
        let row = |n, region: &str, log2, peak| DemandRow {
            prefix: Prefix([n; 8]),
            region: region.parse().ok(),
            log2,
            peak,
        };
        Demand {
            rows: vec![
                row(0xaa, "us", 3, Some(17)),
                row(0xbb, "eu", 0, None),
                row(0xcc, "", 5, None),
            ],
        }
    }

    #[test]
    fn demand_has_these_bytes() {
        let bytes = [
            "a3",
            "617282626575627573",
            "617601",
            "64726f77735821",
            "aaaaaaaaaaaaaaaa010311",
            "bbbbbbbbbbbbbbbb0000ff",
            "ccccccccccccccccff05ff",
        ];
        assert_eq!(hex::encode(demand().encode()), bytes.concat());
        assert_eq!(Demand::decode(&demand().encode()), Ok(demand()));
    }

    #[test]
    fn demand_always_fits_into_a_register() {
        let row = |n: u64| DemandRow {
            prefix: Prefix(n.to_be_bytes()),
            region: format!("{:r<64}", n % 40).parse().ok(),
            log2: 63,
            peak: Some(23),
        };
        let bytes = Demand { rows: (0..200).map(row).collect() }.encode();
        assert!(bytes.len() <= VALUE_BYTES_MAX, "{}", bytes.len());
        assert!(Demand::decode(&bytes).unwrap().rows.len() > 90);
    }

    proptest! {
        #[test]
        fn damaged_demand_is_read_or_refused(at in 0_usize..80, to: u8) {
            let mut bytes = demand().encode();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(read) = Demand::decode(&bytes) {
                prop_assert!(read.rows.iter().all(|row| row.log2 < 64));
            }
        }
    }
}
