//! What a peer answers, and the one door through which it becomes something to show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::identity::{KeyState, PublisherId};
use catalog::release::{Release, ReleaseId};
use catalog::statement::{OpenError, SealedStatement, Statement};

use crate::defence::{self, Defence};
use crate::federation::counts::Counts;
use crate::federation::question::{HITS_MAX, Question};

/// What came from a peer. Nothing of it is believed before it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first statements of the publishers of these releases: the keys to check them with.
    pub inceptions: Vec<SealedStatement>,
    /// The releases.
    pub releases: Vec<SealedStatement>,
    /// How often the words occur there; absent from a peer that does not say.
    pub counts: Option<Counts>,
}

/// An answer whose signatures are good.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    hits: Vec<Arc<Verified>>,
    counts: Option<Counts>,
}

/// A release of which it is certain who signed it. What it says of itself is its publisher's word.
#[derive(Clone, Debug)]
pub struct Verified {
    id: ReleaseId,
    release: Arc<Release>,
    sealed: SealedStatement,
    inception: Arc<SealedStatement>,
}

/// What an honest peer does not send.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lie {
    /// A signature is not of who is said to have signed.
    #[error("a record is forged")]
    Forged(#[source] OpenError),
    /// Something that is no release, or one that is no inception.
    #[error("a record has no place in an answer")]
    OutOfPlace,
    /// A release without the keys to check it with.
    #[error("the inception of {publisher} is missing")]
    NoInception {
        /// Whose release it is said to be.
        publisher: PublisherId,
    },
    /// More releases than were asked for.
    #[error("{releases} releases came where {wanted} were asked for")]
    TooMany {
        /// How many came.
        releases: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// One release twice, or counts for other words than were asked about.
    #[error("the answer does not belong to the question")]
    Mismatched,
}

impl Answer {
    /// Verifies every record; one that is forged makes all of the answer a lie.
    ///
    /// # Errors
    /// [`Lie`]: the peer is not to be believed, and nothing of what it sent is to be used.
    pub fn open(self, question: &Question) -> Result<Opened, Lie> {
        let (releases, wanted) = (self.releases.len(), usize::from(question.parts().limit));
        if releases > wanted || self.inceptions.len() > HITS_MAX {
            return Err(Lie::TooMany { releases, wanted });
        }
        let alike = |counts: &Counts| counts.readings.len() == question.readings();
        if !self.counts.as_ref().is_none_or(alike) {
            return Err(Lie::Mismatched);
        }
        let mut publishers: BTreeMap<PublisherId, (KeyState, Arc<SealedStatement>)> =
            BTreeMap::new();
        for sealed in self.inceptions {
            let inception = sealed.open_inception().map_err(Lie::Forged)?;
            let state = KeyState::of(&inception);
            publishers.insert(inception.id(), (state, Arc::new(sealed)));
        }
        let mut seen = BTreeSet::new();
        let mut hits = Vec::with_capacity(releases);
        for sealed in self.releases {
            let hit = Verified::open(sealed, &publishers)?;
            if !seen.insert(hit.id) {
                return Err(Lie::Mismatched);
            }
            hits.push(Arc::new(hit));
        }
        Ok(Opened { hits, counts: self.counts })
    }
}

impl Opened {
    /// The releases, as the peer ordered them.
    pub fn hits(&self) -> &[Arc<Verified>] {
        &self.hits
    }

    /// What the peer says about the words.
    pub fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }
}

impl Verified {
    fn open(
        sealed: SealedStatement,
        publishers: &BTreeMap<PublisherId, (KeyState, Arc<SealedStatement>)>,
    ) -> Result<Self, Lie> {
        let publisher = sealed.peek().map_err(|_| Lie::OutOfPlace)?.publisher;
        let (state, inception) =
            publishers.get(&publisher).ok_or(Lie::NoInception { publisher })?;
        let statement = match sealed.open(state) {
            Ok(statement) => statement,
            // Only a test takes this way, to show that it would notice.
            Err(_) if !defence::on(Defence::AnswerSignatures) => {
                Statement::decode(sealed.kind(), sealed.body()).map_err(|_| Lie::OutOfPlace)?
            }
            Err(error) => return Err(Lie::Forged(error)),
        };
        let Statement::Release(release) = statement else { return Err(Lie::OutOfPlace) };
        let id = ReleaseId::of(sealed.body());
        Ok(Self { id, release: Arc::new(release), sealed, inception: inception.clone() })
    }

    /// The release's id.
    pub fn id(&self) -> ReleaseId {
        self.id
    }

    /// The release.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// What the store takes in when it is chosen: the publisher's first statement, and the release.
    pub fn records(&self) -> [&SealedStatement; 2] {
        [&self.inception, &self.sealed]
    }

    /// About how many bytes it takes in memory: decoded, and as it was signed.
    pub(super) fn bytes(&self) -> usize {
        3 * self.sealed.body().len() + 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixture::Signer;
    use crate::federation::question::tests::about;

    fn question() -> Question {
        Question::new(about("graph")).unwrap()
    }

    /// Threat row 29: somebody else's name on one's own bytes.
    fn forged() -> Answer {
        let (acme, thief) = (Signer::new(1), Signer::new(2));
        // Signed by the thief, in the name of acme.
        let forged = thief.seal(&acme.release("graphdb", "1.0.0"));
        Answer { inceptions: vec![acme.inception()], releases: vec![forged], counts: None }
    }

    #[test]
    fn a_forged_release_is_never_a_hit() {
        assert!(matches!(forged().open(&question()), Err(Lie::Forged(_))));
        // Not even beside good ones.
        let acme = Signer::new(1);
        let mut answer = acme.answer(&["graphdb", "graphviz"]);
        answer.releases.push(forged().releases.remove(0));
        assert!(answer.open(&question()).is_err());
    }

    #[test]
    fn a_forged_release_is_noticed_without_the_defence() {
        let opened = defence::without(Defence::AnswerSignatures, || forged().open(&question()));
        assert_eq!(opened.unwrap().hits().len(), 1);
    }

    #[test]
    fn what_was_signed_is_a_hit_with_what_proves_it() {
        let acme = Signer::new(1);
        let opened = acme.answer(&["graphdb", "graphviz"]).open(&question()).unwrap();
        let [inception, sealed] = opened.hits()[0].records();
        let state = KeyState::of(&inception.open_inception().unwrap());
        assert!(sealed.open(&state).is_ok());
        assert_eq!(opened.hits()[1].release().name.as_str(), "graphviz");
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let acme = Signer::new(1);
        let answer = acme.answer(&["graphdb"]);
        let counts = Counts { readings: vec![[0; 4]; 2], ..Counts::default() };
        let twice = [answer.releases.clone(), answer.releases.clone()].concat();
        let many: Vec<String> = (0..21).map(|n| format!("graph{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let wrong = [
            Answer { counts: Some(counts), ..answer.clone() },
            Answer { releases: twice, ..answer.clone() },
            Answer { inceptions: Vec::new(), ..answer.clone() },
            Answer { releases: answer.inceptions.clone(), ..answer.clone() },
            Answer { inceptions: answer.releases.clone(), ..answer },
            acme.answer(&many),
        ];
        for answer in wrong {
            assert!(answer.clone().open(&question()).is_err(), "{answer:?}");
        }
    }
}
