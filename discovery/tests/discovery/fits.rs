//! `--fits` keeps what an install would choose a variant of, and nothing else.

use std::collections::BTreeSet;

use crate::common::{acme, cursor, doc, names, release, variant};
use catalog::ByteSize;
use catalog::profile::{Override, Profile};
use catalog::release::Release;
use catalog::resolve::{Preference, resolve};
use catalog::variant::{Amount, Count, Resources, Variant};
use catalog_discovery::{Index, Query};

const RELEASES: u64 = 100;
const PROFILES: u64 = 100;

const REQUIRED: [(&str, &[&str]); 4] = [
    ("os", &["linux", "windows", "macos"]),
    ("cpu.level", &["x86-64", "x86-64-v3", "armv8.2a"]),
    ("libc", &["glibc>=2.31", "glibc", "musl"]),
    ("runtime", &["wasip2", "native"]),
];
const CHANGED: [(&str, &[&str]); 4] = [
    ("cores", &["1", "2", "16"]),
    ("memory", &["256MiB", "4GiB", "64GiB"]),
    ("disk", &["64MiB", "2GiB", "200GiB"]),
    ("libc", &["glibc@2.28", "glibc@2.36"]),
];

/// Numbers that look random, the same each time: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn variant(&mut self, n: u64) -> Variant {
        let mut made = variant(&format!("v{n}"));
        for (fact, needs) in REQUIRED {
            if self.below(3) == 0 {
                made.requires.insert(fact.parse().unwrap(), self.one(needs).parse().unwrap());
            }
        }
        let mut bytes = |one_in: u64| {
            let min =
                (self.below(one_in) == 0).then(|| ByteSize::bytes(1 << (20 + self.below(20))));
            Amount { min, recommended: None }
        };
        let (memory, disk, vram) = (bytes(2), bytes(2), bytes(6));
        let cores = (self.below(3) == 0).then(|| 1 + self.below(12));
        let cores = Count { min: cores, recommended: None };
        made.resources = Resources { memory, disk, vram, cores };
        made.fallback = self.below(8) == 0;
        made
    }

    fn release(&mut self, n: u64) -> Release {
        let variants = (0..1 + self.below(4)).map(|n| self.variant(n)).collect();
        let description = Some("What is long is not kept in the index.".to_owned());
        Release { variants, description, ..release(acme(), &format!("tool-{n:03}")) }
    }

    fn profile(&mut self) -> Profile {
        let named: Vec<&str> = Profile::names().collect();
        let mut changes: Vec<Override> = Vec::new();
        for (fact, values) in CHANGED {
            if self.below(2) == 0 {
                changes.push(format!("{fact}={}", self.one(values)).parse().unwrap());
            }
        }
        Profile::named(self.one(&named)).unwrap().with_overrides(&changes).unwrap()
    }
}

/// 10,000 pairs of a release and a machine. An explanation and an install ask `resolve` about the
/// whole release, with any preference; a search has a shortened one.
#[test]
fn a_search_an_explanation_and_an_install_agree_on_what_fits() {
    let mut dice = Dice(4);
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let releases: Vec<Release> = (0..RELEASES).map(|n| dice.release(n)).collect();
    for release in &releases {
        index.put(&doc(release)).unwrap();
    }
    index.commit(cursor(1)).unwrap();
    let (mut fitting, mut pairs) = (0, 0);
    for n in 0..PROFILES {
        let profile = dice.profile();
        let query = Query { fits: Some(&profile), limit: 500, ..Query::new("tool") };
        let found = index.search(&query).unwrap();
        let found: BTreeSet<&str> = names(&found).into_iter().collect();
        for release in &releases {
            for preference in [Preference::HighPerformance, Preference::LowResource] {
                let resolution = resolve(release, &profile, preference);
                let explained = resolution.explain(release.name.as_str(), &release.version);
                let installs = resolution.chosen.is_some();
                assert_eq!(found.contains(release.name.as_str()), installs, "{n}: {explained}");
                assert_eq!(!explained.contains("Nothing chosen"), installs, "{explained}");
            }
            pairs += 1;
            fitting += u64::from(found.contains(release.name.as_str()));
        }
    }
    assert_eq!(pairs, 10_000);
    // Neither answer is the rule, or this would show little.
    assert!((2_000..8_000).contains(&fitting), "{fitting}");
}
