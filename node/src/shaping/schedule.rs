//! Limits by the time of day.

use std::fmt;
use std::str::FromStr;

use super::rate::{Rate, RateError};

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// Windows of the day in which other limits hold: `08:00-18:00 upload=1MB/s, 23:00-06:00
/// upload=none download=none`. The first in which a moment lies counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Schedule(Vec<Window>);

/// From one minute of the day to before another; past midnight where that is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: u16,
    to: u16,
    /// What all peers together are sent meanwhile, if that is said.
    pub upload: Option<Rate>,
    /// What all peers together may send meanwhile, if that is said.
    pub download: Option<Rate>,
}

/// Text that is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A window does not begin with two times.
    #[error("{text:?} is not a window such as 08:00-18:00")]
    Window {
        /// What stands there.
        text: String,
    },
    /// Something other than a limit stands behind the times.
    #[error("{text:?} is not a limit such as upload=1MB/s or download=none")]
    Limit {
        /// What stands there.
        text: String,
    },
    /// A limit that is no rate.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// A window in which nothing is different.
    #[error("nothing is limited from {window}")]
    Nothing {
        /// Its times.
        window: String,
    },
}

impl Schedule {
    /// The window in which a minute of the day lies.
    pub fn at(&self, minute: u16) -> Option<&Window> {
        self.0.iter().find(|window| window.contains(minute))
    }

    /// Whether every moment is like any other.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Window {
    fn contains(&self, minute: u16) -> bool {
        match self.from <= self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// `none`, or windows separated by commas.
impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(Self::default());
        }
        let windows: Result<_, _> = text.split(',').map(str::parse).collect();
        Ok(Self(windows?))
    }
}

impl FromStr for Window {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let mut words = text.split_whitespace();
        let times = words.next().unwrap_or_default();
        let (from, to) = times
            .split_once('-')
            .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
            .filter(|(from, to)| from != to && *from < MINUTES_OF_A_DAY)
            .ok_or_else(|| ScheduleError::Window { text: times.to_owned() })?;
        let mut window = Self { from, to, upload: None, download: None };
        for word in words {
            let place = match word.split_once('=') {
                Some(("upload", rate)) => (&mut window.upload, rate),
                Some(("download", rate)) => (&mut window.download, rate),
                _ => return Err(ScheduleError::Limit { text: word.to_owned() }),
            };
            *place.0 = Some(place.1.parse()?);
        }
        if window.upload.is_none() && window.download.is_none() {
            return Err(ScheduleError::Nothing { window: times.to_owned() });
        }
        Ok(window)
    }
}

/// `HH:MM` as a minute of the day; 24:00 is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| -> Option<u16> {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= MINUTES_OF_A_DAY).then_some(minute)
}

impl Window {
    fn written(&self, rate: impl Fn(Rate) -> String) -> String {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut text = format!("{}-{}", time(self.from), time(self.to));
        for (name, limit) in [("upload", self.upload), ("download", self.download)] {
            if let Some(limit) = limit {
                text += &format!(" {name}={}", rate(limit));
            }
        }
        text
    }
}

impl Schedule {
    fn written(&self, rate: impl Fn(Rate) -> String) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        let windows: Vec<String> = self.0.iter().map(|window| window.written(&rate)).collect();
        windows.join(", ")
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written(|rate| rate.to_string()))
    }
}

/// Exact, so that it is read as it was written.
impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.written(String::from)
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_window_in_which_a_moment_lies_counts() {
        let text = "08:00-18:00 upload=1MB/s, 22:30-06:00 upload=none download=none, \
                    00:00-24:00 download=5MB";
        let schedule: Schedule = text.parse().unwrap();
        let at = |hours: u16, minutes: u16| {
            let window = schedule.at(hours * 60 + minutes).unwrap();
            (window.upload.is_some(), window.download)
        };
        let none = Some(Rate::Unlimited);
        assert_eq!(at(8, 0), (true, None));
        assert_eq!(at(17, 59), (true, None));
        assert_eq!(at(18, 0), (false, "5MB".parse().ok()));
        for (hours, minutes) in [(22, 30), (23, 59), (0, 0), (5, 59)] {
            assert_eq!(at(hours, minutes), (true, none));
        }
        assert!(!at(6, 0).0);
        let written = String::from(schedule.clone());
        assert_eq!(written.parse(), Ok(schedule));
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_wrong_part() {
        assert_eq!("none".parse(), Ok(Schedule::default()));
        let error = |text: &str| text.parse::<Schedule>().unwrap_err().to_string();
        for times in ["8:00-18:00", "08:00", "08:00-08:00", "24:00-01:00", "08:60-09:00", "x-y"] {
            let text = format!("{times} upload=none");
            assert_eq!(error(&text), format!("{times:?} is not a window such as 08:00-18:00"));
        }
        assert!(error("08:00-18:00").contains("nothing is limited"));
        assert!(error("08:00-18:00 up=1MB").contains("\"up=1MB\" is not a limit"));
        assert!(error("08:00-18:00 upload=0").contains("never end"));
    }
}
