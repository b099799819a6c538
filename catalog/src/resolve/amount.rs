//! Whether there is enough of something: cores, memory, disk, memory of a device.

use super::{Check, Fit, Truth};
use crate::profile::exact_size;
use crate::size::ByteSize;
use crate::variant::Count;

/// How many bytes are needed.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    pub min: Option<ByteSize>,
    pub recommended: Option<ByteSize>,
}

/// What the amounts are compared with, and the words for it.
struct Held<'a> {
    key: &'static str,
    has: Option<ByteSize>,
    free: Option<ByteSize>,
    gap: Option<String>,
    subject: &'a str,
    /// What there is more of, when there is more: `5 GiB more memory`.
    noun: &'static str,
}

/// Main memory: the least must be there, and should be free.
pub(super) fn memory(
    needs: Needs,
    has: Option<ByteSize>,
    free: Option<ByteSize>,
    gap: Option<String>,
    subject: &str,
) -> Option<Check> {
    bytes(needs, Held { key: "memory", has, free, gap, subject, noun: "memory" })
}

/// Free disk space.
pub(super) fn disk(
    needs: Needs,
    has: Option<ByteSize>,
    gap: Option<String>,
    subject: &str,
) -> Option<Check> {
    bytes(needs, Held { key: "disk", has, free: None, gap, subject, noun: "disk space" })
}

/// Memory of one device; without any device there is none.
pub(super) fn vram(
    needs: Needs,
    any_device: bool,
    has: Option<ByteSize>,
    gap: Option<String>,
    subject: &str,
) -> Option<Check> {
    let known_absent = !any_device && gap.is_none();
    let has = if known_absent { Some(ByteSize::bytes(0)) } else { has };
    let held = Held { key: "vram", has, free: None, gap, subject, noun: "memory on the GPU" };
    let mut check = bytes(needs, held)?;
    if known_absent && check.truth == Truth::No {
        check.has = "none".into();
        check.says = format!("vram: needs {}, {subject} has no GPU", check.needs);
        check.missing = Some(format!("a GPU with {}", check.needs));
    }
    Some(check)
}

/// Processors that can be used at once.
pub(super) fn cores(
    needs: Count,
    has: Option<u64>,
    gap: Option<String>,
    subject: &str,
) -> Option<Check> {
    let least = needs.min.or(needs.recommended)?;
    let min = needs.min.unwrap_or(0);
    let Some(has) = has else {
        return Some(not_known("cores", least.to_string(), gap, Some(format!("cores={least}"))));
    };
    let mut check = Check {
        key: "cores".into(),
        needs: least.to_string(),
        has: has.to_string(),
        truth: Truth::Yes,
        fit: Fit::Great,
        says: format!("cores {least} of {has}"),
        missing: None,
        remedy: None,
    };
    if has < min {
        let plural = if min - has == 1 { "" } else { "s" };
        check.truth = Truth::No;
        check.fit = Fit::No;
        check.says = format!("cores: needs {min}, {subject} has {has}");
        check.missing = Some(format!("{} more core{plural}", min - has));
        check.remedy = Some(format!("cores={min}"));
    } else if let Some(recommended) = needs.recommended.filter(|recommended| has < *recommended) {
        check.fit = Fit::Ok;
        check.says += &format!(" ({recommended} recommended)");
    }
    Some(check)
}

fn bytes(needs: Needs, held: Held<'_>) -> Option<Check> {
    let least = needs.min.or(needs.recommended)?;
    let Held { key, has, free, gap, subject, noun } = held;
    let min = needs.min.unwrap_or_default();
    let remedy = Some(format!("{key}={}", exact_size(min.max(least))));
    let Some(has) = has else {
        return Some(not_known(key, least.to_string(), gap, remedy));
    };
    let mut check = Check {
        key: key.into(),
        needs: least.to_string(),
        has: has.to_string(),
        truth: Truth::Yes,
        fit: Fit::Great,
        says: format!("{key} {}", part_of(least, has)),
        missing: None,
        remedy: None,
    };
    let short_of_recommended = needs.recommended.filter(|recommended| has < *recommended);
    if has < min {
        check.truth = Truth::No;
        check.fit = Fit::No;
        check.says = format!("{key}: needs {min}, {subject} has {has}");
        check.missing = Some(format!("{} more {noun}", min.saturating_sub(has)));
        check.remedy = remedy;
    } else if let Some(free) = free.filter(|free| *free < min) {
        check.fit = Fit::Tight;
        check.says += &format!(" ({free} free now)");
    } else if let Some(recommended) = short_of_recommended {
        check.fit = Fit::Ok;
        check.says += &format!(" ({recommended} recommended)");
    }
    Some(check)
}

fn not_known(key: &str, needs: String, gap: Option<String>, remedy: Option<String>) -> Check {
    let gap = gap.unwrap_or_else(|| "the profile does not say".into());
    Check {
        key: key.into(),
        says: format!("{key}: needs {needs}, not known: {gap}"),
        needs,
        has: "not known".into(),
        truth: Truth::Unknown,
        fit: Fit::Unknown,
        missing: None,
        remedy,
    }
}

/// Both in the unit of the larger one: `0.25 of 23.5 GiB`.
fn part_of(part: ByteSize, whole: ByteSize) -> String {
    let whole_text = whole.to_string();
    let unit = whole_text.rsplit(' ').next().unwrap_or_default();
    let unit_bytes = format!("1{unit}").parse::<ByteSize>().unwrap_or(ByteSize::bytes(1)).as_u64();
    let hundredths =
        (u128::from(part.as_u64()) * 100 + u128::from(unit_bytes) / 2) / u128::from(unit_bytes);
    if hundredths == 0 {
        return format!("{part} of {whole}");
    }
    let number = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{} of {whole}", number.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_told_in_the_unit_of_the_whole() {
        let gib = |tenths: u64| ByteSize::bytes((tenths << 30) / 10);
        assert_eq!(part_of(ByteSize::mib(256), gib(235)), "0.25 of 23.5 GiB");
        assert_eq!(part_of(ByteSize::mib(200), ByteSize::gib(66)), "0.2 of 66 GiB");
        assert_eq!(part_of(ByteSize::kib(900), ByteSize::gib(66)), "900 KiB of 66 GiB");
        assert_eq!(part_of(ByteSize::gib(100), ByteSize::gib(500)), "100 of 500 GiB");
        assert_eq!(part_of(ByteSize::bytes(3), ByteSize::bytes(512)), "3 of 512 B");
        assert_eq!(
            part_of(ByteSize::bytes(u64::MAX), ByteSize::bytes(1)),
            "18446744073709551615 of 1 B"
        );
    }
}
