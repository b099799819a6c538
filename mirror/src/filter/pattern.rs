//! Which packages a word with `*` in it means.

use std::fmt;
use std::str::FromStr;

use catalog::release::PackageId;

/// The most bytes of a pattern: a publisher's id, a slash and a name.
const PATTERN_BYTES_MAX: usize = 160;

/// A package name in which `*` stands for any run of characters: `graph*`, or with its publisher
/// `cat1…/graph*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// Text that is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} does not mean packages: write a name like graphdb or graph*, or cat1…/graph*")]
pub struct PatternError {
    found: Box<str>,
}

impl Pattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means that package.
    pub fn means(&self, package: &PackageId) -> bool {
        match self.0.contains('/') {
            true => matches(&self.0, &package.to_string()),
            false => matches(&self.0, package.name.as_str()),
        }
    }
}

/// Goes back to the last `*` only: no pattern makes it slow.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, in_text));
            at += 1;
        } else if pattern.get(at) == Some(&text[in_text]) {
            at += 1;
            in_text += 1;
        } else if let Some((starred, taken)) = star {
            star = Some((starred, taken + 1));
            (at, in_text) = (starred + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let allowed =
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'*' | b'/');
        let slashes = text.bytes().filter(|byte| *byte == b'/').count();
        let fits = (1..=PATTERN_BYTES_MAX).contains(&text.len());
        match fits && slashes <= 1 && text.bytes().all(allowed) {
            true => Ok(Self(text.into())),
            false => Err(PatternError { found: text.chars().take(200).collect() }),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::PublisherId;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, means) in [
            ("graphdb", "graphdb", true),
            ("graphdb", "graphdb2", false),
            ("graph*", "graphdb", true),
            ("*db", "graphdb", true),
            ("*", "x", true),
            ("g*h*b", "graphdb", true),
            ("g*x*b", "graphdb", false),
            ("a*a*a*a*a*a*b", &"a".repeat(64), false),
        ] {
            let publisher = PublisherId::of_inception(b"acme");
            let package = PackageId { publisher, name: name.parse().unwrap() };
            assert_eq!(pattern.parse::<Pattern>().unwrap().means(&package), means, "{pattern}");
            let full = format!("{publisher}/{pattern}").parse::<Pattern>().unwrap();
            assert_eq!(full.means(&package), means, "{full}");
        }
    }

    #[test]
    fn what_no_package_is_called_is_no_pattern() {
        for text in ["", "Graph", "a b", "a/b/c", "ä", &"a".repeat(161)] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
