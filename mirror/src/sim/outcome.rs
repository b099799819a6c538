//! What came out of a world: hours, a summary, and what the scenario was about.

use std::fmt;
use std::time::Duration;

use catalog::ByteSize;

use super::tally::Served;
use super::world::Hour;

/// Who places copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What mirrors do.
    Planned,
    /// Each package has as many copies as any other, as many as the bytes allow, spread by
    /// rendezvous hashing and repaired as mirrors do.
    Static,
    /// Each node fills its bytes with packages of chance.
    Random,
    /// Each region is a cache; what was asked for longest ago makes room.
    Lru,
}

impl Way {
    /// What mirrors are compared with.
    pub const BASELINES: [Self; 3] = [Self::Lru, Self::Random, Self::Static];

    /// The name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "mirrors",
            Self::Static => "static",
            Self::Random => "random",
            Self::Lru => "lru",
        }
    }
}

/// Something that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[non_exhaustive]
pub enum Amount {
    /// A number of things.
    Count(u64),
    /// Hundredths of one.
    Times(u64),
    /// Hundredths of a percent.
    Share(u64),
    /// Bytes.
    Bytes(ByteSize),
    /// Bytes in a second.
    Rate(u64),
    /// A while.
    While(Duration),
}

impl Amount {
    /// The unit of the plain [`number`](Self::number).
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Count(_) => "count",
            Self::Times(_) => "hundredths",
            Self::Share(_) => "hundredths of a percent",
            Self::Bytes(_) => "bytes",
            Self::Rate(_) => "bytes per second",
            Self::While(_) => "seconds",
        }
    }

    /// The plain number, in its [`unit`](Self::unit).
    pub const fn number(self) -> u64 {
        match self {
            Self::Count(number) | Self::Times(number) | Self::Share(number) => number,
            Self::Rate(number) => number,
            Self::Bytes(bytes) => bytes.as_u64(),
            Self::While(time) => time.as_secs(),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Count(count) => count.to_string(),
            Self::Times(times) => format!("{}.{:02}x", times / 100, times % 100),
            Self::Share(share) => format!("{}.{:02} %", share / 100, share % 100),
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Rate(bytes) => format!("{bytes} B/s"),
            Self::While(time) if time < Duration::from_secs(600) => format!("{} s", time.as_secs()),
            Self::While(time) => format!("{} min", time.as_secs() / 60),
        };
        f.pad(&text)
    }
}

/// What a scenario was about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is called in tables and JSON: words with `_` between them.
    pub name: &'static str,
    /// What it means, for people.
    pub words: &'static str,
    /// What was measured.
    pub is: Amount,
    /// What it should not exceed.
    pub most: Option<Amount>,
}

impl Finding {
    pub(super) fn new(name: &'static str, words: &'static str, is: Amount) -> Self {
        Self { name, words, is, most: None }
    }

    pub(super) fn at_most(self, most: Amount) -> Self {
        Self { most: Some(most), ..self }
    }

    /// Whether it is within its bound; it is when there is none.
    pub fn holds(&self) -> bool {
        self.most.is_none_or(|most| self.is.number() <= most.number())
    }
}

/// What one way of placing made of a world.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Who placed.
    pub way: Way,
    /// Each hour, from the first on.
    pub hours: Vec<Hour>,
    /// What people got after everything had settled: without the first quarter.
    pub whole: Served,
    /// What the scenario was about.
    pub findings: Vec<Finding>,
    /// Copies that were fetched of each package, from the beginning.
    pub(super) copied: Vec<u32>,
}

impl Run {
    /// Mirrored at the end.
    pub fn stored(&self) -> ByteSize {
        self.hours.last().map_or(ByteSize::default(), |hour| hour.stored)
    }

    /// Packages that were lost for good.
    pub fn lost(&self) -> u64 {
        self.hours.last().map_or(0, |hour| hour.lost)
    }

    /// Packages that had too few copies on nodes that were up, on average after the first quarter.
    pub fn below(&self) -> u64 {
        let settled = &self.hours[self.hours.len() / 4..];
        let sum: u64 = settled.iter().map(|hour| hour.below).sum();
        sum.checked_div(settled.len() as u64).unwrap_or(0)
    }

    /// A finding by its name.
    pub fn finding(&self, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.name == name)
    }
}

/// The columns of [`csv`].
const COLUMNS: &str = "way,hour,requests,local,remote,failed,p50_ms,p95_ms,served_bytes,\
                       crossed_bytes,moved_bytes,control_bytes,stored_bytes,up,below,lost\n";

/// All hours of all runs as a table, one line each; equal settings give equal bytes.
pub fn csv(runs: &[Run]) -> String {
    let mut text = COLUMNS.to_owned();
    for run in runs {
        for (at, hour) in run.hours.iter().enumerate() {
            let served = &hour.served;
            let numbers = [
                at as u64,
                served.requests,
                served.local,
                served.remote,
                served.failed,
                served.p50_ms.into(),
                served.p95_ms.into(),
                served.served.as_u64(),
                served.crossed.as_u64(),
                served.moved.as_u64(),
                served.control.as_u64(),
                hour.stored.as_u64(),
                hour.up,
                hour.below,
                hour.lost,
            ];
            text += run.way.name();
            for number in numbers {
                text.push(',');
                text += &number.to_string();
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_has_every_column() {
        let run = Run {
            way: Way::Lru,
            hours: vec![Hour::default(); 2],
            whole: Served::default(),
            findings: Vec::new(),
            copied: Vec::new(),
        };
        let table = csv(&[run]);
        let columns = COLUMNS.matches(',').count();
        assert_eq!(table.lines().count(), 3);
        assert!(table.lines().all(|line| line.matches(',').count() == columns), "{table}");
        assert!(table.ends_with("lru,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n"), "{table}");
    }

    #[test]
    fn findings_say_whether_they_hold() {
        let finding = Finding::new("moved", "moved", Amount::Times(149));
        assert!(finding.holds());
        assert!(finding.clone().at_most(Amount::Times(150)).holds());
        assert!(!finding.at_most(Amount::Times(148)).holds());
        assert_eq!(Amount::Times(149).to_string(), "1.49x");
        assert_eq!(Amount::Share(9_905).to_string(), "99.05 %");
    }
}
