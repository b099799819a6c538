//! Whether one fact is what a variant asks for.

use super::{Check, Fit, Truth};
use crate::profile::{FactValue, Known, satisfies};
use crate::variant::{Alternative, Constraint, FactKey, Op};

/// Whether `known` is one of what is `wanted`.
///
/// A value of the right name whose version is not known leaves it open, as does a gap.
pub(super) fn holds(key: &FactKey, wanted: &Constraint, known: &Known) -> Truth {
    if matching(key, wanted, known).is_some() {
        return Truth::Yes;
    }
    let open = pairs(wanted, known).any(|(alternative, value)| {
        satisfies(key, value.name(), alternative.name()) && value.version().is_none()
    });
    if open || known.gap.is_some() { Truth::Unknown } else { Truth::No }
}

/// Checks one fact and finds the words for it.
pub(super) fn check(key: &FactKey, wanted: &Constraint, known: &Known, subject: &str) -> Check {
    let truth = holds(key, wanted, known);
    let needs = wanted.to_string().replace('|', " or ");
    let values: Vec<_> = known.values.iter().map(FactValue::spoken).collect();
    let has = match (values.is_empty(), &known.gap) {
        (true, Some(_)) => "not known".into(),
        (true, None) => "none".into(),
        (false, _) => values.join(", "),
    };
    let says = match (truth, &known.gap) {
        (Truth::Yes, _) => match matching(key, wanted, known) {
            Some((alternative, value)) => praise(key, alternative, value),
            None => format!("{key} ✔"),
        },
        (Truth::No, _) => format!("{key}: needs {needs}, {subject} {} {has}", verb(key, &has)),
        (Truth::Unknown, Some(gap)) => format!("{key}: needs {needs}, not known: {gap}"),
        (Truth::Unknown, None) => {
            format!("{key}: needs {needs}, {subject} has {has} of unknown version")
        }
    };
    Check {
        key: key.to_string(),
        needs,
        has,
        truth,
        fit: match truth {
            Truth::Yes => Fit::Great,
            Truth::No => Fit::No,
            Truth::Unknown => Fit::Unknown,
        },
        says,
        missing: (truth == Truth::No).then(|| missing(key, wanted, known)).flatten(),
        remedy: (truth != Truth::Yes).then(|| remedy(key, wanted, known)).flatten(),
    }
}

/// The first alternative that holds, and the value that makes it hold.
fn matching<'a>(
    key: &FactKey,
    wanted: &'a Constraint,
    known: &'a Known,
) -> Option<(&'a Alternative, &'a FactValue)> {
    pairs(wanted, known).find(|(alternative, value)| {
        let version_fits = match (alternative.bound(), value.version()) {
            (None, _) => true,
            (Some(bound), Some(version)) => bound.admits(version),
            (Some(_), None) => false,
        };
        version_fits && satisfies(key, value.name(), alternative.name())
    })
}

fn pairs<'a>(
    wanted: &'a Constraint,
    known: &'a Known,
) -> impl Iterator<Item = (&'a Alternative, &'a FactValue)> {
    let alternatives = wanted.alternatives().iter();
    alternatives.flat_map(|alternative| known.values.iter().map(move |value| (alternative, value)))
}

/// What holds, in the fewest words that tell: `os ✔`, `cpu.level x86-64-v3 ✔ (v4)`, `libc ✔ (2.36)`.
fn praise(key: &FactKey, wanted: &Alternative, value: &FactValue) -> String {
    let (wanted_name, name) = (wanted.name().as_str(), value.name().as_str());
    match (wanted.bound(), value.version()) {
        _ if key.as_str() == "cpu.level" && wanted_name != name => {
            format!("{key} {wanted_name} ✔ ({})", name.strip_prefix("x86-64-").unwrap_or(name))
        }
        _ if key.as_str() == "cpu.level" => format!("{key} {wanted_name} ✔"),
        (Some(_), Some(version)) => format!("{key} ✔ ({version})"),
        _ => format!("{key} ✔"),
    }
}

fn verb(key: &FactKey, has: &str) -> &'static str {
    match key.as_str() {
        "os" | "cpu.arch" | "cpu.level" | "cpu.abi" if has != "none" => "is",
        _ => "has",
    }
}

/// What could be installed or plugged in; another system or CPU is another machine.
fn missing(key: &FactKey, wanted: &Constraint, known: &Known) -> Option<String> {
    let alternative = wanted.alternatives().first()?;
    let spoken = spoken(alternative);
    match key.as_str() {
        "libc" => {
            let held = |value: &FactValue| value.name() == alternative.name();
            known.values.iter().any(held).then_some(spoken)
        }
        "runtime" => Some(format!("a runtime for {spoken}")),
        "python" => Some(spoken),
        key if key.starts_with("gpu.") => Some(format!("a GPU with {spoken}")),
        _ => None,
    }
}

fn spoken(alternative: &Alternative) -> String {
    let name = alternative.name();
    match alternative.bound() {
        None => name.to_string(),
        Some(bound) => {
            let version = bound.version();
            match bound.op() {
                Op::AtLeast => format!("{name} {version} or newer"),
                Op::Above => format!("{name} newer than {version}"),
                Op::AtMost => format!("{name} {version} or older"),
                Op::Below => format!("{name} older than {version}"),
                Op::Exactly => format!("{name} {version}"),
            }
        }
    }
}

/// The override under which the first alternative holds, keeping what else there is.
///
/// Another system or CPU is not offered: what was built for it would not even start.
fn remedy(key: &FactKey, wanted: &Constraint, known: &Known) -> Option<String> {
    if matches!(key.as_str(), "os" | "cpu.arch" | "cpu.level" | "cpu.abi") && known.gap.is_none() {
        return None;
    }
    let alternative = wanted.alternatives().first()?;
    let version = match alternative.bound() {
        None => String::new(),
        Some(bound) if matches!(bound.op(), Op::AtLeast | Op::AtMost | Op::Exactly) => {
            format!("@{}", bound.version())
        }
        Some(_) => return None,
    };
    let others = known.values.iter().filter(|value| value.name() != alternative.name());
    let others = others.map(|value| value.to_string() + ",").collect::<String>();
    Some(format!("{key}={others}{}{version}", alternative.name()))
}
