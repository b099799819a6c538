//! Says what goes with a package: what packages like it need, and what is most like it.
//!
//! The neighbours of a package vote with what they need themselves; what several of them need, and
//! what they call optional, goes with it. Everything here is published data: nobody's installs are
//! asked for. Many packages of one publisher have a few voices, no more, so that nobody outvotes
//! the others by publishing much.
//!
//! Pure: neighbours and their releases go in, a list with reasons comes out.
//!
//! # Source
//! Lists are fused by reciprocal rank: Cormack, Clarke and Büttcher, SIGIR 2009.

use std::collections::{HashMap, HashSet};

use catalog::identity::PublisherId;
use catalog::release::{PackageId, Release};

use crate::doc;

/// Neighbours of each kind that have a vote.
pub const NEIGHBOURS_MAX: usize = 40;

/// How soon places further down stop to count.
const RANK: f32 = 20.0;
/// What needing something counts beside calling it optional.
const REQUIRED: f32 = 0.3;
/// What each list counts.
const BY_TEXT: f32 = 1.0;
const BY_NEEDS: f32 = 0.7;
const ALIKE: f32 = 0.4;

/// What many packages of one publisher count at most, in votes of its strongest.
const VOICES_MAX: f32 = 4.0;

/// A neighbour that has a vote.
#[derive(Clone, Debug)]
pub struct Voter {
    /// How much it is like the package.
    pub likeness: f32,
    /// What it says of itself.
    pub release: Release,
}

/// Something that goes with a package.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommended {
    /// What.
    pub package: PackageId,
    /// How much; comparable only inside one list.
    pub score: f32,
    /// Packages like the given one that need it.
    pub votes: usize,
    /// Whether it is itself one of those that are most like it.
    pub alike: bool,
}

/// The packages that go with `own`, best first, at most `most`.
///
/// - `by_text`, `by_needs`: its [neighbours](crate::Index::neighbours), likest first.
/// - `has`: what is left out, because whoever asks has it already.
pub fn recommend(
    own: &Release,
    by_text: &[Voter],
    by_needs: &[Voter],
    has: &HashSet<PackageId>,
    most: usize,
) -> Vec<Recommended> {
    let package = own.package();
    let needed: HashSet<PackageId> = needs(own).map(|(package, _)| package).collect();
    let is_news =
        |found: &PackageId| *found != package && !needed.contains(found) && !has.contains(found);
    let mut fused: HashMap<PackageId, Recommended> = HashMap::new();
    let mut add = |list: Vec<(PackageId, usize)>, counts: f32, alike: bool| {
        let mut place = 0.0;
        for (package, votes) in list.into_iter().filter(|(package, _)| is_news(package)) {
            let new = Recommended { package: package.clone(), score: 0.0, votes: 0, alike: false };
            let one = fused.entry(package).or_insert(new);
            one.score += counts / (RANK + place);
            one.votes += votes;
            one.alike |= alike;
            place += 1.0;
        }
    };
    add(voted(by_text), BY_TEXT, false);
    add(voted(by_needs), BY_NEEDS, false);
    let alike = by_text.iter().map(|voter| (voter.release.package(), 0));
    add(alike.collect(), ALIKE, true);
    let mut best: Vec<Recommended> = fused.into_values().collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.package.cmp(&b.package)));
    best.truncate(most);
    best
}

/// What voters need, most wanted first, and how many want it.
fn voted(voters: &[Voter]) -> Vec<(PackageId, usize)> {
    #[derive(Default)]
    struct Ballot {
        votes: usize,
        /// The votes of each publisher: their sum, and the strongest.
        publishers: HashMap<PublisherId, (f32, f32)>,
    }
    let mut ballots: HashMap<PackageId, Ballot> = HashMap::new();
    for voter in voters {
        for (package, counts) in needs(&voter.release) {
            let ballot = ballots.entry(package).or_default();
            let vote = voter.likeness * counts;
            ballot.votes += 1;
            let (sum, strongest) = ballot.publishers.entry(voter.release.publisher).or_default();
            *sum += vote;
            *strongest = strongest.max(vote);
        }
    }
    let mut ranked: Vec<(PackageId, usize, f32)> = ballots
        .into_iter()
        .map(|(package, ballot)| {
            let voices = ballot.publishers.values();
            let sum = voices.map(|(sum, strongest)| sum.min(VOICES_MAX * strongest)).sum();
            (package, ballot.votes, sum)
        })
        .collect();
    ranked.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    ranked.into_iter().map(|(package, votes, _)| (package, votes)).collect()
}

/// What a release needs, and how much that says about others like it.
fn needs(release: &Release) -> impl Iterator<Item = (PackageId, f32)> {
    release
        .dependencies
        .iter()
        .map(|needed| (doc::package(needed), if needed.optional { 1.0 } else { REQUIRED }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{package, release as plain};
    use catalog::Dependency;

    /// A package that needs these; `?` marks what it works without.
    fn release(name: &str, needs: &[&str]) -> Release {
        let needs = needs.iter().map(|text| {
            let PackageId { publisher, name } = package(text.trim_end_matches('?'));
            let (range, optional) = (semver::VersionReq::STAR, text.ends_with('?'));
            Dependency { publisher, name, range, optional, on: None }
        });
        Release { dependencies: needs.collect(), ..plain(name) }
    }

    fn voters(list: &[(&str, &[&str])]) -> Vec<Voter> {
        let voter = |(name, needs): &(&str, &[&str])| Voter {
            likeness: 1.0,
            release: release(name, needs),
        };
        list.iter().map(voter).collect()
    }

    fn names(recommended: &[Recommended]) -> Vec<&str> {
        recommended.iter().map(|one| one.package.name.as_str()).collect()
    }

    #[test]
    fn what_several_like_it_call_optional_goes_with_it() {
        let own = release("acme/graphdb", &["acme/libc"]);
        let alike = voters(&[
            ("acme/sqldb", &["acme/libc", "acme/backup?"]),
            ("acme/kvdb", &["acme/libc", "acme/backup?", "acme/shell?"]),
        ]);
        let found = recommend(&own, &alike, &[], &HashSet::new(), 10);
        assert_eq!(names(&found)[..2], ["backup", "shell"]);
        assert_eq!((found[0].votes, found[0].alike), (2, false));
        assert!(names(&found).contains(&"sqldb"));
        assert!(!names(&found).contains(&"libc") && !names(&found).contains(&"graphdb"));
    }

    #[test]
    fn what_somebody_has_is_not_recommended_to_them() {
        let own = release("acme/graphdb", &[]);
        let alike = voters(&[("acme/sqldb", &["acme/backup?"])]);
        let has = HashSet::from([package("acme/backup"), package("acme/sqldb")]);
        assert_eq!(recommend(&own, &alike, &[], &has, 10), []);
    }

    /// A publisher that floods the neighbourhood of a package is a few voices, not many.
    #[test]
    fn many_packages_of_one_publisher_do_not_outvote_a_few_others() {
        let own = release("acme/graphdb", &[]);
        let flood: Vec<String> = (0..30).map(|at| format!("eve/copy-{at}")).collect();
        let mut alike: Vec<Voter> =
            flood.iter().flat_map(|name| voters(&[(name.as_str(), &["eve/malware?"])])).collect();
        for by in ["a", "b", "c", "d", "e"] {
            alike.extend(voters(&[(format!("{by}/db").as_str(), &["acme/backup?"])]));
        }
        assert_eq!(names(&recommend(&own, &alike, &[], &HashSet::new(), 1)), ["backup"]);
    }
}
