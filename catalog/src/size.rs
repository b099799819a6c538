//! Sizes in bytes, as people write and read them.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

/// A number of bytes.
///
/// Read from `512`, `200MB`, `8GiB`, `1.5 GiB`; shown with one decimal in binary units. In JSON it
/// is the plain number of bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(u64);

/// Units that are shown, largest first.
const BINARY: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Units that are read as well.
const DECIMAL: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1)];

/// Digits behind the point that are looked at: more than a byte of the largest unit needs.
const FRACTION_DIGITS_MAX: usize = 15;

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many times 1024 KiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// So many times 1024 MiB.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Both together, or `None` past 2^64 - 1.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// How much is left after `other` is taken away; zero when it is more.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for ByteSize {
    /// Adds up, and stays at the largest size instead of wrapping.
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        Self(sizes.fold(0, |total, size| total.saturating_add(size.0)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((unit, factor)) = BINARY.iter().find(|(_, factor)| self.0 >= *factor) else {
            return f.pad(&format!("{} B", self.0));
        };
        let tenths = (u128::from(self.0) * 10 + u128::from(*factor) / 2) / u128::from(*factor);
        let text = match tenths % 10 {
            0 => format!("{} {unit}", tenths / 10),
            tenth => format!("{}.{tenth} {unit}", tenths / 10),
        };
        f.pad(&text)
    }
}

/// Text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ByteSizeError {
    /// No number at the start.
    #[error("{found:?} is not a size; write it like 512, 200MB or 1.5GiB")]
    Number {
        /// What was read.
        found: Box<str>,
    },
    /// Something else than a unit behind the number.
    #[error("{unit:?} is not a unit of size; use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB")]
    Unit {
        /// What stands behind the number.
        unit: Box<str>,
    },
    /// More than 2^64 - 1 bytes.
    #[error("{found:?} is more than can be counted")]
    TooLarge {
        /// What was read.
        found: Box<str>,
    },
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let found = || text.chars().take(40).collect::<Box<str>>();
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let factor = factor_of(unit.trim_start())
            .ok_or_else(|| ByteSizeError::Unit { unit: unit.trim().chars().take(40).collect() })?;

        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(ByteSizeError::Number { found: found() });
        }
        let too_large = || ByteSizeError::TooLarge { found: found() };
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
        let part = fraction.parse::<u128>().map_err(|_| too_large())? * u128::from(factor)
            / 10u128.pow(fraction.len() as u32);
        let bytes = u128::from(whole) * u128::from(factor) + part;
        u64::try_from(bytes).map(Self).map_err(|_| too_large())
    }
}

/// The bytes of one unit; upper and lower case are the same, and no unit means bytes.
fn factor_of(unit: &str) -> Option<u64> {
    if unit.is_empty() {
        return Some(1);
    }
    BINARY
        .iter()
        .chain(&DECIMAL)
        .find_map(|(name, factor)| name.eq_ignore_ascii_case(unit).then_some(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("512", 512),
            ("0", 0),
            ("8GiB", 8 << 30),
            ("1.5 GiB", 3 << 29),
            ("200MB", 200_000_000),
            (" 1500mib ", 1500 << 20),
            ("0.5KB", 500),
            ("3 B", 3),
            ("16383.99999999999999999999 PiB".trim_end_matches(" PiB"), 16383),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "GiB", "1.GiB", ".5GiB", "1.2.3", "-1", "1e9", "1 parsec", "8 Gi B"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["18446744073709551616", "16777216 TiB", "99999999999999999999999"] {
            let error = text.parse::<ByteSize>().unwrap_err();
            assert!(matches!(error, ByteSizeError::TooLarge { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_shown_with_one_decimal_in_binary_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (6_081_741, "5.8 MiB"),
            (8 << 30, "8 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}", ByteSize::kib(1)), "   1 KiB");
    }
}
