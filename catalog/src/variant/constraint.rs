//! What a variant asks of one fact: `linux`, `glibc>=2.31` or `arm64-v8a|armeabi-v7a`.
//!
//! A constraint is one or more alternatives joined by `|`; one of them must hold. There is no
//! "not" and no nesting, so that search can filter by it and a browser can evaluate it.

use super::fact::{DottedVersion, FactError, FactName};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Most alternatives in one constraint; the longest real list (Android ABIs) has four.
const ALTERNATIVES_MAX: usize = 16;

/// What one fact must be for a variant to run: at least one of the alternatives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    alternatives: Vec<Alternative>,
}

/// One thing that would do: a name, and how old it may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alternative {
    name: FactName,
    bound: Option<Bound>,
}

/// A limit on the version that comes with a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    op: Op,
    version: DottedVersion,
}

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `=`: the numbers that are written must agree, so `12.8` is `=12`.
    Exactly,
}

/// Why a text is not a constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// A name or a version is not one.
    #[error("{0}")]
    Fact(#[from] FactError),
    /// Facts are written `glibc@2.31`; constraints are not.
    #[error("{text:?} is a fact, not a constraint: write {name}>={version}")]
    At {
        /// What was written.
        text: Box<str>,
        /// What stands before the `@`.
        name: Box<str>,
        /// What stands after the `@`.
        version: Box<str>,
    },
    /// The same alternative again.
    #[error("{text:?} is there twice")]
    Twice {
        /// What is repeated.
        text: Box<str>,
    },
    /// More alternatives than any list needs.
    #[error("more than {ALTERNATIVES_MAX} alternatives")]
    TooMany,
    /// Readable, but not in the one form that is signed.
    #[error("{text:?} is not in its shortest form")]
    Form {
        /// What was received.
        text: Box<str>,
    },
}

impl Constraint {
    /// What would do, in the order it was written; never empty.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }

    /// Reads the form that [`Display`](fmt::Display) writes, and no other: for signed bytes.
    pub fn from_canonical(text: &str) -> Result<Self, ConstraintError> {
        let constraint: Self = text.parse()?;
        match constraint.to_string() == text {
            true => Ok(constraint),
            false => Err(ConstraintError::Form { text: text.into() }),
        }
    }
}

impl Alternative {
    /// What is asked for.
    pub fn name(&self) -> &FactName {
        &self.name
    }

    /// The limit on its version, if any.
    pub fn bound(&self) -> Option<&Bound> {
        self.bound.as_ref()
    }
}

impl Bound {
    /// How the version is compared.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The version it is compared with.
    pub fn version(&self) -> &DottedVersion {
        &self.version
    }

    /// Whether `found` is within the limit.
    pub fn admits(&self, found: &DottedVersion) -> bool {
        let age = found.age(&self.version);
        match self.op {
            Op::AtLeast => age != Ordering::Less,
            Op::Above => age == Ordering::Greater,
            Op::AtMost => age != Ordering::Greater,
            Op::Below => age == Ordering::Less,
            Op::Exactly => found.starts_with(&self.version),
        }
    }
}

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        if text.bytes().filter(|&b| b == b'|').count() >= ALTERNATIVES_MAX {
            return Err(ConstraintError::TooMany);
        }
        let alternatives =
            text.split('|').map(str::parse).collect::<Result<Vec<Alternative>, _>>()?;
        let mut before = alternatives.iter().enumerate();
        match before.find(|(at, alternative)| alternatives[..*at].contains(alternative)) {
            Some((_, twice)) => Err(ConstraintError::Twice { text: twice.to_string().into() }),
            None => Ok(Self { alternatives }),
        }
    }
}

impl FromStr for Alternative {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        let text = text.trim();
        if let Some((name, version)) = text.split_once('@') {
            let [text, name, version] = [text, name, version].map(Box::from);
            return Err(ConstraintError::At { text, name, version });
        }
        let Some(at) = text.find(['<', '>', '=']) else {
            return Ok(Self { name: text.parse()?, bound: None });
        };
        let (name, rest) = text.split_at(at);
        // Longest first: ">=" also starts with ">".
        let ops = [Op::AtLeast, Op::AtMost, Op::Above, Op::Below, Op::Exactly];
        let (op, version) = ops
            .iter()
            .find_map(|&op| Some((op, rest.strip_prefix(op.as_str())?)))
            .expect("the text was split at one of these");
        let bound = Bound { op, version: version.trim().parse()? };
        Ok(Self { name: name.trim().parse()?, bound: Some(bound) })
    }
}

impl Op {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Exactly => "=",
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, alternative) in self.alternatives.iter().enumerate() {
            let separator = if at == 0 { "" } else { "|" };
            write!(f, "{separator}{alternative}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.bound {
            Some(bound) => write!(f, "{}{}", bound.op.as_str(), bound.version),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Constraint {
    type Error = ConstraintError;

    fn try_from(text: String) -> Result<Self, ConstraintError> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    fn bound(text: &str) -> Bound {
        text.parse::<Alternative>().unwrap().bound.unwrap()
    }

    #[test]
    fn constraints_are_written_back_without_the_spaces() {
        for (text, canonical) in [
            ("linux", "linux"),
            ("glibc>=2.31", "glibc>=2.31"),
            (" vulkan >= 1.3 | metal>3 ", "vulkan>=1.3|metal>3"),
            ("arm64-v8a|armeabi-v7a", "arm64-v8a|armeabi-v7a"),
            ("ubuntu=22.04", "ubuntu=22.04"),
        ] {
            let constraint: Constraint = text.parse().unwrap();
            assert_eq!(constraint.to_string(), canonical);
            assert_eq!(Constraint::from_canonical(text).is_ok(), text == canonical);
        }
    }

    #[test]
    fn every_operator_compares_as_its_sign_says() {
        let admits = |limit: &str, found: &str| bound(limit).admits(&found.parse().unwrap());
        assert!(
            admits("x>=2.31", "2.31") && admits("x>=2.31", "2.36") && !admits("x>=2.31", "2.9")
        );
        assert!(!admits("x>2.31", "2.31") && admits("x>2.31", "2.31.1"));
        assert!(admits("x<=3", "3.0") && !admits("x<=3", "3.1"));
        assert!(admits("x<3", "2.99") && !admits("x<3", "3"));
        assert!(admits("x=12", "12.8") && !admits("x=12.8", "12"));
    }

    #[test]
    fn a_fact_written_as_a_constraint_says_what_to_write_instead() {
        let error = "glibc@2.31".parse::<Constraint>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"glibc@2.31\" is a fact, not a constraint: write glibc>=2.31"
        );
    }

    #[test]
    fn what_is_not_a_constraint_is_refused() {
        let long = (0..17).map(|n| format!("a{n}")).collect::<Vec<_>>().join("|");
        for text in
            ["", "|", "a|", "a>=", ">=1", "a>=1>=2", "a==1", "a>=x", "!a", "a&b", "a|b|a", &long]
        {
            assert!(text.parse::<Constraint>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_and_what_parses_is_stable(text in "[a-c0-9<>=|. @-]{0,24}|\\PC{0,24}") {
            if let Ok(constraint) = text.parse::<Constraint>() {
                let written = constraint.to_string();
                prop_assert_eq!(written.parse::<Constraint>().unwrap(), constraint);
                prop_assert!(Constraint::from_canonical(&written).is_ok());
            }
        }

        #[test]
        fn what_is_at_least_a_version_is_never_below_it(
            parts in prop::collection::vec(0u32..40, 1..4).prop_map(|parts| {
                parts.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
            }),
            found in "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}",
        ) {
            let found: DottedVersion = found.parse().unwrap();
            let at_least = bound(&format!("x>={parts}")).admits(&found);
            let below = bound(&format!("x<{parts}")).admits(&found);
            prop_assert!(at_least != below);
        }
    }
}
