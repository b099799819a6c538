//! Chooses the one variant of a release that a machine should run, and says why.
//!
//! A variant fits when every fact it requires holds and every amount it needs is there. Facts that
//! are not known exclude nothing, but what is known to fit comes first; natives come before
//! fallbacks; then the [`Preference`] decides, and at last the name, so that equal inputs always
//! give the same answer whatever the order of the variants.
//!
//! Nothing here looks at the machine: the [`Profile`] holds what is known of it.

mod amount;
mod choose;
mod explain;
mod fact;
mod verdict;

use crate::name::VariantId;
use crate::profile::Profile;
use crate::release::Release;
use crate::variant::Variant;
use std::fmt;
use std::str::FromStr;

/// What to choose by when several variants fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// The highest quality, then the better fit.
    #[default]
    HighPerformance,
    /// The least memory, then the least disk.
    LowResource,
}

/// Text that is not a preference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a preference: it is high-performance or low-resource")]
pub struct PreferenceError {
    found: String,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Not enough is known to say.
    Unknown,
}

/// How well something fits, best first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// All that is recommended is there.
    Great,
    /// The least that is needed is there.
    Ok,
    /// The least that is needed is there, but not free right now.
    Tight,
    /// Not enough is known to say.
    Unknown,
    /// It cannot run.
    No,
}

/// One thing that a variant asks for, and what the machine has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Check {
    /// The fact or amount: `cpu.level`, `memory`.
    pub key: String,
    /// What is asked for: `x86-64-v3`, `8 GiB`.
    pub needs: String,
    /// What there is: `x86-64-v4`, `23.5 GiB`, `none`, `not known`.
    pub has: String,
    /// Whether that is enough.
    pub truth: Truth,
    /// How well it fits; `great` for a fact that holds.
    pub fit: Fit,
    /// The same for people, in one phrase.
    pub says: String,
    /// What is missing, where that could be had: `2 more cores`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The override that would let it pass: `cores=4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether one variant fits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// The variant.
    pub variant: VariantId,
    /// The worst of its checks.
    pub fit: Fit,
    /// Chosen only when nothing else fits.
    pub fallback: bool,
    /// Everything it asks for: first what it requires, then how much it needs.
    pub checks: Vec<Check>,
    /// The facts that it prefers and that hold.
    pub liked: Vec<String>,
}

/// Which variant was chosen, and the verdict on each.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Resolution {
    /// The profile that was asked about.
    pub profile: String,
    /// What was set over that profile, as `key=value`.
    pub overrides: Vec<String>,
    /// What was chosen by.
    pub preference: Preference,
    /// One verdict for each variant, in the order of the release.
    pub verdicts: Vec<Verdict>,
    /// The variant to use, if any fits.
    pub chosen: Option<VariantId>,
    /// Why that one, or why none.
    pub reason: String,
    /// What would have to change for a better one, a sentence each.
    pub advice: Vec<String>,
}

/// Chooses the variant of `release` that a machine with this `profile` should run.
pub fn resolve(release: &Release, profile: &Profile, preference: Preference) -> Resolution {
    resolve_variants(&release.variants, profile, preference)
}

/// Chooses among `variants`, which may stand in any order.
pub fn resolve_variants(
    variants: &[Variant],
    profile: &Profile,
    preference: Preference,
) -> Resolution {
    let verdicts: Vec<_> = variants.iter().map(|variant| verdict::of(variant, profile)).collect();
    let chosen = choose::best(variants, &verdicts, preference);
    Resolution {
        profile: profile.name().into(),
        overrides: profile.overrides().iter().map(ToString::to_string).collect(),
        preference,
        chosen: chosen.map(|at| variants[at].id.clone()),
        reason: choose::reason(variants, &verdicts, preference, verdict::subject(profile)),
        advice: explain::advice(variants, &verdicts, chosen),
        verdicts,
    }
}

impl Verdict {
    /// The first thing it asks for that is not there; `None` when it can run, as far as is known.
    pub fn rejection(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.truth == Truth::No)
    }

    /// What it asks for of which too little is known.
    pub fn doubts(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.truth == Truth::Unknown)
    }
}

impl Resolution {
    /// The verdict on the variant that was chosen.
    pub fn chosen_verdict(&self) -> Option<&Verdict> {
        let chosen = self.chosen.as_ref()?;
        self.verdicts.iter().find(|verdict| &verdict.variant == chosen)
    }
}

impl Fit {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Great => "great",
            Self::Ok => "ok",
            Self::Tight => "tight",
            Self::Unknown => "unknown",
            Self::No => "no",
        }
    }
}

impl Preference {
    /// The name by which it is asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HighPerformance => "high-performance",
            Self::LowResource => "low-resource",
        }
    }
}

impl FromStr for Preference {
    type Err = PreferenceError;

    fn from_str(text: &str) -> Result<Self, PreferenceError> {
        [Self::HighPerformance, Self::LowResource]
            .into_iter()
            .find(|preference| preference.as_str() == text)
            .ok_or_else(|| PreferenceError { found: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;
