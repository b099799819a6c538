//! Counts what this mirror serves, to whom it does not remember.
//!
//! A request counts for the unit and for the region that the client names, once an hour for each
//! client. A count that halves every day needs most of a day to follow what becomes popular, so
//! there is another that halves every hour, and speaks when days foretold less. Of clients only four
//! short hashes are kept for each unit, under a key that is made anew at every start and never
//! written down: enough to tell two of them apart.
//!
//! Guarantees: at most [`UNITS_MAX`] counts; a unit that a single client asked for is told to nobody.

use std::collections::BTreeMap;

use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::name::Region;
use catalog::permission::NodeId;
use catalog::{Digest, Timestamp};

use super::Prefix;
use super::demand::{Demand, DemandRow, ROWS_MAX};
use super::fading::{Fading, ONE, hour};
use crate::rendezvous::log2_floor;

/// The most units times regions that are counted; the coldest makes room.
pub const UNITS_MAX: usize = 4096;
/// The most bytes of [`Served::encode`].
pub const SERVED_BYTES_MAX: usize = 1 << 20;

/// Clients that are told apart in one hour.
const CLIENTS: usize = 4;
/// From so many requests within the hour on, demand is rising rather than chance.
const RISE_MIN: u64 = 4;
/// What a request within the hour then stands for. If it went on so, it would come to 24 in a count
/// that halves every day; demand that stays the same never says more by this.
const RISE: u64 = 8;
/// A unit has a peak when so many of a hundred requests fall into a quarter of the day.
const PEAK_PERCENT: u32 = 60;
/// Fewer requests than this have no peak.
const PEAK_REQUESTS: u32 = 8;
/// The version of the layout.
const VERSION: u64 = 1;

/// What this mirror served.
#[derive(Clone, Debug)]
pub struct Served {
    salt: [u8; 32],
    counts: BTreeMap<(Prefix, Option<Region>), Count>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    fading: Fading,
    /// Requests of late: half of what it was an hour before.
    lately: Lately,
    /// Whether two different clients asked.
    several: bool,
    /// Requests by the hour of the day, halved when one of them is full.
    hours: [u8; 24],
    /// The clients of the last hour in which somebody asked, the latest last.
    clients: [u32; CLIENTS],
}

/// A count that halves every hour. It is not kept over a restart.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    units: u64,
    hour: u64,
}

impl Lately {
    fn at(self, hour: u64) -> u64 {
        let passed = u32::try_from(hour.saturating_sub(self.hour)).unwrap_or(u32::MAX);
        self.units.checked_shr(passed).unwrap_or_default()
    }

    fn plus_one(self, hour: u64) -> Self {
        Self { units: self.at(hour).saturating_add(ONE), hour: hour.max(self.hour) }
    }
}

impl Served {
    /// Nothing was served.
    ///
    /// - `salt`: drawn at each start; it hides the clients from whoever reads the memory.
    pub fn new(salt: [u8; 32]) -> Self {
        Self { salt, counts: BTreeMap::new() }
    }

    /// Counts that `client`, who says that it is in `region`, was given `root`.
    ///
    /// - result: whether it begins to be asked for much more than before, so that others should be
    ///   told at once.
    pub fn note(
        &mut self,
        now: Timestamp,
        root: &Digest,
        region: Option<&Region>,
        client: &NodeId,
    ) -> bool {
        let key = (Prefix::of(root), region.cloned());
        let hour = hour(now);
        if !self.counts.contains_key(&key) && self.counts.len() >= UNITS_MAX {
            let coldest = self.counts.iter().min_by_key(|(_, count)| count.fading.at(hour));
            if let Some(coldest) = coldest.map(|(key, _)| key.clone()) {
                self.counts.remove(&coldest);
            }
        }
        let client = self.alias(client, root);
        let count = self.counts.entry(key).or_default();
        let known = count.clients.contains(&client);
        count.several |= !known && count.clients != [0; CLIENTS];
        if known && count.fading.hour == hour {
            return false;
        }
        let rose = count.rises(hour);
        if !known {
            count.clients.rotate_left(1);
            count.clients[CLIENTS - 1] = client;
        }
        count.fading = count.fading.plus_one(hour);
        count.lately = count.lately.plus_one(hour);
        let of_day = &mut count.hours[(hour % 24) as usize];
        *of_day += 1;
        if *of_day == u8::MAX {
            count.hours.iter_mut().for_each(|requests| *requests /= 2);
        }
        !rose && count.rises(hour)
    }

    /// A client by another name, different for each unit; never 0.
    fn alias(&self, client: &NodeId, root: &Digest) -> u32 {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(client.as_bytes());
        pair[32..].copy_from_slice(root.as_bytes());
        let hash = Digest::keyed(&self.salt, &pair);
        let (four, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        u32::from_be_bytes(*four).max(1)
    }

    /// What to tell others: the most wanted units that more than one client asked for.
    pub fn demand(&self, now: Timestamp) -> Demand {
        let hour = hour(now);
        let mut rows: Vec<(u64, DemandRow)> = Vec::new();
        for ((prefix, region), count) in &self.counts {
            let requests = count.requests(hour);
            if count.several && requests > 0 {
                let (log2, peak) = (log2_floor(requests) as u8, count.peak());
                let row = DemandRow { prefix: *prefix, region: region.clone(), log2, peak };
                rows.push((requests, row));
            }
        }
        // Equal counts keep the order of the units, so that the same state is said the same way.
        rows.sort_by_key(|(requests, _)| std::cmp::Reverse(*requests));
        rows.truncate(ROWS_MAX);
        let mut rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        rows.sort_by(|a, b| (a.prefix, &a.region).cmp(&(b.prefix, &b.region)));
        Demand { rows }
    }

    /// The bytes to keep. Clients are not among them.
    pub fn encode(&self) -> Vec<u8> {
        let row = |((prefix, region), count): (&(Prefix, Option<Region>), &Count)| {
            Value::Array(vec![
                Value::Bytes(prefix.0.to_vec()),
                region.as_ref().map_or(Value::Null, |region| region.as_str().into()),
                Value::Uint(count.fading.units),
                Value::Uint(count.fading.hour),
                Value::Bool(count.several),
                Value::Bytes(count.hours.to_vec()),
            ])
        };
        let mut map = Map::new();
        map.insert("n", Value::Array(self.counts.iter().map(row).collect()));
        map.insert("v", VERSION);
        cbor::encode(&Value::Map(map))
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else, and for another version.
    pub fn decode(bytes: &[u8], salt: [u8; 32]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(bytes, SERVED_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let rows = fields.array("n")?;
        fields.finish()?;
        if rows.len() > UNITS_MAX {
            return Err(CodecError::invalid("n", "too many counts"));
        }
        let counts: Option<BTreeMap<_, _>> = rows.into_iter().map(read).collect();
        let counts = counts.ok_or_else(|| CodecError::invalid("n", "not a count"))?;
        Ok(Self { salt, counts })
    }
}

fn read(row: Value) -> Option<((Prefix, Option<Region>), Count)> {
    let Value::Array(row) = row else { return None };
    let [Value::Bytes(prefix), region, Value::Uint(units), Value::Uint(hour), several, hours] =
        <[Value; 6]>::try_from(row).ok()?
    else {
        return None;
    };
    let region = match region {
        Value::Null => None,
        Value::Text(text) => Some(text.parse().ok()?),
        _ => return None,
    };
    let (Value::Bool(several), Value::Bytes(hours)) = (several, hours) else { return None };
    let count = Count {
        fading: Fading { units, hour },
        lately: Lately::default(),
        several,
        hours: hours.try_into().ok()?,
        clients: [0; CLIENTS],
    };
    Some(((Prefix(prefix.try_into().ok()?), region), count))
}

impl Count {
    /// How often it is asked for.
    fn requests(&self, hour: u64) -> u64 {
        let (days, lately) = (self.fading.at(hour) / ONE, self.lately.at(hour) / ONE);
        if lately < RISE_MIN { days } else { days.max(lately * RISE) }
    }

    /// Whether it is asked for more than days foretold.
    fn rises(&self, hour: u64) -> bool {
        self.requests(hour) > self.fading.at(hour) / ONE
    }

    /// The middle of the quarter of the day in which most requests come, if that is most of them.
    fn peak(&self) -> Option<u8> {
        let within = |from: usize| -> u32 {
            (from..from + 6).map(|hour| u32::from(self.hours[hour % 24])).sum()
        };
        let all: u32 = self.hours.iter().map(|requests| u32::from(*requests)).sum();
        // The first of equal quarters: `max_by_key` would take the last.
        let best = (0..24).rev().max_by_key(|from| within(*from))?;
        let peaked = all >= PEAK_REQUESTS && within(best) * 100 >= all * PEAK_PERCENT;
        peaked.then_some(((best + 3) % 24) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(20_000 * DAY + hours * 60 * 60 * 1000)
    }

    fn client(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn root(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn eu() -> Region {
        "eu".parse().unwrap()
    }

    #[test]
    fn what_one_client_asks_for_is_told_to_nobody() {
        let mut served = Served::new([1; 32]);
        for hour in 0..20 {
            served.note(at(hour), &root(1), Some(&eu()), &client(1));
        }
        assert_eq!(served.demand(at(20)).rows, []);
        served.note(at(20), &root(1), Some(&eu()), &client(2));
        let rows = served.demand(at(20)).rows;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].prefix, rows[0].log2), (Prefix::of(&root(1)), 3));
    }

    #[test]
    fn a_client_counts_once_an_hour() {
        let mut served = Served::new([1; 32]);
        for n in [1, 2, 1, 2, 1, 1, 1, 2] {
            served.note(at(0), &root(1), None, &client(n));
        }
        assert_eq!(served.demand(at(0)).rows[0].log2, 1);
    }

    #[test]
    fn what_becomes_popular_is_told_before_a_day_has_counted_it() {
        let mut served = Served::new([1; 32]);
        let log2 =
            |served: &Served, hours| served.demand(at(hours)).rows.first().map(|row| row.log2);
        for n in 0..3 {
            assert!(!served.note(at(0), &root(1), None, &client(n)));
        }
        assert_eq!(log2(&served, 0), Some(1), "three may be chance");
        assert!(served.note(at(0), &root(1), None, &client(3)), "others are told at once");
        assert!(!served.note(at(0), &root(1), None, &client(4)), "and not again");
        assert_eq!((log2(&served, 0), log2(&served, 1)), (Some(5), Some(2)));
    }

    /// Counting what is asked for lately makes no difference to what is always asked for.
    #[test]
    fn demand_that_stays_is_told_as_it_is() {
        for each_hour in [1, 4, 16] {
            let mut served = Served::new([1; 32]);
            for hour in 0..24 * 10 {
                for n in 0..each_hour {
                    served.note(at(hour), &root(1), None, &client(n));
                }
                let count = served.counts.values().next().unwrap();
                let days = count.fading.at(super::hour(at(hour))) / ONE;
                assert!(hour < 24 || count.requests(super::hour(at(hour))) == days, "hour {hour}");
            }
        }
    }

    #[test]
    fn demand_fades() {
        let mut served = Served::new([1; 32]);
        for n in 0..64 {
            served.note(at(0), &root(1), None, &client(n));
        }
        let log2 = |hours| served.demand(at(hours)).rows.first().map(|row| row.log2);
        assert_eq!([24, 48, 72].map(log2), [Some(5), Some(4), Some(3)]);
        assert_eq!(log2(24 * 8), None);
    }

    #[test]
    fn a_quarter_of_the_day_in_which_most_come_is_a_peak() {
        let mut served = Served::new([1; 32]);
        for day in 0..5 {
            for n in 0..3 {
                served.note(at(day * 24 + 9 + u64::from(n)), &root(1), None, &client(n));
                served.note(at(day * 24 + u64::from(n) * 8), &root(2), None, &client(n));
            }
        }
        let rows = served.demand(at(24 * 5)).rows;
        let peak =
            |unit| rows.iter().find(|row| row.prefix == Prefix::of(&root(unit))).unwrap().peak;
        // Any quarter with the three hours 9, 10 and 11 holds all; the first begins at 6.
        assert_eq!((peak(1), peak(2)), (Some(9), None));
    }

    #[test]
    fn counts_are_bounded_and_the_most_wanted_are_told() {
        let mut served = Served::new([1; 32]);
        for n in 0..3 {
            served.note(at(0), &root(7), None, &client(n));
            served.note(at(1), &root(7), None, &client(n));
        }
        for unit in 100..100 + UNITS_MAX as u32 {
            served.note(at(1), &root(unit), None, &client(1));
            served.note(at(1), &root(unit), None, &client(2));
        }
        assert_eq!(served.counts.len(), UNITS_MAX);
        let rows = served.demand(at(1)).rows;
        assert_eq!(rows.len(), ROWS_MAX);
        assert!(rows.iter().any(|row| row.prefix == Prefix::of(&root(7))));
        let bytes = served.encode();
        assert!(bytes.len() < SERVED_BYTES_MAX, "{}", bytes.len());
    }

    #[test]
    fn counts_are_kept_as_these_bytes() {
        let mut served = Served::new([1; 32]);
        served.note(at(1), &root(1), Some(&eu()), &client(1));
        served.note(at(1), &root(1), Some(&eu()), &client(2));
        let prefix = hex::encode(Prefix::of(&root(1)).0);
        let hours = format!("0002{}", "00".repeat(22));
        let expected = format!("a2616e818648{prefix}6265751a000200001a00075301f55818{hours}617601");
        assert_eq!(hex::encode(served.encode()), expected);
        let read = Served::decode(&served.encode(), [2; 32]).unwrap();
        assert_eq!(read.encode(), served.encode());
        assert_eq!(read.demand(at(2)), served.demand(at(2)));
        assert!(Served::decode(b"", [2; 32]).is_err());
    }
}
