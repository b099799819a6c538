//! Tells a resolution to people: one line a variant, then what would change it.

use super::{Check, Fit, Resolution, Truth, Verdict};
use crate::variant::Variant;

/// Most sentences of advice; the best variants come first, and more would not be read.
const ADVICE_MAX: usize = 3;

/// A device for the last line: a small one, unless that is what was asked about.
const OTHER_DEVICES: [&str; 2] = ["pi-low", "laptop"];

/// One variant in columns.
struct Line {
    mark: char,
    name: String,
    text: String,
    note: String,
}

impl Resolution {
    /// The whole story as text, for a terminal or a log; it ends with a line break.
    ///
    /// - `package`: the package as the reader would type it, `acme/graphdb`.
    pub fn explain(&self, package: &str, version: &semver::Version) -> String {
        let mut text = format!(
            "{package} {version}   profile: {}, preference: {}",
            self.profile, self.preference
        );
        if !self.overrides.is_empty() {
            text += &format!(", set by hand: {}", self.overrides.join(", "));
        }
        text.push('\n');

        let lines: Vec<_> = self.verdicts.iter().map(|verdict| self.line(verdict)).collect();
        let width = |of: fn(&Line) -> &str, lines: &mut dyn Iterator<Item = &Line>| {
            lines.map(|line| of(line).chars().count()).max().unwrap_or(0)
        };
        let names = width(|line| &line.name, &mut lines.iter());
        let noted = &mut lines.iter().filter(|line| !line.note.is_empty());
        let texts = width(|line| &line.text, noted);
        for Line { mark, name, text: told, note } in &lines {
            let line = format!("  {mark} {name:names$}   {told:texts$}   {note}");
            text += line.trim_end();
            text.push('\n');
        }
        if self.chosen.is_none() {
            text += &format!("Nothing chosen: {}.\n", self.reason);
        }
        let other = OTHER_DEVICES.iter().find(|other| **other != self.profile);
        let other = other.map(|other| {
            format!("For another device: catalog explain {package} --profile {other}")
        });
        match (self.advice.split_last(), other) {
            (Some((last, before)), Some(other)) => {
                for sentence in before {
                    text += &format!("{sentence}\n");
                }
                text + &format!("{last}  {other}\n")
            }
            (_, other) => text + &other.unwrap_or_default() + "\n",
        }
    }

    fn line(&self, verdict: &Verdict) -> Line {
        let name = verdict.variant.to_string();
        if self.chosen.as_ref() == Some(&verdict.variant) {
            let (mark, note) = (mark(verdict.fit), format!("<- chosen: {}", self.reason));
            return Line { mark, name, text: graded(verdict), note };
        }
        let text = match verdict.rejection() {
            Some(check) => check.says.clone(),
            // A fallback stands back only where something native was chosen.
            None if verdict.fallback
                && self.chosen_verdict().is_some_and(|best| !best.fallback) =>
            {
                format!("{}, but a fallback: used only when nothing native fits", verdict.fit)
            }
            None => graded(verdict),
        };
        Line { mark: mark(verdict.fit), name, text, note: requirements(verdict) }
    }
}

/// What would have to change for a better variant than the chosen one.
pub(super) fn advice(
    variants: &[Variant],
    verdicts: &[Verdict],
    chosen: Option<usize>,
) -> Vec<String> {
    let is_better = |variant: &Variant| match chosen.map(|at| &variants[at]) {
        None => true,
        Some(best) if best.fallback != variant.fallback => best.fallback,
        Some(best) => best.quality < variant.quality,
    };
    let mut better: Vec<_> = variants
        .iter()
        .zip(verdicts)
        .enumerate()
        .filter(|(at, (variant, _))| chosen != Some(*at) && is_better(variant))
        .map(|(_, pair)| pair)
        .collect();
    better.sort_by_key(|(variant, _)| (variant.fallback, u8::MAX - variant.quality, &variant.id));
    better.iter().filter_map(|(_, verdict)| sentence(verdict)).take(ADVICE_MAX).collect()
}

/// `To get x: 2 more cores, or --set cores=4 to try anyway.`
fn sentence(verdict: &Verdict) -> Option<String> {
    let name = &verdict.variant;
    let set = |truth: Truth| {
        let failing = verdict.checks.iter().filter(move |check| check.truth == truth);
        let remedies = failing.map(|check| check.remedy.as_ref());
        let remedies: Option<Vec<_>> =
            remedies.map(|remedy| Some(format!("--set {}", remedy?))).collect();
        remedies.map(|remedies| remedies.join(" "))
    };
    match verdict.fit {
        Fit::No => {
            let failing = verdict.checks.iter().filter(|check| check.truth == Truth::No);
            let missing: Option<Vec<_>> = failing.map(|check| check.missing.as_deref()).collect();
            let missing = missing?.join(", ");
            let anyway = set(Truth::No).map(|set| format!(", or {set} to try anyway"));
            Some(format!("To get {name}: {missing}{}.", anyway.unwrap_or_default()))
        }
        Fit::Unknown => Some(format!("To get {name}: {}, if that is so.", set(Truth::Unknown)?)),
        _ => None,
    }
}

/// How well it fits, and the amounts that say so.
fn graded(verdict: &Verdict) -> String {
    if verdict.fit == Fit::Unknown {
        let doubts: Vec<_> = verdict.doubts().map(|check| check.says.as_str()).collect();
        return doubts.join("; ");
    }
    let amounts: Vec<_> =
        verdict.checks.iter().filter(|check| is_amount(check)).map(|c| c.says.as_str()).collect();
    match amounts.is_empty() {
        true => verdict.fit.to_string(),
        false => format!("{}: {}", verdict.fit, amounts.join(", ")),
    }
}

/// What holds, for a variant that only lacks an amount of something.
fn requirements(verdict: &Verdict) -> String {
    let lacks_amount = verdict.rejection().is_some_and(is_amount);
    let required: Vec<_> =
        verdict.checks.iter().filter(|c| !is_amount(c)).map(|c| c.says.as_str()).collect();
    match lacks_amount && !required.is_empty() {
        true => format!("requires: {}", required.join("  ")),
        false => String::new(),
    }
}

fn is_amount(check: &Check) -> bool {
    matches!(check.key.as_str(), "cores" | "memory" | "vram" | "disk")
}

fn mark(fit: Fit) -> char {
    match fit {
        Fit::Great | Fit::Ok | Fit::Tight => '✔',
        Fit::Unknown => '?',
        Fit::No => '✘',
    }
}
