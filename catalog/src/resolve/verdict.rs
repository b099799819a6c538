//! Puts all checks of one variant together.

use super::amount::{self, Needs};
use super::{Check, Fit, Truth, Verdict, fact};
use crate::profile::{DETECTED, Gpu, Profile};
use crate::size::ByteSize;
use crate::variant::{Constraint, FactKey, Variant};

/// The order in which people ask: a wrong system is more telling than a wrong C library.
const ORDER: [&str; 8] =
    ["os", "cpu.arch", "cpu.abi", "cpu.level", "libc", "runtime", "python", "gpu.vendor"];

/// Checks everything that `variant` asks for.
pub(super) fn of(variant: &Variant, profile: &Profile) -> Verdict {
    let facts = profile.facts();
    let mut requires: Vec<_> = variant.requires.iter().collect();
    requires.sort_by_key(|(key, _)| rank(key));
    let (gpu_requires, requires): (Vec<_>, Vec<_>) =
        requires.into_iter().partition(|(key, _)| is_of_gpu(key));

    let subject = subject(profile);
    let mut checks: Vec<_> = requires
        .into_iter()
        .map(|(key, wanted)| fact::check(key, wanted, &profile.known(key), subject))
        .collect();
    let (device, vram) = device_checks(&gpu_requires, variant, profile);
    checks.extend(device);

    let resources = &variant.resources;
    let gap = |key: &str| facts.gap(&key.parse().ok()?).map(str::to_owned);
    checks.extend(amount::cores(resources.cores, facts.cores, gap("cpu.cores"), subject));
    let memory = Needs { min: resources.memory.min, recommended: resources.memory.recommended };
    let (usable, free) = (facts.memory.usable(), facts.memory.available);
    checks.extend(amount::memory(memory, usable, free, gap("memory.total"), subject));
    checks.extend(vram);
    let disk = Needs {
        min: Some(variant.disk_min()).filter(|min| *min > ByteSize::bytes(0)),
        recommended: resources.disk.recommended,
    };
    checks.extend(amount::disk(disk, facts.disk_free, gap("disk.free"), subject));

    let liked = |(key, wanted): (&FactKey, &Constraint)| {
        (holds(profile, key, wanted) == Truth::Yes).then(|| key.to_string())
    };
    Verdict {
        variant: variant.id.clone(),
        fit: checks.iter().map(|check| check.fit).max().unwrap_or(Fit::Great),
        fallback: variant.fallback,
        liked: variant.prefers.iter().filter_map(liked).collect(),
        checks,
    }
}

/// Who has or lacks something: "this node", or the profile by name.
pub(super) fn subject(profile: &Profile) -> &str {
    if profile.name() == DETECTED { "this node" } else { profile.name() }
}

/// Whether a fact holds on the machine or on any one of its devices.
fn holds(profile: &Profile, key: &FactKey, wanted: &Constraint) -> Truth {
    let facts = profile.facts();
    if !is_of_gpu(key) {
        return fact::holds(key, wanted, &profile.known(key));
    }
    let devices = facts.gpus.iter();
    let truths = devices.map(|gpu| fact::holds(key, wanted, &facts.known_of(gpu, key)));
    truths.min_by_key(|truth| severity(*truth)).unwrap_or(Truth::No)
}

/// The checks of the device that meets most: requirements hold on one device together, not each
/// on another one.
///
/// The amount of memory is returned apart, because it is shown with the other amounts.
fn device_checks(
    requires: &[(&FactKey, &Constraint)],
    variant: &Variant,
    profile: &Profile,
) -> (Vec<Check>, Option<Check>) {
    let facts = profile.facts();
    let amount = variant.resources.vram;
    let needs = Needs { min: amount.min, recommended: amount.recommended };
    let subject = subject(profile);
    let on = |gpu: Option<&Gpu>| {
        let checks: Vec<_> = requires
            .iter()
            .map(|(key, wanted)| {
                let known = match gpu {
                    Some(gpu) => facts.known_of(gpu, key),
                    None => facts.known_without_device(),
                };
                fact::check(key, wanted, &known, subject)
            })
            .collect();
        let vram = gpu.and_then(|gpu| gpu.vram(&facts.memory));
        let gap = facts.gap_of_devices().map(str::to_owned);
        (checks, amount::vram(needs, gpu.is_some(), vram, gap, subject))
    };
    let score = |(checks, vram): &(Vec<Check>, Option<Check>)| {
        let all = || checks.iter().chain(vram);
        let count = |truth: Truth| all().filter(|check| check.truth == truth).count();
        let fits: Vec<_> = all().map(|check| check.fit).collect();
        (count(Truth::No), count(Truth::Unknown), fits)
    };
    let devices = facts.gpus.iter().map(|gpu| on(Some(gpu)));
    devices.min_by_key(score).unwrap_or_else(|| on(None))
}

fn is_of_gpu(key: &FactKey) -> bool {
    key.as_str() == "gpu" || key.as_str().starts_with("gpu.")
}

fn rank(key: &FactKey) -> usize {
    ORDER.iter().position(|known| *known == key.as_str()).unwrap_or(ORDER.len())
}

fn severity(truth: Truth) -> u8 {
    match truth {
        Truth::Yes => 0,
        Truth::Unknown => 1,
        Truth::No => 2,
    }
}
