//! Lengths of time as people write them.

use std::str::FromStr;
use std::time::Duration;

/// A length of time: `30s`, `5m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Text that is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is a number and s, m, h or d, such as 30s or 1h")]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let unit = text.chars().last().ok_or(SpanError)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(SpanError),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| SpanError)?;
        let span = u64::from(number).checked_mul(seconds).ok_or(SpanError)?;
        Ok(Self(Duration::from_secs(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))));
        }
        for text in ["", "5", "m", "5 m", "-5m", "5w", "1.5h", "5µ", "99999999999d"] {
            assert_eq!(text.parse::<Span>(), Err(SpanError), "{text}");
        }
    }
}
