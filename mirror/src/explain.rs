//! Why a mirror holds a unit, or does not: every term of the decision.
//!
//! Nothing is decided here. The terms are read from the plan that decided, in the order in which
//! they count, and each says in words what its number means.

use catalog::Digest;
use catalog::permission::NodeId;

use crate::placement::{Class, Planner, Why};
use crate::rendezvous::{Weight, cost};

/// One term of a decision.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Term {
    /// Which: `demand`, `small`, `place`.
    pub name: String,
    /// Its number.
    pub value: u64,
    /// What it means: `asked for 64 times a day`.
    pub words: String,
}

/// Why one mirror holds a unit, or does not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Explanation {
    /// Whether the plan asks this mirror for a copy.
    pub asked: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// Everything that it was decided by.
    pub terms: Vec<Term>,
}

impl Term {
    fn new(name: &str, value: impl Into<u64>, words: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), words: words.into() }
    }
}

/// Explains what a plan says about a unit and one mirror; `None` when the unit is not known.
///
/// - `planner`: refreshed.
pub fn explain(planner: &Planner, root: &Digest, me: &NodeId) -> Option<Explanation> {
    let (unit, placement) = (planner.unit(root)?, planner.placement(root)?);
    let mut terms = vec![Term::new("size", unit.bytes.as_u64(), unit.bytes.to_string())];
    terms.extend(copies(planner, root));
    terms.extend(worth(planner, root, me));
    terms.extend(place(planner, root, me));
    for (at, (node, why)) in placement.holders.iter().enumerate() {
        let region = planner.mirror(node).and_then(|mirror| mirror.lease.region.as_ref());
        let here = region.map_or_else(String::new, |region| format!(" in {region}"));
        let who = if node == me { "this mirror".to_owned() } else { node.short() };
        terms.push(Term::new("holder", at as u64 + 1, format!("{who}{here}: {}", words(*why))));
    }
    if placement.short > 0 {
        let words = format!("{} of its copies found no mirror with room", placement.short);
        terms.push(Term::new("short", placement.short, words));
    }
    let why = placement.holders.iter().find(|(node, _)| node == me).map(|(_, why)| *why);
    Some(Explanation { asked: why.is_some(), reason: reason(planner, root, me, why), terms })
}

/// How many copies there are to be, and by what.
fn copies(planner: &Planner, root: &Digest) -> Vec<Term> {
    let (Some(unit), Some(warmth)) = (planner.unit(root), planner.warmth(root)) else {
        return Vec::new();
    };
    let (settings, copies) = (planner.settings(), planner.copies(root) as u64);
    let most = format!("planned, at most {} because of demand", settings.factor_max);
    let mut terms = vec![
        Term::new("copies", copies, most),
        Term::new("minimum", settings.factor_min, "copies that everything has"),
    ];
    let spare = planner.tuning().spare_copies;
    if spare > 0 {
        terms.push(Term::new(
            "churn",
            spare,
            "more copies of everything, for mirrors go away often",
        ));
    }
    terms.push(Term::new("demand", warmth.total(), "times asked for, fading by half a day"));
    for (region, count) in &warmth.regions {
        terms.push(Term::new("demand", *count, format!("of them in {region}")));
    }
    if warmth.elsewhere > 0 {
        terms.push(Term::new("demand", warmth.elsewhere, "of them from clients without a region"));
    }
    if unit.wish.copies > 0 || !unit.wish.regions.is_empty() {
        let regions: Vec<_> = unit.wish.regions.iter().map(|region| region.as_str()).collect();
        let words = match regions.is_empty() {
            true => "copies its publisher would like, in room that is left".to_owned(),
            false => format!("copies its publisher would like, and one in {}", regions.join(", ")),
        };
        terms.push(Term::new("wish", unit.wish.copies, words));
    }
    terms
}

/// What a copy in the region of the mirror is worth.
fn worth(planner: &Planner, root: &Digest, me: &NodeId) -> Vec<Term> {
    let region = planner.mirror(me).and_then(|mirror| mirror.lease.region.as_ref());
    let Some(found) = planner.terms(root, region) else { return Vec::new() };
    let weights = planner.tuning().weights;
    let all = found.weighed(&weights);
    let total: u32 = all.iter().map(|(_, _, weight)| u32::from(*weight)).sum();
    let mut terms: Vec<Term> = Vec::new();
    for (name, value, weight) in all {
        let words = format!("of 1000, weighs {weight} of {total} ({})", meaning(name));
        terms.push(Term::new(name, value, words));
    }
    let worth = found.worth(&weights);
    let words = format!("of 1000: those terms by their weights, {}", planner.settings().strategy);
    terms.push(Term::new("worth", worth, words));
    terms
}

fn meaning(name: &str) -> &'static str {
    match name {
        "popularity" => "how much it is asked for anywhere",
        "geographic" => "how much it is asked for in this region",
        "access" => "how much of that comes in the next hours",
        "priority" => "how urgent its publisher says it is",
        _ => "how little room it takes",
    }
}

/// Where the mirror stands among those who are willing to hold the unit.
fn place(planner: &Planner, root: &Digest, me: &NodeId) -> Vec<Term> {
    let Some(mirror) = planner.mirror(me) else { return Vec::new() };
    let weight = Weight::of(mirror.lease.capacity);
    let willing = planner.order(root).count();
    let mut terms = vec![Term::new("weight", weight.mib(), "MiB of room that count for the order")];
    if let Some(at) = planner.order(root).position(|node| node == *me) {
        let words = format!("in the order of {willing} mirrors that are willing to hold it");
        terms.push(Term::new("place", at as u64 + 1, words));
        let words = "-log2(hash of the unit and this mirror) / weight: the smaller comes first";
        terms.push(Term::new("cost", cost(root, me, weight), words));
    }
    terms
}

fn reason(planner: &Planner, root: &Digest, me: &NodeId, why: Option<Why>) -> String {
    if let Some(why) = why {
        return format!("this mirror holds it: {}", words(why));
    }
    if planner.mirror(me).is_none() {
        return "this node is no mirror, or has no lease".to_owned();
    }
    let held = planner.copies(root);
    match planner.order(root).position(|node| node == *me) {
        None => "the selection of this mirror does not let it through".to_owned(),
        Some(at) if at < held => {
            "mirrors in other regions, or with more room, come before this one".to_owned()
        }
        Some(at) => format!("{held} copies are planned, and {at} mirrors come before this one"),
    }
}

fn words(why: Why) -> String {
    match why.class {
        Class::Base => format!("copy {} of those that everything has", why.copy),
        Class::Region => "the copy for the demand in its region".to_owned(),
        Class::Hot => format!("copy {} because of much demand", why.copy),
        Class::Wish => "a copy that its publisher would like".to_owned(),
        Class::Backbone => "the copy of last resort, on a backbone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use catalog::release::{MirrorHints, ReleaseId};
    use catalog::{ByteSize, PublisherId};
    use catalog_tests::releases::release;

    use super::*;
    use crate::filter::Filter;
    use crate::heat::Warmth;
    use crate::lease::{Accepts, Lease, Mirror};
    use crate::placement::Settings;
    use crate::strategy::Measured;
    use crate::unit::Unit;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    /// Six mirrors, the last of which takes models only, and one package.
    fn planner() -> (Planner, Digest) {
        let mut planner = Planner::new(Settings::default());
        for n in 0..6 {
            let lease = Lease {
                region: ["eu", "us", "ap"][n as usize % 3].parse().ok(),
                capacity: ByteSize::gib(1),
                used: ByteSize::default(),
                backbone: false,
                generation: 1,
                filter: None,
                measured: Measured { churn: Some(200), ..Measured::default() },
            };
            let kinds = [catalog::PackageKind::Model].into();
            let filter =
                if n == 5 { Filter { kinds, ..Filter::default() } } else { Filter::default() };
            planner.set_mirror(node(n), &Mirror { lease, accepts: Accepts::Only(filter) });
        }
        let mut release = release(PublisherId::of_inception(b"acme"), "graphdb");
        release.mirror = MirrorHints { replicas: Some(2), ..MirrorHints::default() };
        let unit = Unit::of_release(ReleaseId::of(b"1"), &release).remove(0);
        let root = unit.root;
        planner.set_unit(unit);
        let regions = [("eu".parse().unwrap(), 64)].into();
        planner.set_warmth(&root, Warmth { regions, ..Warmth::default() });
        planner.refresh();
        (planner, root)
    }

    #[test]
    fn every_term_of_a_decision_is_shown() {
        let (planner, root) = planner();
        let (holder, why) = planner.placement(&root).unwrap().holders[0];
        let shown = explain(&planner, &root, &holder).unwrap();
        assert!(shown.asked, "{}", shown.reason);
        let names: Vec<_> = shown.terms.iter().map(|term| term.name.as_str()).collect();
        for name in [
            "size",
            "copies",
            "minimum",
            "churn",
            "demand",
            "wish",
            "popularity",
            "geographic",
            "access",
            "priority",
            "small",
            "worth",
            "weight",
            "place",
            "cost",
            "holder",
        ] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        let value = |name: &str| shown.terms.iter().find(|term| term.name == name).unwrap().value;
        assert_eq!((value("minimum"), value("churn"), value("demand")), (3, 1, 64));
        assert_eq!(value("copies") as usize, planner.copies(&root));
        let holders = shown.terms.iter().filter(|term| term.name == "holder");
        assert!(holders.clone().any(|term| term.words.starts_with("this mirror")));
        assert_eq!(holders.count(), planner.copies(&root));
        assert!(shown.reason.ends_with(&words(why)), "{}", shown.reason);
    }

    #[test]
    fn a_mirror_that_is_not_asked_says_why() {
        let (planner, root) = planner();
        let reason = |node: &NodeId| explain(&planner, &root, node).unwrap().reason;
        assert_eq!(reason(&node(5)), "the selection of this mirror does not let it through");
        assert_eq!(reason(&node(9)), "this node is no mirror, or has no lease");
        for n in (0..5).map(node).filter(|n| !planner.is_holder(&root, n)) {
            assert!(reason(&n).contains("before this one"), "{}", reason(&n));
        }
        assert_eq!(explain(&planner, &Digest::of(b"unknown"), &node(1)), None);
    }
}
