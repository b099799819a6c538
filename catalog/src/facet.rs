//! Names what releases have in common, so that a node can follow some of them and not all.
//!
//! A facet follows from signed fields alone: every node sorts a release under the same ones.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::identity::PublisherId;
use crate::profile::{arch_of, canonical};
use crate::release::{PackageKind, Release};
use crate::variant::{FactKey, Variant};

/// What facets are derived under.
const CONTEXT: &str = "catalog 2026-11 facet v1";

/// How a facet spells what a variant does not ask for.
const ANY: &str = "any";

/// Something that releases have in common: a publisher, a kind, a tag, or what they run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facet([u8; 8]);

impl Facet {
    /// The releases of a publisher.
    pub fn publisher(publisher: &PublisherId) -> Self {
        Self::of(&format!("publisher:{publisher}"))
    }

    /// The releases of a kind.
    pub fn kind(kind: PackageKind) -> Self {
        Self::of(&format!("kind:{kind}"))
    }

    /// The releases with this tag or keyword.
    pub fn tag(tag: &str) -> Self {
        Self::of(&format!("tag:{tag}"))
    }

    /// The releases with a variant for this system and architecture. `None` is for those with a
    /// variant that does not ask for one; what a machine can run is the union of the four.
    pub fn fits(os: Option<&str>, arch: Option<&str>) -> Self {
        let name = |key: &str, name: Option<&str>| {
            name.map_or(ANY.to_owned(), |name| canonical(&fact(key), name).to_owned())
        };
        Self::of(&format!("for:{}-{}", name("os", os), name("cpu.arch", arch)))
    }

    fn of(text: &str) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *Digest::derived(CONTEXT, text.as_bytes()).as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }

    /// The 8 bytes of the facet.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// Every facet of a release, ascending, no repeats.
pub fn facets(release: &Release) -> BTreeSet<Facet> {
    let mut facets =
        BTreeSet::from([Facet::publisher(&release.publisher), Facet::kind(release.kind)]);
    facets.extend(release.keywords.iter().chain(&release.tags).map(|tag| Facet::tag(tag)));
    for variant in &release.variants {
        for os in systems(variant) {
            for arch in architectures(variant) {
                facets.insert(Facet::fits(os.as_deref(), arch.as_deref()));
            }
        }
    }
    facets
}

fn fact(key: &str) -> FactKey {
    key.parse().expect("a key of ours")
}

fn systems(variant: &Variant) -> Vec<Option<String>> {
    asked(variant, "os").unwrap_or_else(|| vec![None])
}

/// The architectures that a variant asks for, by name or by what they must be able to do.
fn architectures(variant: &Variant) -> Vec<Option<String>> {
    let by_level = || {
        let levels = asked(variant, "cpu.level")?;
        Some(
            levels
                .iter()
                .map(|level| level.as_deref().map(|level| arch_of(level).into()))
                .collect(),
        )
    };
    asked(variant, "cpu.arch").or_else(by_level).unwrap_or_else(|| vec![None])
}

/// The names that a variant accepts for a fact; `None` when it does not ask.
fn asked(variant: &Variant, key: &str) -> Option<Vec<Option<String>>> {
    let wanted = variant.requires.get(&fact(key))?;
    Some(wanted.alternatives().iter().map(|one| Some(one.name().as_str().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{publisher, release};

    /// Nodes that disagree on these would each hold another part of the catalog.
    #[test]
    fn facets_have_these_bytes() {
        let id = PublisherId::from_digest(Digest::from_bytes([0xaa; 32]));
        for (facet, expected) in [
            (Facet::publisher(&id), "31299e9c2efdef14"),
            (Facet::kind(PackageKind::Client), "01b5cb94fa4fe0df"),
            (Facet::tag("graph"), "c3468d50c35d8674"),
            (Facet::fits(Some("linux"), Some("x86_64")), "bcf63457b7d994f7"),
            (Facet::fits(None, None), "74cdcbc62a959b88"),
        ] {
            assert_eq!(hex::encode(facet.as_bytes()), expected);
        }
    }

    #[test]
    fn a_release_is_sorted_under_what_it_fits() {
        let acme = publisher("acme");
        let plain = release(&acme, 1, "graphdb", "1.0.0", "");
        assert!(facets(&plain).contains(&Facet::fits(None, None)));
        let mut built = plain.clone();
        let requires = &mut built.variants[0].requires;
        requires.insert(fact("os"), "linux|darwin>=14".parse().unwrap());
        requires.insert(fact("cpu.level"), "x86-64-v3".parse().unwrap());
        built.keywords = vec!["graph".into(), "db".into()];
        built.tags = vec!["db".into()];
        let expected = BTreeSet::from([
            Facet::publisher(&acme.publisher()),
            Facet::kind(PackageKind::Client),
            Facet::tag("graph"),
            Facet::tag("db"),
            Facet::fits(Some("linux"), Some("amd64")),
            Facet::fits(Some("macos"), Some("x86_64")),
        ]);
        assert_eq!(facets(&built), expected);
    }
}
