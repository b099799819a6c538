//! What a person wants of the line, and what of that holds at a moment.
//!
//! In: a [`Policy`] and what the system tells of the moment ([`Surroundings`]). Out: the limits of
//! both directions, and which classes wait. Nothing is measured here.

use serde::{Deserialize, Serialize};

pub use super::schedule::{Schedule, ScheduleError, Window};
use super::{Class, Limits};

/// What a person wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How fast contents are sent to peers.
    pub upload: Limits,
    /// How fast contents are taken from peers.
    pub download: Limits,
    /// Other limits for all peers together, by the time of day.
    pub schedule: Schedule,
    /// Whether everything yields to the line's other traffic.
    pub background: Background,
    /// What happens on battery.
    pub on_battery: WhenScarce,
    /// Whether bytes cost money on this line, which the system does not tell.
    pub metered: Metered,
}

/// Whether what this node moves yields to the line's other traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// Only what is [`Class::Low`].
    #[default]
    Off,
    /// All but what is [`Class::Critical`].
    On,
}

/// What happens to transfers for others where energy or bytes are scarce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenScarce {
    /// They go on.
    #[default]
    GoOn,
    /// They wait.
    Pause,
}

/// Whether bytes cost money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metered {
    /// They do not.
    #[default]
    No,
    /// They do: transfers for others wait.
    Yes,
}

impl From<bool> for Background {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl From<bool> for WhenScarce {
    fn from(pauses: bool) -> Self {
        if pauses { Self::Pause } else { Self::GoOn }
    }
}

impl From<bool> for Metered {
    fn from(costs: bool) -> Self {
        if costs { Self::Yes } else { Self::No }
    }
}

/// What the system tells of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The minute of the day here.
    pub minute: u16,
    /// Whether the machine runs on battery.
    pub on_battery: bool,
}

/// Why transfers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pause {
    /// The machine runs on battery.
    Battery,
    /// Bytes cost money.
    Metered,
}

/// What holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// How fast contents are sent to peers.
    pub upload: Limits,
    /// How fast contents are taken from peers.
    pub download: Limits,
    /// Whether everything yields to the line's other traffic.
    pub background: Background,
    /// Why transfers for others wait, if they do.
    pub pause: Option<Pause>,
}

impl Policy {
    /// What holds at a moment.
    pub fn at(&self, moment: Surroundings) -> Effect {
        let Self { mut upload, mut download, background, .. } = *self;
        if let Some(window) = self.schedule.at(moment.minute) {
            upload.total = window.upload.unwrap_or(upload.total);
            download.total = window.download.unwrap_or(download.total);
        }
        let pause = match (self.metered, self.on_battery) {
            (Metered::Yes, _) => Some(Pause::Metered),
            (_, WhenScarce::Pause) if moment.on_battery => Some(Pause::Battery),
            _ => None,
        };
        Effect { upload, download, background, pause }
    }

    /// Whether what holds depends on anything that can change by itself.
    pub fn depends_on_surroundings(&self) -> bool {
        !self.schedule.is_empty() || self.on_battery == WhenScarce::Pause
    }
}

impl Effect {
    /// The least urgent class that may go: what somebody here waits for always may.
    pub fn floor(&self) -> Class {
        match self.pause {
            None => Class::Low,
            Some(_) => Class::High,
        }
    }
}

#[cfg(test)]
mod tests {
    use catalog::ByteSize;

    use super::super::Rate;
    use super::*;

    fn at(minute: u16, on_battery: bool) -> Surroundings {
        Surroundings { minute, on_battery }
    }

    #[test]
    fn a_schedule_changes_only_what_it_names() {
        let slow = Rate::AtMost(ByteSize::bytes(1_000));
        let policy = Policy {
            upload: Limits { peer: slow, ..Limits::default() },
            schedule: "08:00-18:00 upload=1MB/s".parse().unwrap(),
            ..Policy::default()
        };
        let (day, night) = (policy.at(at(600, false)), policy.at(at(0, false)));
        assert_eq!(night.upload, policy.upload);
        assert_eq!(day.upload.total, "1MB/s".parse().unwrap());
        assert_eq!(day.upload.peer, slow);
        assert_eq!(day.download, Limits::default());
        assert!(policy.depends_on_surroundings());
        assert!(!Policy::default().depends_on_surroundings());
    }

    #[test]
    fn what_is_scarce_is_not_spent_on_others_unless_it_may() {
        let policy = |on_battery, metered| Policy { on_battery, metered, ..Policy::default() };
        let floor = |policy: Policy, on_battery| policy.at(at(0, on_battery)).floor();
        assert_eq!(floor(policy(WhenScarce::GoOn, Metered::No), true), Class::Low);
        assert_eq!(floor(policy(WhenScarce::Pause, Metered::No), false), Class::Low);
        assert_eq!(floor(policy(WhenScarce::Pause, Metered::No), true), Class::High);
        assert_eq!(floor(policy(WhenScarce::GoOn, Metered::Yes), false), Class::High);
    }
}
