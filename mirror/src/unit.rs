//! What is placed: one variant's content, as one whole.
//!
//! A mirror holds a content root completely or not at all, and says so by its hash. Several
//! releases may name the same bytes; they are one unit, which counts for each of them. What a
//! publisher asks of mirrors is a wish with an upper bound: it fills room that nobody else needs.
//!
//! Only what everybody may read is placed: any other release gives no units.

use std::sync::Arc;

use catalog::name::{Region, VariantId};
use catalog::release::{MirrorHints, PackageId, PackageKind, Release, ReleaseId};
use catalog::variant::Variant;
use catalog::{ByteSize, Digest, Timestamp};

/// The most copies that a publisher's wish counts for.
pub const WISHED_COPIES_MAX: u8 = 16;
/// The most regions that a publisher's wish counts for.
pub const WISHED_REGIONS_MAX: usize = 8;
/// The most releases that are remembered to name the same bytes.
pub const OFFERS_MAX: usize = 8;

/// One content root, and what the releases that name it say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The content root.
    pub root: Digest,
    /// The sum of its file sizes.
    pub bytes: ByteSize,
    /// The releases that name it, by id: at least one, at most [`OFFERS_MAX`].
    pub offers: Vec<Offer>,
    /// The most urgent of what their publishers say.
    pub priority: Priority,
    /// What their publishers ask for together.
    pub wish: Wish,
    /// When the first of them was published.
    pub published: Timestamp,
}

/// A release that names a content root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The release.
    pub release: ReleaseId,
    /// The variant of it.
    pub variant: VariantId,
    /// What a selection looks at; shared by all variants of a release.
    pub subject: Arc<Subject>,
}

/// What a [`Filter`](crate::filter::Filter) looks at: a release without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whose it is and what it is called.
    pub package: PackageId,
    /// Which version.
    pub version: semver::Version,
    /// What sort of package it is.
    pub kind: PackageKind,
    /// Topics it belongs to.
    pub tags: Vec<String>,
    /// All its variants: which one a machine runs depends on the others.
    pub variants: Vec<Variant>,
}

/// How urgent a publisher says that copies are. It orders, and never adds copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// As most packages.
    #[default]
    Normal,
    /// Before most.
    High,
    /// First.
    Critical,
}

/// What publishers ask of mirrors, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many copies, at most [`WISHED_COPIES_MAX`].
    pub copies: u8,
    /// In which regions, ascending, at most [`WISHED_REGIONS_MAX`].
    pub regions: Vec<Region>,
}

impl Unit {
    /// The units of a release, one for each content root, by root; none of one that not
    /// everybody may read.
    pub fn of_release(id: ReleaseId, release: &Release) -> Vec<Self> {
        if !release.permission.is_open() {
            return Vec::new();
        }
        let subject = Arc::new(Subject::of(release));
        let mut units: Vec<Self> = Vec::with_capacity(release.variants.len());
        for variant in &release.variants {
            let offer =
                Offer { release: id, variant: variant.id.clone(), subject: subject.clone() };
            units.push(Self {
                root: variant.root,
                bytes: variant.size,
                offers: vec![offer],
                priority: Priority::of(&release.mirror),
                wish: Wish::of(&release.mirror),
                published: release.time,
            });
        }
        units.sort_by(|a, b| (a.root, &a.offers[0].variant).cmp(&(b.root, &b.offers[0].variant)));
        let mut merged: Vec<Self> = Vec::with_capacity(units.len());
        for unit in units {
            match merged.last_mut() {
                Some(last) if last.root == unit.root => last.join(unit),
                _ => merged.push(unit),
            }
        }
        merged
    }

    /// Takes in what another release says of the same bytes. The order of joins does not matter,
    /// as long as there are no more than [`OFFERS_MAX`] releases.
    pub fn join(&mut self, other: Self) {
        debug_assert_eq!(self.root, other.root, "the same bytes");
        self.offers.extend(other.offers);
        self.offers.sort_by(|a, b| (&a.release, &a.variant).cmp(&(&b.release, &b.variant)));
        self.offers.dedup_by(|a, b| (&a.release, &a.variant) == (&b.release, &b.variant));
        self.offers.truncate(OFFERS_MAX);
        // Of one root there is one size. Who names the bytes of others and calls them huge must not
        // keep them from being placed; who calls them small is found out by whoever fetches them.
        self.bytes = self.bytes.min(other.bytes);
        self.priority = self.priority.max(other.priority);
        self.wish.join(other.wish);
        self.published = self.published.min(other.published);
    }

    /// The package that is shown for it: that of the first release.
    pub fn package(&self) -> Option<&PackageId> {
        self.offers.first().map(|offer| &offer.subject.package)
    }
}

impl Subject {
    /// What a selection looks at in `release`.
    pub fn of(release: &Release) -> Self {
        Self {
            package: release.package(),
            version: release.version.clone(),
            kind: release.kind,
            tags: release.tags.clone(),
            variants: release.variants.clone(),
        }
    }
}

impl Priority {
    /// What a publisher says; `normal` when it says nothing, or a word that is not known.
    pub fn of(hints: &MirrorHints) -> Self {
        match hints.priority.as_deref() {
            Some("critical") => Self::Critical,
            Some("high") => Self::High,
            Some("low") => Self::Low,
            _ => Self::Normal,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Wish {
    /// What a publisher asks for, cut to its bounds. Words that are no regions count for nothing.
    pub fn of(hints: &MirrorHints) -> Self {
        let copies = hints.replicas.unwrap_or_default().min(u64::from(WISHED_COPIES_MAX)) as u8;
        let mut wish = Self { copies, regions: Vec::new() };
        wish.add(hints.regions.iter().filter_map(|word| word.parse().ok()));
        wish
    }

    fn join(&mut self, other: Self) {
        self.copies = self.copies.max(other.copies);
        self.add(other.regions);
    }

    fn add(&mut self, regions: impl IntoIterator<Item = Region>) {
        self.regions.extend(regions);
        self.regions.sort_unstable();
        self.regions.dedup();
        self.regions.truncate(WISHED_REGIONS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::PublisherId;
    use catalog::permission::Permission;
    use catalog_tests::releases::{release, variant};
    use std::collections::BTreeSet;

    fn id(n: u8) -> ReleaseId {
        ReleaseId::of(&[n])
    }

    fn family() -> Release {
        let mut release = release(PublisherId::of_inception(b"acme"), "graphdb");
        release.variants = ["a", "b", "c"].map(variant).into();
        release.variants[1].root = Digest::of(b"other");
        release.variants[1].size = ByteSize::mib(3);
        release
    }

    #[test]
    fn each_content_of_a_release_is_one_unit() {
        let units = Unit::of_release(id(1), &family());
        let of = |root: &[u8]| units.iter().find(|unit| unit.root == Digest::of(root)).unwrap();
        assert_eq!(units.len(), 2);
        assert_eq!(of(b"other").bytes, ByteSize::mib(3));
        let names: Vec<_> = of(b"root").offers.iter().map(|o| o.variant.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn what_not_everybody_may_read_is_not_placed() {
        let mut release = family();
        let nobody = Permission::Restricted(BTreeSet::new());
        for permission in [Permission::Private, Permission::Friends, nobody] {
            release.permission = permission;
            assert_eq!(Unit::of_release(id(1), &release), []);
        }
    }

    /// Threat: a publisher that asks for a thousand copies in a thousand regions.
    #[test]
    fn wishes_have_an_upper_bound() {
        let mut release = family();
        release.mirror = MirrorHints {
            replicas: Some(1000),
            regions: (0..30).map(|n| format!("r{n}")).chain(["No Region".into()]).collect(),
            priority: Some("critical".into()),
        };
        let unit = &Unit::of_release(id(1), &release)[0];
        assert_eq!(unit.wish.copies, WISHED_COPIES_MAX);
        assert_eq!(unit.wish.regions.len(), WISHED_REGIONS_MAX);
        assert_eq!(unit.priority, Priority::Critical);
    }

    #[test]
    fn releases_of_the_same_bytes_are_joined_in_any_order() {
        let mut other = family();
        other.mirror.replicas = Some(5);
        other.time = Timestamp::from_millis(5);
        let all = [(1, family()), (2, other), (3, family())];
        let unit = |(n, release): &(u8, Release)| Unit::of_release(id(*n), release).remove(0);
        let joined = |order: [usize; 3]| {
            let mut units = order.map(|at| unit(&all[at])).into_iter();
            let first = units.next().unwrap();
            units.fold(first, |mut joined, unit| {
                joined.join(unit);
                joined
            })
        };
        let expected = joined([0, 1, 2]);
        assert_eq!((expected.wish.copies, expected.published.as_millis()), (5, 5));
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(joined(order), expected);
        }
    }
}
