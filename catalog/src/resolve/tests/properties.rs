//! What holds for every release on every machine, on generated ones.

use super::super::*;
use super::{node, size};
use crate::profile::{DETECTED, FactValue, Facts, Gpu, Memory};
use crate::size::ByteSize;
use crate::variant::tests::fixture;
use crate::variant::{Amount, Constraint, Count, FactKey};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const SYSTEMS: [&str; 4] = ["linux@6.1", "macos@14", "windows@11", "browser"];
const LEVELS: [&str; 8] =
    ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64", "armv8.2a", "armv9.0a", "riscv64"];
const LIBCS: [&str; 4] = ["glibc@2.17", "glibc@2.36", "musl@1.2", "musl"];
const RUNTIMES: [&str; 4] = ["native", "wasip2", "node@20", "node"];
const SIZES: [&str; 5] = ["128MiB", "1GiB", "4GiB", "16GiB", "64GiB"];
const WANTED: [(&str, &[&str]); 5] = [
    ("os", &["linux", "macos|windows", "linux>=6.6"]),
    ("cpu.level", &["x86-64-v3", "aarch64|x86-64", "armv8.2a", "riscv64"]),
    ("libc", &["glibc>=2.28", "musl", "musl>=1.2|glibc"]),
    ("runtime", &["wasip2", "node>=18", "native"]),
    ("gpu.api", &["cuda>=12", "vulkan"]),
];

fn values(texts: Vec<&str>) -> Vec<FactValue> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

prop_compose! {
    /// Any machine: facts known, known to be absent, or not known.
    fn profile()(
        systems in subsequence(&SYSTEMS[..], 0..=2),
        levels in subsequence(&LEVELS[..], 0..=2),
        libcs in subsequence(&LIBCS[..], 0..=2),
        runtimes in subsequence(&RUNTIMES[..], 0..=3),
        forgotten in subsequence(vec!["os", "cpu.level", "libc", "runtime", "gpu"], 0..=2),
        amounts in prop::collection::vec(prop::option::of(select(&SIZES[..])), 3),
        cores in prop::option::of(1u64..9),
        gpu in prop::option::of((any::<bool>(), prop::option::of(select(&SIZES[..])))),
        open in any::<bool>(),
    ) -> Profile {
        let mut facts = Facts::default();
        for (key, found) in
            [("os", systems), ("cpu.level", levels), ("libc", libcs), ("runtime", runtimes)]
        {
            facts.set(key.parse().unwrap(), values(found));
        }
        let [total, available, free] = [0, 1, 2].map(|at| amounts[at].and_then(size));
        facts.memory = Memory { total, limit: None, available };
        facts.disk_free = free;
        facts.cores = cores;
        facts.gpus.extend(gpu.map(|(cuda, vram)| Gpu {
            api: values(vec![if cuda { "cuda@12.4" } else { "vulkan" }]),
            vram: vram.and_then(size),
            ..Gpu::default()
        }));
        for key in forgotten {
            facts.values.remove(key);
            facts.unknown.insert(key.parse().unwrap(), "a test".into());
        }
        Profile::new(if open { DETECTED } else { "a-class" }, facts)
    }
}

fn amount() -> impl Strategy<Value = Amount> {
    let one = || prop::option::of(select(&SIZES[..]));
    (one(), one()).prop_map(|(min, recommended)| Amount {
        min: min.and_then(size),
        recommended: recommended.and_then(size),
    })
}

prop_compose! {
    fn variant(id: usize)(
        wanted in subsequence(&WANTED[..], 0..=3),
        which in prop::collection::vec(0usize..12, 6),
        liked in select(&WANTED[..]),
        [memory, disk, vram] in [amount(), amount(), amount()],
        cores in prop::option::of(1u64..9),
        fallback in prop::bool::weighted(0.25),
        quality in select(vec![20u8, 50, 90]),
    ) -> Variant {
        let one = |(key, list): &(&str, &[&str]), at: usize| {
            (key.parse().unwrap(), list[which[at] % list.len()].parse().unwrap())
        };
        let mut variant = fixture(&format!("v{id}"), "");
        variant.requires = wanted.iter().enumerate().map(|(at, entry)| one(entry, at)).collect();
        variant.prefers = [one(&liked, 5)].into_iter().collect();
        variant.resources.memory = memory;
        variant.resources.disk = disk;
        // Most packages ask for no graphics device.
        variant.resources.vram = if quality == 20 { vram } else { Amount::default() };
        variant.resources.cores = Count { min: cores, recommended: cores.map(|cores| cores * 2) };
        variant.fallback = fallback;
        variant.quality = quality;
        variant
    }
}

fn variants() -> impl Strategy<Value = Vec<Variant>> {
    (1usize..6).prop_flat_map(|count| (0..count).map(variant).collect::<Vec<_>>())
}

fn preference() -> impl Strategy<Value = Preference> {
    select(vec![Preference::HighPerformance, Preference::LowResource])
}

/// Evaluates what the check says it is about a second time, without the words around it.
fn is_really_false(variant: &Variant, profile: &Profile, check: &Check) -> bool {
    let facts = profile.facts();
    let resources = &variant.resources;
    let short = |min: Option<ByteSize>, has: Option<ByteSize>| min > has && has.is_some();
    match check.key.as_str() {
        "memory" => short(resources.memory.min, facts.memory.total),
        "disk" => short(Some(variant.disk_min()), facts.disk_free),
        "cores" => resources.cores.min > facts.cores && facts.cores.is_some(),
        "vram" => facts.gpus.iter().all(|gpu| short(resources.vram.min, gpu.vram)),
        "gpu.api" => {
            let wanted = &variant.requires["gpu.api"];
            !facts.gpus.iter().any(|gpu| gpu.api.iter().any(|api| naive(wanted, api, "gpu.api")))
        }
        key => {
            let held = facts.values.get(key).map_or(&[][..], Vec::as_slice);
            !held.iter().any(|value| naive(&variant.requires[key], value, key))
        }
    }
}

/// One value against a constraint, levels by a table of their own.
fn naive(wanted: &Constraint, value: &FactValue, key: &str) -> bool {
    let includes: &[(&str, &[&str])] = &[
        ("x86-64-v2", &["x86-64"]),
        ("x86-64-v3", &["x86-64", "x86-64-v2"]),
        ("x86-64-v4", &["x86-64", "x86-64-v2", "x86-64-v3"]),
        ("armv8.2a", &["aarch64"]),
        ("armv9.0a", &["aarch64", "armv8.2a"]),
    ];
    let below = |held: &str, name: &str| {
        key == "cpu.level"
            && includes.iter().any(|(level, lower)| *level == held && lower.contains(&name))
    };
    wanted.alternatives().iter().any(|alternative| {
        let (held, name) = (value.name().as_str(), alternative.name().as_str());
        let bound = alternative
            .bound()
            .is_none_or(|bound| value.version().is_some_and(|version| bound.admits(version)));
        bound && (held == name || below(held, name))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_choice_fits_and_each_refusal_is_true(
        variants in variants(), profile in profile(), preference in preference(),
    ) {
        let resolution = resolve_variants(&variants, &profile, preference);
        prop_assert_eq!(resolution.verdicts.len(), variants.len());
        for (variant, verdict) in variants.iter().zip(&resolution.verdicts) {
            prop_assert_eq!(&verdict.variant, &variant.id);
            prop_assert_eq!(verdict.fit == Fit::No, verdict.rejection().is_some());
            if let Some(check) = verdict.rejection() {
                prop_assert!(is_really_false(variant, &profile, check), "{:?}", check);
                prop_assert!(check.fit == Fit::No && check.says.contains("needs"));
            }
        }
        let fitting = || resolution.verdicts.iter().filter(|verdict| verdict.fit != Fit::No);
        match resolution.chosen_verdict() {
            None => prop_assert_eq!(fitting().count(), 0),
            Some(best) => {
                prop_assert!(best.fit != Fit::No);
                let known = |verdict: &&Verdict| verdict.fit != Fit::Unknown;
                if best.fit == Fit::Unknown {
                    prop_assert_eq!(fitting().filter(known).count(), 0);
                } else if best.fallback {
                    prop_assert!(fitting().filter(known).all(|verdict| verdict.fallback));
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_variants_does_not_matter(
        variants in variants(), profile in profile(), preference in preference(), by in 0usize..6,
    ) {
        let first = resolve_variants(&variants, &profile, preference);
        prop_assert_eq!(&first, &resolve_variants(&variants, &profile, preference));
        let mut turned = variants.clone();
        turned.rotate_left(by % variants.len());
        turned.reverse();
        let second = resolve_variants(&turned, &profile, preference);
        prop_assert_eq!((&first.chosen, &first.reason), (&second.chosen, &second.reason));
        for verdict in &first.verdicts {
            prop_assert!(second.verdicts.contains(verdict));
        }
    }

    #[test]
    fn knowing_more_never_turns_yes_into_no(
        variant in variant(0), profile in profile(), extra in select(&SYSTEMS[..]), key in select(&WANTED[..]),
    ) {
        let before = verdict::of(&variant, &profile);
        let mut facts = profile.facts().clone();
        let key: FactKey = key.0.parse().unwrap();
        facts.values.entry(key).or_default().push(extra.parse().unwrap());
        let after = verdict::of(&variant, &Profile::new(profile.name(), facts));
        for check in before.checks.iter().filter(|check| check.truth == Truth::Yes) {
            let same = after.checks.iter().find(|other| other.key == check.key).unwrap();
            prop_assert_eq!(same.truth, Truth::Yes, "{:?}", check);
        }
    }

    #[test]
    fn needing_more_never_makes_a_variant_fit(
        variant in variant(0), profile in profile(), more in select(&SIZES[..]), cores in 1u64..9,
    ) {
        let before = verdict::of(&variant, &profile).fit;
        let mut greedy = variant;
        let raise = |min: Option<ByteSize>| min.max(size(more));
        greedy.resources.memory.min = raise(greedy.resources.memory.min);
        greedy.resources.disk.min = raise(Some(greedy.disk_min()));
        greedy.resources.cores.min = greedy.resources.cores.min.max(Some(cores));
        let after = verdict::of(&greedy, &profile).fit;
        prop_assert!(before != Fit::No || after == Fit::No);
        prop_assert!(after >= before || before == Fit::Ok || before == Fit::Tight, "{before} {after}");
    }

    #[test]
    fn any_resolution_can_be_told(variants in variants(), preference in preference()) {
        let resolution = resolve_variants(&variants, &node(), preference);
        let text = resolution.explain("acme/x", &semver::Version::new(1, 0, 0));
        prop_assert!(text.ends_with('\n') && !text.contains("\n\n"));
        for variant in &variants {
            prop_assert!(text.contains(variant.id.as_str()));
        }
        prop_assert!(text.lines().all(|line| line.trim_end() == line));
    }
}
