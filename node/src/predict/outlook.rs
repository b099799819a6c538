//! What is forecast of one provider while contents move from it, and how much of its share that
//! leaves it.

use std::collections::VecDeque;
use std::time::Duration;

use catalog::Timestamp;

use super::silence::DOUBT_MAX;
use super::{Forecast, Packets, Reading, Risk, Silence};

/// The delay is the median of so many.
const DELAYS: usize = 5;
/// What an alarm leaves of the share: what it is asked beyond its bandwidth times its delay.
const SHARE_ALARMED: f64 = 0.5;
/// An alarm lasts for so long at least, and until the score is below [`CALM`].
const DWELL: Duration = Duration::from_secs(5);
const CALM: f64 = 0.7;

/// What can be seen of a provider at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sight {
    pub rtt: Option<Duration>,
    pub packets: Option<Packets>,
    /// Of its latest report, if one came since the sight before.
    pub report: Option<Report>,
}

/// What a provider says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub load: Option<f64>,
    pub memory: Option<f64>,
}

/// What is made of a sight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prospect {
    pub reading: Reading,
    /// The nearest risk that a cause is known for.
    pub risk: Risk,
    /// The doubt that it lives, where 1 is an alarm.
    pub silence: f64,
    /// What is left of its share, in `0..=1`.
    pub share: f64,
}

/// One provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlook {
    forecast: Forecast,
    delays: VecDeque<Duration>,
    reported: Option<Report>,
    silence: Option<Silence>,
    alarmed: Option<Duration>,
}

impl Outlook {
    /// Looks at it, every [`EVERY`](super::EVERY).
    ///
    /// - `lateness`: how much later than that we came to it.
    pub(crate) fn look(&mut self, now: Duration, lateness: Duration, sight: &Sight) -> Prospect {
        let time = Timestamp::from_millis(now.as_millis() as u64);
        if let Some(report) = sight.report {
            self.silence.get_or_insert_with(|| Silence::since(time)).heard(time);
            self.reported = Some(report);
        }
        self.delays.extend(sight.rtt);
        self.delays.drain(..self.delays.len().saturating_sub(DELAYS));
        let reported = self.reported.unwrap_or_default();
        let reading = Reading {
            load: reported.load,
            latency: self.median_delay(),
            packets: sight.packets,
            memory: reported.memory,
        };
        let risk = self.forecast.observe(&reading);
        let doubt = self.silence.as_ref().map_or(0.0, |silence| silence.doubt(time, lateness));
        let silence = doubt / DOUBT_MAX;
        let score = risk.score.max(silence);
        if score >= 1.0 {
            self.alarmed = Some(now);
        } else if score < CALM && self.alarmed.is_some_and(|since| now >= since + DWELL) {
            self.alarmed = None;
        }
        let share = if self.alarmed.is_some() { SHARE_ALARMED } else { 1.0 };
        Prospect { reading, risk, silence, share }
    }

    /// The share of packets that is lost, smoothed.
    pub(crate) fn loss(&self) -> f64 {
        self.forecast.loss()
    }

    fn median_delay(&self) -> Option<Duration> {
        let mut delays: Vec<Duration> = self.delays.iter().copied().collect();
        delays.sort();
        delays.get(delays.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::EVERY;
    use super::*;

    fn sight(rtt_ms: u64, load: f64) -> Sight {
        let report = Some(Report { load: Some(load), memory: None });
        let packets = Some(Packets { sent: 100, lost: 0 });
        Sight { rtt: Some(Duration::from_millis(rtt_ms)), packets, report }
    }

    /// The share after each of these sights.
    fn shares(outlook: &mut Outlook, now: &mut Duration, sights: &[Sight]) -> Vec<f64> {
        let look = |sight: &Sight| {
            *now += EVERY;
            outlook.look(*now, Duration::ZERO, sight).share
        };
        sights.iter().map(look).collect()
    }

    #[test]
    fn what_is_about_to_fail_loses_most_of_its_share_until_it_is_calm() {
        let (mut outlook, mut now) = (Outlook::default(), Duration::ZERO);
        let quiet = shares(&mut outlook, &mut now, &[sight(20, 0.4); 60]);
        assert!(quiet.iter().all(|share| *share == 1.0));
        let ramp: Vec<Sight> = (0..30).map(|n| sight(20, 0.4 + f64::from(n) * 0.03)).collect();
        let warned = shares(&mut outlook, &mut now, &ramp);
        assert_eq!(warned.last(), Some(&SHARE_ALARMED));
        let calm = shares(&mut outlook, &mut now, &[sight(20, 0.2); 40]);
        assert_eq!(calm[..5], [SHARE_ALARMED; 5], "not at once");
        assert_eq!(calm.last(), Some(&1.0));
    }

    #[test]
    fn one_late_packet_is_no_trend() {
        let (mut outlook, mut now) = (Outlook::default(), Duration::ZERO);
        let mut sights = vec![sight(20, 0.4); 60];
        sights[30] = sight(3000, 0.4);
        sights[31] = sight(3000, 0.4);
        assert!(shares(&mut outlook, &mut now, &sights).iter().all(|share| *share == 1.0));
    }

    #[test]
    fn reports_that_stop_are_an_alarm_and_reports_that_never_came_are_none() {
        let (mut outlook, mut now) = (Outlook::default(), Duration::ZERO);
        let silent = Sight { report: None, ..sight(20, 0.0) };
        let never = shares(&mut outlook, &mut now, &[silent; 60]);
        assert!(never.iter().all(|share| *share == 1.0));
        shares(&mut outlook, &mut now, &[sight(20, 0.3); 30]);
        let stopped = shares(&mut outlook, &mut now, &[silent; 10]);
        let noticed = stopped.iter().position(|share| *share < 1.0).unwrap();
        assert!((1..6).contains(&noticed), "{noticed}");
    }
}
