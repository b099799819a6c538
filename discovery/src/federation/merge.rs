//! Ranks what is here and what came from peers as if all of it were here.
//!
//! Every release is weighed by one [`Judge`], ours, with one set of word counts. Peers send no
//! scores, and the order of their answers counts for nothing. A release that several sent is one
//! hit, and of several versions of a package the newest stands for all. Publishers whom no person
//! here knows have [`STRANGER_HITS_MAX`] places each; what they have beyond that stands behind
//! everything else, so that nobody fills a page by publishing the same thing many times. A name that
//! could be mistaken for that of a publisher who is known here stands behind it, as among our own.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use catalog::identity::PublisherId;
use catalog::permission::NodeId;
use catalog::release::{PackageId, Release, ReleaseId};

use crate::defence::{self, Defence};
use crate::evidence::{Clue, Evidence, Reads};
use crate::federation::answer::{Opened, Verified};
use crate::federation::counts::Counts;
use crate::query::Sort;
use crate::ranking::standing::put_behind;

/// Places that a publisher has whom no person here knows.
const STRANGER_HITS_MAX: usize = 5;
/// Peers that are named for one hit: enough to get it from.
const FROM_MAX: usize = 4;

/// What the asker knows by itself.
pub trait Judge {
    /// What speaks for each release, by our own weights.
    ///
    /// - `counts`: how often the words occur in all collections together.
    /// - result: the evidence for each release, in their order; `None` for one that is no answer.
    fn weigh(&self, releases: &[&Release], counts: &Counts) -> Vec<Option<Evidence>>;

    /// Whether a release may be shown: it is not withdrawn as far as is known here, and meets what
    /// only we can check.
    fn admits(&self, id: &ReleaseId, release: &Release) -> bool;

    /// Whether a person here knows the publisher.
    fn knows(&self, publisher: &PublisherId) -> bool;

    /// How much a package is used here, up to 1.
    fn warmth(&self, package: &PackageId) -> f32;
}

/// A release that peers sent.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The release, and what proves it.
    pub hit: Arc<Verified>,
    /// Some of the peers that have it.
    pub from: Vec<NodeId>,
}

/// A package in the merged answer.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// The release that stands for it.
    pub id: ReleaseId,
    /// That release.
    pub release: Arc<Release>,
    /// How it came here; `None` when it was here.
    pub heard: Option<Heard>,
    /// What speaks for it.
    pub evidence: Evidence,
}

/// Puts the answers of peers together: each release once, with those who sent it.
pub fn gather(answers: &[(NodeId, Opened)]) -> Vec<Heard> {
    let mut places: HashMap<ReleaseId, usize> = HashMap::new();
    let mut heard: Vec<Heard> = Vec::new();
    for (node, opened) in answers {
        for hit in opened.hits() {
            let place = *places.entry(hit.id()).or_insert(heard.len());
            if place == heard.len() {
                heard.push(Heard { hit: hit.clone(), from: Vec::new() });
            }
            let from = &mut heard[place].from;
            if from.len() < FROM_MAX && !from.contains(node) {
                from.push(*node);
            }
        }
    }
    heard
}

/// Ranks what is here and what was heard, best first.
///
/// - `here`: the best of this node's own packages.
/// - `counts`: from [`Counts::sum`].
/// - result: each package once.
pub fn merge(
    here: Vec<(ReleaseId, Release)>,
    heard: &[Heard],
    counts: &Counts,
    sort: Sort,
    judge: &impl Judge,
) -> Vec<Ranked> {
    let own = here.into_iter().map(|(id, release)| Ranked {
        id,
        release: Arc::new(release),
        heard: None,
        evidence: Evidence::new(Reads::AsText),
    });
    let sent = heard.iter().filter(|heard| judge.admits(&heard.hit.id(), heard.hit.release()));
    let sent = sent.map(|heard| Ranked {
        id: heard.hit.id(),
        release: heard.hit.release().clone(),
        heard: Some(heard.clone()),
        evidence: Evidence::new(Reads::AsText),
    });
    let mut packages: BTreeMap<PackageId, Ranked> = BTreeMap::new();
    for one in own.chain(sent) {
        let package = one.release.package();
        match packages.get(&package) {
            // What is here stays unless a peer has a newer one.
            Some(known) if age(&known.release, &one.release).is_ge() => {}
            _ => {
                packages.insert(package, one);
            }
        }
    }
    let mut ranked: Vec<Ranked> = packages.into_values().collect();
    let releases: Vec<&Release> = ranked.iter().map(|one| &*one.release).collect();
    let mut evidence = judge.weigh(&releases, counts).into_iter();
    ranked.retain_mut(|one| match evidence.next().flatten() {
        Some(mut evidence) => {
            evidence.set(Clue::Used, judge.warmth(&one.release.package()));
            one.evidence = evidence;
            true
        }
        None => false,
    });
    ranked.sort_by(|a, b| order(sort, a, b));
    let by_relevance = matches!(sort, Sort::Relevance | Sort::Popular);
    if by_relevance && defence::on(Defence::LookalikesBehind) {
        let Ok(()) = put_behind(
            &mut ranked,
            |one| one.release.name.as_str(),
            |one| Ok::<_, Infallible>(judge.knows(&one.release.publisher)),
        );
    }
    share_places(ranked, judge)
}

/// Which of two versions of a package stands for it, the greater: a finished one, then the newest.
fn age(a: &Release, b: &Release) -> Ordering {
    let finished = |release: &Release| release.version.pre.is_empty();
    finished(a).cmp(&finished(b)).then_with(|| a.version.cmp(&b.version))
}

fn order(sort: Sort, a: &Ranked, b: &Ranked) -> Ordering {
    let size = |one: &Ranked| one.release.variants.iter().map(|variant| variant.size).min();
    let first = match sort {
        // What is popular is only known of what is here.
        Sort::Relevance | Sort::Popular => b.evidence.score().total_cmp(&a.evidence.score()),
        Sort::Recent => b.release.time.cmp(&a.release.time),
        Sort::Small => size(a).cmp(&size(b)),
    };
    let name = |one: &Ranked| (one.release.name.clone(), one.release.publisher);
    first.then_with(|| name(a).cmp(&name(b)))
}

/// Holds back what strangers have beyond their places.
fn share_places(ranked: Vec<Ranked>, judge: &impl Judge) -> Vec<Ranked> {
    let mut taken: BTreeMap<PublisherId, usize> = BTreeMap::new();
    let (mut kept, mut held) = (Vec::with_capacity(ranked.len()), Vec::new());
    for one in ranked {
        let publisher = one.release.publisher;
        let taken = taken.entry(publisher).or_default();
        *taken += 1;
        let over = one.heard.is_some() && *taken > STRANGER_HITS_MAX && !judge.knows(&publisher);
        match over && defence::on(Defence::PublisherShare) {
            true => held.push(one),
            false => kept.push(one),
        }
    }
    kept.append(&mut held);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::answer::Answer;
    use crate::federation::fixture::{Signer, node};
    use crate::federation::question::{Question, tests::about};

    /// Scores by how much of the name the word is.
    struct Plain {
        word: &'static str,
        known: Vec<PublisherId>,
        withdrawn: Option<ReleaseId>,
        used: &'static str,
    }

    impl Plain {
        fn new(word: &'static str) -> Self {
            Self { word, known: Vec::new(), withdrawn: None, used: "" }
        }
    }

    impl Judge for Plain {
        fn weigh(&self, releases: &[&Release], _: &Counts) -> Vec<Option<Evidence>> {
            let weigh = |release: &&Release| {
                let name = release.name.as_str();
                let mut evidence = Evidence::new(Reads::AsText);
                evidence.set(Clue::Coverage, self.word.len() as f32 / name.len() as f32);
                name.contains(self.word).then_some(evidence)
            };
            releases.iter().map(weigh).collect()
        }

        fn admits(&self, id: &ReleaseId, _: &Release) -> bool {
            self.withdrawn != Some(*id)
        }

        fn knows(&self, publisher: &PublisherId) -> bool {
            self.known.contains(publisher)
        }

        fn warmth(&self, package: &PackageId) -> f32 {
            if package.name.as_str() == self.used { 1.0 } else { 0.0 }
        }
    }

    fn opened(number: u8, answer: Answer) -> (NodeId, Opened) {
        (node(number), answer.open(&Question::new(about("graph")).unwrap()).unwrap())
    }

    fn merged(
        here: &[Release],
        answers: &[(NodeId, Opened)],
        judge: &Plain,
    ) -> Vec<(String, Option<usize>)> {
        let here = here.iter().map(|r| (ReleaseId::of(&r.encode().unwrap()), r.clone()));
        let heard = gather(answers);
        let ranked = merge(here.collect(), &heard, &Counts::default(), Sort::Relevance, judge);
        let shown = |one: Ranked| {
            let from = one.heard.map(|heard| heard.from.len());
            (format!("{}@{}", one.release.name, one.release.version), from)
        };
        ranked.into_iter().map(shown).collect()
    }

    fn row(name: &str, from: Option<usize>) -> (String, Option<usize>) {
        (format!("{name}@1.0.0"), from)
    }

    #[test]
    fn what_many_sent_is_one_hit_and_names_them() {
        let acme = Signer::new(1);
        let here = [acme.release("graph-notes", "1.0.0")];
        let answers = [
            opened(1, acme.answer(&["graphviz", "graph-notes"])),
            opened(2, acme.answer(&["graphviz", "graph"])),
        ];
        let expected = [row("graph", Some(1)), row("graphviz", Some(2)), row("graph-notes", None)];
        assert_eq!(merged(&here, &answers, &Plain::new("graph")), expected);
    }

    /// Threat row 29: whatever a peer puts first, and whatever it says of itself.
    #[test]
    fn the_order_of_a_peer_decides_nothing() {
        let acme = Signer::new(1);
        let answers = [
            opened(1, acme.answer(&["zeta", "graph-of-the-very-far-past", "graphviz"])),
            opened(2, acme.answer(&["graph"])),
        ];
        let expected = [
            row("graph", Some(1)),
            row("graphviz", Some(1)),
            row("graph-of-the-very-far-past", Some(1)),
        ];
        assert_eq!(merged(&[], &answers, &Plain::new("graph")), expected);
    }

    #[test]
    fn the_newest_version_stands_for_a_package_and_a_withdrawn_one_does_not() {
        let acme = Signer::new(1);
        let sealed = |version| acme.seal(&acme.release("graph", version));
        let sent = |versions: &[&'static str]| Answer {
            releases: versions.iter().map(|version| sealed(version)).collect(),
            ..acme.answer(&[])
        };
        let here = [acme.release("graph", "1.1.0")];
        let mut judge = Plain::new("graph");
        let names = |answers: &[(NodeId, Opened)], judge: &Plain| {
            merged(&here, answers, judge).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[opened(1, sent(&["1.0.0", "2.0.0-rc1"]))], &judge), ["graph@1.1.0"]);
        let newer = [opened(1, sent(&["1.0.0", "1.2.0"]))];
        assert_eq!(names(&newer, &judge), ["graph@1.2.0"]);
        judge.withdrawn = Some(ReleaseId::of(sealed("1.2.0").body()));
        assert_eq!(names(&newer, &judge), ["graph@1.1.0"]);
    }

    fn flood() -> (Vec<(NodeId, Opened)>, Signer) {
        let (acme, stranger) = (Signer::new(1), Signer::new(2));
        let many: Vec<String> = (0..20).map(|n| format!("graph{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let answers =
            vec![opened(1, stranger.answer(&many)), opened(2, acme.answer(&["graph-database"]))];
        (answers, stranger)
    }

    fn place_of_acme(judge: &Plain, answers: &[(NodeId, Opened)]) -> Option<usize> {
        merged(&[], answers, judge).iter().position(|(name, _)| name == "graph-database@1.0.0")
    }

    /// Threat row 30: a page full of one stranger's packages.
    #[test]
    fn a_stranger_does_not_fill_the_page() {
        let (answers, stranger) = flood();
        let mut judge = Plain::new("graph");
        assert_eq!(place_of_acme(&judge, &answers), Some(STRANGER_HITS_MAX));
        judge.known.push(stranger.publisher());
        assert_eq!(place_of_acme(&judge, &answers), Some(20), "a known publisher may have many");
    }

    #[test]
    fn a_stranger_that_fills_the_page_is_noticed_without_the_defence() {
        let (answers, _) = flood();
        let judge = Plain::new("graph");
        let place = defence::without(Defence::PublisherShare, || place_of_acme(&judge, &answers));
        assert_eq!(place, Some(20));
    }

    fn squatted() -> (Vec<(NodeId, Opened)>, Plain) {
        let (acme, stranger) = (Signer::new(1), Signer::new(2));
        let answers =
            vec![opened(1, stranger.answer(&["grahdb"])), opened(2, acme.answer(&["graphdb"]))];
        (answers, Plain { known: vec![acme.publisher()], ..Plain::new("gra") })
    }

    /// Threat row 25, among peers: whoever registers the name that people mistype.
    #[test]
    fn a_squatted_name_that_a_peer_sends_stands_behind_the_name_it_looks_like() {
        let (answers, mut judge) = squatted();
        let expected = [row("graphdb", Some(1)), row("grahdb", Some(1))];
        assert_eq!(merged(&[], &answers, &judge), expected);
        judge.known.clear();
        assert_eq!(merged(&[], &answers, &judge)[0], row("grahdb", Some(1)), "among strangers");
    }

    #[test]
    fn a_squatted_name_that_a_peer_sends_stands_first_without_the_defence() {
        let (answers, judge) = squatted();
        let merged = defence::without(Defence::LookalikesBehind, || merged(&[], &answers, &judge));
        assert_eq!(merged[0], row("grahdb", Some(1)));
    }

    #[test]
    fn what_is_used_here_stands_higher_among_equals() {
        let acme = Signer::new(1);
        let answers = [opened(1, acme.answer(&["graph-a", "graph-b"]))];
        let judge = Plain { used: "graph-b", ..Plain::new("graph") };
        assert_eq!(merged(&[], &answers, &judge)[0], row("graph-b", Some(1)));
        assert_eq!(merged(&[], &answers, &Plain::new("graph"))[0], row("graph-a", Some(1)));
    }
}
