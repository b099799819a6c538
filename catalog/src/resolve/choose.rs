//! The total order of the variants that fit, and the words for why one is first.

use super::{Fit, Preference, Verdict};
use crate::variant::Variant;
use std::cmp::Reverse;

/// What decides, most important first; the smallest is chosen.
///
/// What is known to fit comes before what may fit, natives before fallbacks. Then the two numbers
/// of the preference, then the preferences that hold, then the name.
type Rank<'a> = (bool, bool, u64, u64, Reverse<usize>, &'a str);

/// The place of the variant to use, `None` when none fits.
pub(super) fn best(
    variants: &[Variant],
    verdicts: &[Verdict],
    preference: Preference,
) -> Option<usize> {
    ranked(variants, verdicts, preference).first().copied()
}

/// Why the best one is the best, or why there is none.
pub(super) fn reason(
    variants: &[Variant],
    verdicts: &[Verdict],
    preference: Preference,
    subject: &str,
) -> String {
    let ranked = ranked(variants, verdicts, preference);
    let Some(&first) = ranked.first() else {
        return match variants.len() {
            0 => "it has no variants".into(),
            1 => format!("its only variant does not fit {subject}"),
            many => format!("none of its {many} variants fits {subject}"),
        };
    };
    let verdict = &verdicts[first];
    if verdict.fit == Fit::Unknown {
        let doubts: Vec<_> = verdict.doubts().map(|check| check.key.as_str()).collect();
        return format!("the best that may fit: {} not known", doubts.join(", "));
    }
    let is_native = |at: &usize| !verdicts[*at].fallback;
    let equals = |at: &&usize| {
        verdicts[**at].fit != Fit::Unknown && verdicts[**at].fallback == verdict.fallback
    };
    let kind = if verdict.fallback { "fallback" } else { "native variant" };
    let mut rivals = ranked.iter().skip(1).filter(equals);
    let Some(&second) = rivals.next() else {
        return match (variants.len(), verdict.fallback) {
            (1, _) => "the only variant".into(),
            (_, false) => "the only native variant that fits".into(),
            (_, true) if ranked.iter().any(is_native) => {
                "a fallback: nothing native is known to fit".into()
            }
            (_, true) => "a fallback: nothing native fits".into(),
        };
    };
    let count = rivals.count() + 2;
    format!(
        "{}, of {count} {kind}s that fit",
        advantage(variants, verdicts, preference, first, second)
    )
}

/// What the first has over the second, in the order of [`Rank`].
fn advantage(
    variants: &[Variant],
    verdicts: &[Verdict],
    preference: Preference,
    first: usize,
    second: usize,
) -> String {
    let rank = |at: usize| rank(&variants[at], &verdicts[at], preference);
    let (ours, theirs) = (rank(first), rank(second));
    let variant = &variants[first];
    match preference {
        Preference::HighPerformance if ours.2 != theirs.2 => {
            format!("the highest quality ({})", variant.quality)
        }
        Preference::HighPerformance if ours.3 != theirs.3 => {
            format!("the better fit at quality {}", variant.quality)
        }
        Preference::LowResource if ours.2 != theirs.2 => {
            let min = variant.resources.memory.min.unwrap_or_default();
            format!("needs the least memory ({min})")
        }
        Preference::LowResource if ours.3 != theirs.3 => {
            format!("needs the least disk ({})", variant.disk_min())
        }
        _ if ours.4 != theirs.4 => {
            format!("prefers what is here ({})", verdicts[first].liked.join(", "))
        }
        _ => "the first by name".into(),
    }
}

/// The places of the variants that can run as far as is known, best first.
fn ranked(variants: &[Variant], verdicts: &[Verdict], preference: Preference) -> Vec<usize> {
    let mut places: Vec<_> =
        (0..variants.len()).filter(|&at| verdicts[at].fit != Fit::No).collect();
    places.sort_by_key(|&at| rank(&variants[at], &verdicts[at], preference));
    places
}

fn rank<'a>(variant: &'a Variant, verdict: &Verdict, preference: Preference) -> Rank<'a> {
    let (first, second) = match preference {
        Preference::HighPerformance => (u64::from(u8::MAX - variant.quality), verdict.fit as u64),
        Preference::LowResource => {
            let memory = variant.resources.memory.min.unwrap_or_default();
            (memory.as_u64(), variant.disk_min().as_u64())
        }
    };
    let unknown = verdict.fit == Fit::Unknown;
    let liked = Reverse(verdict.liked.len());
    (unknown, variant.fallback, first, second, liked, variant.id.as_str())
}
