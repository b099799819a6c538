//! Bytes a second, or as many as there are.

use std::fmt;
use std::str::FromStr;

use catalog::size::{ByteSize, ByteSizeError};

/// How much may go in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Rate {
    /// As much as there is.
    #[default]
    Unlimited,
    /// At most this.
    AtMost(ByteSize),
}

/// Text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// It is not a size.
    #[error(transparent)]
    Size(#[from] ByteSizeError),
    /// Nothing would ever go.
    #[error("a rate of nothing would never end; write none for no limit")]
    Zero,
}

impl Rate {
    /// The bytes a second, where there is a limit.
    pub fn limit(self) -> Option<ByteSize> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(size) => Some(size),
        }
    }
}

/// `none`, or a size with or without `/s`: `5MB/s`.
impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::Unlimited);
        }
        let size: ByteSize = text.strip_suffix("/s").unwrap_or(text).parse()?;
        match size.as_u64() {
            0 => Err(RateError::Zero),
            _ => Ok(Self::AtMost(size)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.pad("none"),
            Self::AtMost(size) => f.pad(&format!("{size}/s")),
        }
    }
}

/// Exact, so that it is read as it was written.
impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        match rate {
            Rate::Unlimited => "none".to_owned(),
            Rate::AtMost(size) => format!("{}/s", size.as_u64()),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let some = |bytes| Ok(Rate::AtMost(ByteSize::bytes(bytes)));
        assert_eq!("none".parse(), Ok(Rate::Unlimited));
        assert_eq!("5MB".parse(), some(5_000_000));
        assert_eq!("1.5 MiB/s".parse(), some(1_572_864));
        assert_eq!("0".parse::<Rate>(), Err(RateError::Zero));
        assert!("fast".parse::<Rate>().is_err());
        assert!("5MB/h".parse::<Rate>().is_err());
    }

    #[test]
    fn a_rate_is_read_as_it_was_written() {
        for text in ["none", "1234567/s"] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(String::from(rate), text);
            let json = serde_json::to_string(&rate).unwrap();
            assert_eq!(serde_json::from_str::<Rate>(&json).unwrap(), rate);
        }
    }
}
