//! What a simulated world is made of.

use std::fmt;
use std::str::FromStr;

use catalog::ByteSize;

use crate::strategy::Strategy;

/// The most nodes of a world: each knows of all others.
pub const NODES_MAX: u16 = 1000;
/// The most regions of a world.
pub const REGIONS_MAX: u8 = 16;
/// The most packages of a world.
pub const PACKAGES_MAX: u32 = 200_000;
/// The most days of a world.
pub const DAYS_MAX: u32 = 90;
/// The most requests a day for each node.
pub const REQUESTS_MAX: u32 = 100_000;

/// What happens in a world, beside days and nights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// Nothing else.
    #[default]
    Steady,
    /// A package that few wanted becomes what a third of one region asks for.
    HotSpot,
    /// Nodes come and go all the time: up for 20 hours and away for 4, on average.
    Churn,
    /// Two regions are cut off from the others for a sixteenth of the time.
    Partition,
    /// A tenth of the nodes claim to hold everything, hold nothing, and invent demand.
    Attack,
    /// One node goes and comes back a hundred times.
    Flap,
    /// A tenth more nodes join at once.
    Join,
    /// A tenth of the nodes are destroyed at once.
    Kill,
}

impl Scenario {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Self; 8] = [
        Self::Steady,
        Self::HotSpot,
        Self::Churn,
        Self::Partition,
        Self::Attack,
        Self::Flap,
        Self::Join,
        Self::Kill,
    ];

    /// The name that people type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::HotSpot => "hot-spot",
            Self::Churn => "churn",
            Self::Partition => "partition",
            Self::Attack => "attack",
            Self::Flap => "flap",
            Self::Join => "join",
            Self::Kill => "kill",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == text);
        found.ok_or_else(|| SettingsError::Scenario { found: text.chars().take(80).collect() })
    }
}

/// Settings that make no world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A scenario that nobody wrote.
    #[error(
        "no scenario {found:?}; there are steady, hot-spot, churn, partition, attack, flap, join \
         and kill"
    )]
    Scenario {
        /// What was asked for.
        found: Box<str>,
    },
    /// A number that is too small or too large.
    #[error("{name} is {found}, and can be {least} to {most}")]
    Range {
        /// What it counts.
        name: &'static str,
        /// The number found.
        found: u64,
        /// The smallest one that works.
        least: u64,
        /// The largest one that works.
        most: u64,
    },
}

/// A world and what is tried in it. Equal settings make equal worlds, whatever is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Nodes, all of them mirrors.
    pub nodes: u16,
    /// Regions; nodes are spread evenly over them.
    pub regions: u8,
    /// Packages, of 64 KiB to 128 MiB; their popularity follows Zipf's law with exponent 1.
    pub packages: u32,
    /// How long it runs; the first quarter is not counted in the summary.
    pub days: u32,
    /// Installs a day, for each node, asked for by the people of its region.
    pub requests: u32,
    /// What everything follows from.
    pub seed: u64,
    /// What happens.
    pub scenario: Scenario,
    /// What mirrors put first when there is not room for everything.
    pub strategy: Strategy,
    /// Bytes that a node offers, on average; equal for all that are compared.
    pub budget: ByteSize,
    /// The fewest copies of each package that mirrors aim at.
    pub factor_min: u8,
    /// The most copies of a package.
    pub factor_max: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 100,
            regions: 5,
            packages: 10_000,
            days: 7,
            requests: 1_000,
            seed: 1,
            scenario: Scenario::Steady,
            strategy: Strategy::default(),
            budget: ByteSize::gib(10),
            factor_min: 3,
            factor_max: 16,
        }
    }
}

impl Settings {
    /// Whether a world can be made of them.
    ///
    /// # Errors
    /// [`SettingsError::Range`] names the first number that does not work.
    pub fn check(&self) -> Result<(), SettingsError> {
        let nodes_least = 2 * u64::from(self.regions).max(5);
        let ranges = [
            ("regions", u64::from(self.regions), 1, u64::from(REGIONS_MAX)),
            ("nodes", u64::from(self.nodes), nodes_least, u64::from(NODES_MAX)),
            ("packages", u64::from(self.packages), 1, u64::from(PACKAGES_MAX)),
            ("days", u64::from(self.days), 1, u64::from(DAYS_MAX)),
            ("requests", u64::from(self.requests), 1, u64::from(REQUESTS_MAX)),
            ("budget in bytes", self.budget.as_u64(), 1 << 20, 1 << 50),
            ("factor", u64::from(self.factor_min), 1, 16),
            ("largest factor", u64::from(self.factor_max), u64::from(self.factor_min), 16),
        ];
        for (name, found, least, most) in ranges {
            if !(least..=most).contains(&found) {
                return Err(SettingsError::Range { name, found, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_read_as_they_are_shown() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        let error = "storm".parse::<Scenario>().unwrap_err().to_string();
        assert!(Scenario::ALL.iter().all(|known| error.contains(known.name())), "{error}");
    }

    #[test]
    fn settings_that_make_no_world_name_the_number() {
        assert_eq!(Settings::default().check(), Ok(()));
        for (settings, name) in [
            (Settings { nodes: 9, ..Settings::default() }, "nodes"),
            (Settings { regions: 0, ..Settings::default() }, "regions"),
            (Settings { factor_min: 5, factor_max: 4, ..Settings::default() }, "largest factor"),
            (Settings { budget: ByteSize::kib(1), ..Settings::default() }, "budget in bytes"),
        ] {
            let error = settings.check().unwrap_err();
            assert!(matches!(error, SettingsError::Range { name: found, .. } if found == name));
        }
    }
}
