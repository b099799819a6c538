//! Looks for what is allowed in a manifest but probably not meant.

use std::collections::BTreeSet;
use std::ops::Range;

use super::finding::{Code, Finding};
use super::keys::Findings;
use super::words::nearest;
use crate::draft::{Draft, VariantDraft};
use crate::profile::{arch_of, canonical, satisfies};
use crate::release::PackageKind;
use crate::variant::{Constraint, FactKey, FactName};

/// Longest summary that lists show whole.
const SUMMARY_CHARS_SHOWN: usize = 120;

/// The facts that profiles have.
const FACTS: [&str; 17] = [
    "os",
    "cpu.arch",
    "cpu.level",
    "cpu.abi",
    "cpu.vendor",
    "cpu.features",
    "libc",
    "runtime",
    "runtime.wasm",
    "python",
    "gpu.vendor",
    "gpu.api",
    "gpu.cc",
    "power.source",
    "network.metered",
    "network.nat",
    "region",
];

/// Kinds of machine that many people have: what to call it, system, architecture and the highest
/// level of its CPU.
const COMMON: [(&str, &str, &str, &str); 4] = [
    ("Linux on x86-64", "linux", "x86_64", "x86-64-v4"),
    ("Linux on ARM64", "linux", "aarch64", "armv9.2a"),
    ("macOS on Apple silicon", "macos", "aarch64", "armv8.6a"),
    ("Windows on x86-64", "windows", "x86_64", "x86-64-v4"),
];

type Span = Option<Range<usize>>;

/// Adds every warning about `draft`.
///
/// - `variants`: where each variant stands in the text, in their order.
pub(super) fn warnings(draft: &Draft, variants: &[Span], package: Span, findings: &Findings) {
    summary(draft, &package, findings);
    if draft.license.is_empty() {
        let finding = Finding::warning(Code::NoLicense, "the package has no license");
        let hint = "add one to [package], such as license = \"MIT\"";
        findings.push(finding.with_hint(hint).at(package.clone()));
    }
    unknown_facts(draft, variants, findings);
    pairs(draft, variants, findings);
    if !draft.variants.iter().any(|variant| variant.fallback) {
        let finding = Finding::warning(Code::NoFallback, "no variant is a fallback");
        let hint = "mark one that runs nearly everywhere: fallback = true";
        findings.push(finding.with_hint(hint).at(package.clone()));
    }
    common_machines(draft, package, findings);
}

fn summary(draft: &Draft, package: &Span, findings: &Findings) {
    let (message, hint) = match draft.summary.chars().count() {
        0 => ("the package has no summary", "add one line: summary = \"what it is for\""),
        1..=SUMMARY_CHARS_SHOWN => return,
        _ => ("the summary is longer than 120 characters", "move the details to README.md"),
    };
    let finding = Finding::warning(Code::Summary, message).with_hint(hint);
    findings.push(finding.at(package.clone()));
}

fn unknown_facts(draft: &Draft, spans: &[Span], findings: &Findings) {
    for (variant, span) in draft.variants.iter().zip(spans) {
        let keys = variant.requires.keys().chain(variant.prefers.keys());
        for key in keys.filter(|key| !FACTS.contains(&key.as_str())) {
            let message = format!("variant {} asks for {key}, which no profile has", variant.id);
            let finding = Finding::warning(Code::UnknownFact, message).at(span.clone());
            findings.push(match nearest(key.as_str(), FACTS.into_iter()) {
                Some(near) => finding.with_hint(format!("did you mean `{near}`?")),
                None => finding.with_hint("catalog profile show lists the facts of this machine"),
            });
        }
    }
}

/// Looks at every two variants that could be confused.
fn pairs(draft: &Draft, spans: &[Span], findings: &Findings) {
    for (index, (second, span)) in draft.variants.iter().zip(spans).enumerate() {
        for first in &draft.variants[..index] {
            if first.fallback != second.fallback {
                continue;
            }
            let same = first.requires == second.requires && first.resources == second.resources;
            let (code, message, hint) = if same {
                let message = format!("{} and {} need the same of a machine", first.id, second.id);
                (Code::SameRequires, message, "tell them apart in `requires` or `resources`")
            } else if first.quality == second.quality && can_overlap(first, second) {
                let quality = first.quality;
                let message = format!(
                    "{} and {} can fit the same machine and both have quality {quality}",
                    first.id, second.id
                );
                (Code::SameQuality, message, "give the better one a higher `quality`")
            } else {
                continue;
            };
            findings.push(Finding::warning(code, message).with_hint(hint).at(span.clone()));
        }
    }
}

/// Whether some machine could meet both; versions are not compared.
fn can_overlap(first: &VariantDraft, second: &VariantDraft) -> bool {
    if let (Some(ours), Some(theirs)) = (arches(first), arches(second))
        && ours.is_disjoint(&theirs)
    {
        return false;
    }
    first.requires.iter().all(|(key, ours)| {
        let Some(theirs) = second.requires.get(key) else { return true };
        let either = |a: &FactName, b: &FactName| satisfies(key, a, b) || satisfies(key, b, a);
        names(ours).any(|a| names(theirs).any(|b| either(a, b)))
    })
}

/// The architectures that a variant is for, from the architecture or the level that it requires.
fn arches(variant: &VariantDraft) -> Option<BTreeSet<String>> {
    let of = |key: &str, arch: fn(&str) -> String| {
        let (_, constraint) = variant.requires.iter().find(|(known, _)| known.as_str() == key)?;
        Some(names(constraint).map(|name| arch(name.as_str())).collect())
    };
    let by_name = |name: &str| {
        let key: FactKey = "cpu.arch".parse().expect("the key of a fact");
        canonical(&key, name).to_owned()
    };
    of("cpu.arch", by_name).or_else(|| of("cpu.level", |level| arch_of(level).to_owned()))
}

fn names(constraint: &Constraint) -> impl Iterator<Item = &FactName> {
    constraint.alternatives().iter().map(|alternative| alternative.name())
}

/// Programs that run on ordinary machines should do so on all of the common ones; apps for phones
/// and plain files need not.
fn common_machines(draft: &Draft, package: Span, findings: &Findings) {
    if !matches!(draft.kind, PackageKind::Service | PackageKind::AppFragment) {
        return;
    }
    let uncovered = COMMON
        .iter()
        .filter(|machine| !draft.variants.iter().any(|variant| could_run(variant, machine)));
    let uncovered: Vec<&str> = uncovered.map(|machine| machine.0).collect();
    if !uncovered.is_empty() {
        let message = format!("no variant can run on {}", uncovered.join(", "));
        let finding = Finding::warning(Code::CommonMachine, message);
        let hint = "add a variant for it, or a fallback that does not name a system";
        findings.push(finding.with_hint(hint).at(package));
    }
}

fn could_run(variant: &VariantDraft, machine: &(&str, &str, &str, &str)) -> bool {
    let &(_, os, arch, level) = machine;
    let held = |key: &FactKey| match key.as_str() {
        "os" => Some(os),
        "cpu.arch" => Some(arch),
        "cpu.level" => Some(level),
        _ => None,
    };
    variant.requires.iter().all(|(key, constraint)| {
        let Some(held) = held(key).and_then(|held| held.parse::<FactName>().ok()) else {
            return true;
        };
        names(constraint).any(|wanted| satisfies(key, &held, wanted))
    })
}
