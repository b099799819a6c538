//! Which CPU levels contain which others, and what else goes by two names.
//!
//! # Source
//! The x86-64 levels are those of the System V ABI supplement; an `armv9.N` core runs what was
//! built for `armv8.(N+5)` (Arm Architecture Reference Manual, as archspec orders them).

use crate::variant::{FactKey, FactName};
use std::cmp::Ordering;

/// A CPU level: a promise about instructions, in a partial order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// `x86-64` is 1, `x86-64-v4` is 4.
    X86(u8),
    /// `aarch64` is 8.0, `armv9.2a` is 9.2.
    Arm(u8, u8),
    /// Any other architecture has one level: its own name.
    Other,
}

/// Names for one thing, the one we write first.
const ALIASES: [(&str, &[&str]); 2] = [
    ("os", &["macos darwin macosx osx", "windows win32"]),
    (
        "cpu.arch",
        &[
            "x86_64 amd64 x64 x86-64",
            "aarch64 arm64",
            "arm armv7 armv7l armv6l armhf",
            "x86 i686 i386 ia32",
            "riscv64 riscv64gc",
            "ppc64le powerpc64le ppc64el",
            "loongarch64 loong64",
        ],
    ),
];

/// Architectures with a single level, for which the level is the architecture.
const PLAIN_ARCHES: [&str; 7] =
    ["arm", "x86", "riscv64", "ppc64le", "s390x", "loongarch64", "wasm32"];

/// Returns the one name we compare by: `arm64` and `aarch64` are the same architecture.
pub fn canonical<'a>(key: &FactKey, name: &'a str) -> &'a str {
    let groups = ALIASES.iter().find(|(aliased, _)| *aliased == key.as_str());
    groups
        .into_iter()
        .flat_map(|(_, groups)| *groups)
        .find(|group| group.split(' ').any(|alias| alias == name))
        .and_then(|group| group.split(' ').next())
        .unwrap_or(name)
}

/// Whether a machine that has `held` has what `wanted` asks for.
pub fn satisfies(key: &FactKey, held: &FactName, wanted: &FactName) -> bool {
    let (held, wanted) = (held.as_str(), wanted.as_str());
    if key.as_str() != "cpu.level" {
        return canonical(key, held) == canonical(key, wanted);
    }
    held == wanted || matches!(order(held, wanted), Some(Ordering::Greater | Ordering::Equal))
}

/// Whether `name` is a level that some machine can have.
pub fn is_level(name: &str) -> bool {
    parse(name) != Level::Other || PLAIN_ARCHES.contains(&name)
}

/// The architecture that a level belongs to.
pub fn arch_of(level: &str) -> &str {
    match parse(level) {
        Level::X86(_) => "x86_64",
        Level::Arm(..) => "aarch64",
        Level::Other => level,
    }
}

/// The lowest level of an architecture: all that is known when only the architecture is.
pub fn baseline(arch: &str) -> &str {
    match arch {
        "x86_64" => "x86-64",
        other => other,
    }
}

/// How two levels relate, `None` when neither contains the other.
fn order(a: &str, b: &str) -> Option<Ordering> {
    match (parse(a), parse(b)) {
        (Level::X86(a), Level::X86(b)) => Some(a.cmp(&b)),
        (Level::Arm(a, minor_a), Level::Arm(b, minor_b)) if a == b => Some(minor_a.cmp(&minor_b)),
        // A core of 9.N contains 8.(N+5), and no core of 8 contains one of 9.
        (Level::Arm(9, nine), Level::Arm(_, eight)) => {
            (eight <= nine + 5).then_some(Ordering::Greater)
        }
        (Level::Arm(_, eight), Level::Arm(9, nine)) => {
            (eight <= nine + 5).then_some(Ordering::Less)
        }
        _ => None,
    }
}

fn parse(level: &str) -> Level {
    match level {
        "x86-64" | "x86-64-v1" => Level::X86(1),
        "x86-64-v2" => Level::X86(2),
        "x86-64-v3" => Level::X86(3),
        "x86-64-v4" => Level::X86(4),
        "aarch64" | "armv8a" | "armv8.0a" => Level::Arm(8, 0),
        "armv9a" => Level::Arm(9, 0),
        _ => arm(level).unwrap_or(Level::Other),
    }
}

fn arm(level: &str) -> Option<Level> {
    let (major, minor) = level.strip_prefix("armv")?.strip_suffix('a')?.split_once('.')?;
    match (major, minor.parse().ok()?) {
        ("8", minor @ 0..=9) => Some(Level::Arm(8, minor)),
        ("9", minor @ 0..=6) => Some(Level::Arm(9, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [&str; 10] = [
        "x86-64",
        "x86-64-v2",
        "x86-64-v3",
        "x86-64-v4",
        "aarch64",
        "armv8.2a",
        "armv8.5a",
        "armv8.7a",
        "armv9.0a",
        "armv9.2a",
    ];

    fn contains(held: &str, wanted: &str) -> bool {
        let key = "cpu.level".parse().unwrap();
        satisfies(&key, &held.parse().unwrap(), &wanted.parse().unwrap())
    }

    #[test]
    fn a_level_contains_itself_and_the_lower_ones_of_its_line() {
        assert!(contains("x86-64-v4", "x86-64-v3") && !contains("x86-64-v3", "x86-64-v4"));
        assert!(contains("armv8.2a", "aarch64") && !contains("aarch64", "armv8.1a"));
        assert!(contains("armv9.0a", "armv8.5a") && !contains("armv9.0a", "armv8.6a"));
        assert!(contains("armv9.2a", "armv8.7a") && !contains("armv8.9a", "armv9.0a"));
        assert!(!contains("x86-64-v4", "aarch64") && !contains("armv9.2a", "x86-64"));
        assert!(contains("riscv64", "riscv64") && !contains("riscv64", "x86-64"));
    }

    #[test]
    fn containing_is_a_partial_order() {
        for a in LEVELS {
            assert!(contains(a, a));
            for b in LEVELS {
                assert!(a == b || !(contains(a, b) && contains(b, a)), "{a} {b}");
                for c in LEVELS {
                    assert!(!contains(a, b) || !contains(b, c) || contains(a, c), "{a} {b} {c}");
                }
            }
        }
    }

    #[test]
    fn other_ecosystems_names_mean_the_same_architecture() {
        let same = |key: &str, a: &str, b: &str| {
            satisfies(&key.parse().unwrap(), &a.parse().unwrap(), &b.parse().unwrap())
        };
        assert!(same("cpu.arch", "aarch64", "arm64") && same("cpu.arch", "x86_64", "x64"));
        assert!(same("os", "macos", "darwin") && !same("os", "macos", "linux"));
        assert!(!same("libc", "macos", "darwin"));
    }
}
