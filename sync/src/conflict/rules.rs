//! Which policy holds where, as a person configures it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use catalog::release::PackageId;
use catalog::{PackageName, Petname, PublisherId};

/// How a conflict is answered; [`conflict`](super) says what each means.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The newest target of a channel; never a newer content of a version.
    NewestWins,
    /// What enough of those agree on whom this machine relies on.
    ConsensusWins,
    /// What several statements say together.
    Merge,
    /// All of them, side by side.
    KeepBoth,
    /// What a person decides.
    Manual,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 5] =
        [Self::NewestWins, Self::ConsensusWins, Self::Merge, Self::KeepBoth, Self::Manual];

    /// Its name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewestWins => "newest-wins",
            Self::ConsensusWins => "consensus-wins",
            Self::Merge => "merge",
            Self::KeepBoth => "keep-both",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy is newest-wins, consensus-wins, merge, keep-both or manual, found {found:?}")]
pub struct PolicyError {
    found: Box<str>,
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let named = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        named.ok_or_else(|| PolicyError { found: text.chars().take(40).collect() })
    }
}

/// The packages that a rule is about: `acme/graphdb`, `acme/graph*`, `acme`, `*/graphdb` or `*`.
///
/// The publisher is a petname or an id. Patterns are ordered from the closest to the widest: an id
/// before a petname before any publisher, then a whole name before the beginning of one, then the
/// longer before the shorter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    publisher: Publisher,
    name: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Publisher {
    Id(PublisherId),
    Called(Petname),
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Whole(PackageName),
    /// Its length, longest first, and the beginning itself.
    Prefix(Reverse<usize>, Box<str>),
}

/// Text that is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not `publisher/package` with at most one `*`, at the end of the package")]
pub struct PatternError {
    found: Box<str>,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = || PatternError { found: text.chars().take(200).collect() };
        let (publisher, name) = text.split_once('/').unwrap_or((text, "*"));
        let publisher = match publisher {
            "*" => Publisher::Any,
            called => match called.parse() {
                Ok(id) => Publisher::Id(id),
                Err(_) => Publisher::Called(called.parse().map_err(|_| error())?),
            },
        };
        let name = match name.strip_suffix('*') {
            None => Name::Whole(name.parse().map_err(|_| error())?),
            // What no name begins with would never match, and nobody would notice.
            Some(start) if !start.is_empty() && start.parse::<PackageName>().is_err() => {
                return Err(error());
            }
            Some(start) => Name::Prefix(Reverse(start.len()), start.into()),
        };
        Ok(Self { publisher, name })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.publisher {
            Publisher::Id(id) => write!(f, "{id}/")?,
            Publisher::Called(petname) => write!(f, "{petname}/")?,
            Publisher::Any => f.write_str("*/")?,
        }
        match &self.name {
            Name::Whole(name) => write!(f, "{name}"),
            Name::Prefix(_, start) => write!(f, "{start}*"),
        }
    }
}

impl Pattern {
    fn matches(&self, package: &PackageId, petname: Option<&Petname>) -> bool {
        let publisher = match &self.publisher {
            Publisher::Id(id) => *id == package.publisher,
            Publisher::Called(called) => Some(called) == petname,
            Publisher::Any => true,
        };
        publisher
            && match &self.name {
                Name::Whole(name) => *name == package.name,
                Name::Prefix(_, start) => package.name.as_str().starts_with(&**start),
            }
    }
}

/// The policies of every namespace. The closest pattern that matches counts, however they were
/// listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(BTreeMap<Pattern, Policy>);

impl FromIterator<(Pattern, Policy)> for Rules {
    fn from_iter<I: IntoIterator<Item = (Pattern, Policy)>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// Text that is not a list of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A rule without a `=`.
    #[error("{found:?} is not `pattern=policy`")]
    Rule {
        /// The beginning of it.
        found: Box<str>,
    },
    /// What stands before the `=`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// What stands behind it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Two rules for the same packages.
    #[error("{pattern} is there twice")]
    Twice {
        /// Which packages.
        pattern: Pattern,
    },
}

impl FromStr for Rules {
    type Err = RulesError;

    /// Reads rules as settings have them: `acme/*=newest-wins, */graphdb=manual`.
    fn from_str(text: &str) -> Result<Self, RulesError> {
        let mut rules = Self::default();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let (pattern, policy) = rule
                .split_once('=')
                .ok_or_else(|| RulesError::Rule { found: rule.chars().take(200).collect() })?;
            let (pattern, policy) = (pattern.trim().parse::<Pattern>()?, policy.trim().parse()?);
            if rules.0.insert(pattern.clone(), policy).is_some() {
                return Err(RulesError::Twice { pattern });
            }
        }
        Ok(rules)
    }
}

impl Rules {
    /// The policy for versions of a package; [`Policy::KeepBoth`] where none is configured.
    ///
    /// - `petname`: what its publisher is called here.
    pub fn for_version(&self, package: &PackageId, petname: Option<&Petname>) -> Policy {
        self.configured(package, petname).unwrap_or(Policy::KeepBoth)
    }

    /// The policy for channels of a package. Where none is configured, one owner is taken at its
    /// newest word, and between several nobody guesses.
    ///
    /// - `logs`: how many keys of the publisher keep a log.
    pub fn for_channel(
        &self,
        package: &PackageId,
        petname: Option<&Petname>,
        logs: usize,
    ) -> Policy {
        let default = if logs > 1 { Policy::KeepBoth } else { Policy::NewestWins };
        self.configured(package, petname).unwrap_or(default)
    }

    fn configured(&self, package: &PackageId, petname: Option<&Petname>) -> Option<Policy> {
        let closest = self.0.iter().find(|(pattern, _)| pattern.matches(package, petname));
        closest.map(|(_, policy)| *policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::Digest;

    fn publisher() -> PublisherId {
        PublisherId::from_digest(Digest::of(b"acme"))
    }

    #[test]
    fn the_closest_rule_counts_in_whatever_order() {
        let id = publisher();
        let texts = [
            ("*", Policy::Manual),
            ("*/graphdb", Policy::ConsensusWins),
            ("acme", Policy::KeepBoth),
            ("acme/graph*", Policy::Merge),
            ("acme/graphdb", Policy::NewestWins),
            (&format!("{id}/zlib"), Policy::ConsensusWins),
        ];
        let petname: Petname = "acme".parse().unwrap();
        let answer = |rules: &Rules, name: &str, petname: Option<&Petname>| {
            let package = PackageId { publisher: id, name: name.parse().unwrap() };
            rules.for_version(&package, petname)
        };
        for turn in 0..texts.len() {
            let (end, start) = texts.split_at(turn);
            let rules = start.iter().chain(end);
            let rules: Rules = rules.map(|(text, p)| (text.parse().unwrap(), *p)).collect();
            for (name, expected) in [
                ("graphdb", Policy::NewestWins),
                ("graphviz", Policy::Merge),
                ("notes", Policy::KeepBoth),
                ("zlib", Policy::ConsensusWins),
            ] {
                assert_eq!(answer(&rules, name, Some(&petname)), expected, "{name}");
            }
            assert_eq!(answer(&rules, "graphdb", None), Policy::ConsensusWins);
            assert_eq!(answer(&rules, "notes", None), Policy::Manual);
        }
    }

    #[test]
    fn rules_are_read_from_a_setting() {
        let rules: Rules = "acme/graph* = merge, */zlib=manual,".parse().unwrap();
        assert_eq!(rules.0.len(), 2);
        assert_eq!("".parse(), Ok(Rules::default()));
        for wrong in ["acme", "acme=latest", "a/b/c=merge", "acme=merge,acme/*=manual"] {
            wrong.parse::<Rules>().expect_err(wrong);
        }
    }

    #[test]
    fn without_a_rule_nothing_is_guessed() {
        let rules = Rules::default();
        let package = PackageId { publisher: publisher(), name: "graphdb".parse().unwrap() };
        assert_eq!(rules.for_version(&package, None), Policy::KeepBoth);
        assert_eq!(rules.for_channel(&package, None, 1), Policy::NewestWins);
        assert_eq!(rules.for_channel(&package, None, 2), Policy::KeepBoth);
    }

    #[test]
    fn patterns_and_policies_are_read_as_they_are_written() {
        let id = publisher();
        for text in ["*/*", "acme/*", "acme/graph*", "*/graphdb", &format!("{id}/graphdb")] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        assert_eq!("*".parse::<Pattern>(), "*/*".parse());
        assert_eq!("acme".parse::<Pattern>(), "acme/*".parse());
        for text in ["", "/", "acme/", "/db", "acme/*db", "acme/g*b", "a/b/c", "ac*/b", "acme/UP"] {
            text.parse::<Pattern>().expect_err(text);
        }
        for policy in Policy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
        }
        assert!("latest".parse::<Policy>().is_err());
    }
}
