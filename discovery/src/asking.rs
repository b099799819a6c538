//! Both ends of a search among nodes, as far as the index is concerned: what to ask, what to
//! answer, and how to weigh what comes back.

use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::release::{Release, ReleaseId};
use tantivy::Term;

use crate::federation::{Counts, HITS_MAX, Parts, Question};
use crate::index::{Index, IndexError, View};
use crate::query::{Filters, Page, Query, Typing};
use crate::ranking::{self, Asked, Standing, Weigher};
use crate::typed::{Condition, What};

/// What this node answers to a question.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Its best releases, best first.
    pub releases: Vec<ReleaseId>,
    /// How often the words occur here; absent when that would tell of releases that not everybody
    /// may read.
    pub counts: Option<Counts>,
}

impl Index {
    /// Reads a query as other nodes are asked it, and counts its words here.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn question(&self, query: &Query<'_>) -> Result<(Question, Counts), IndexError> {
        let read = query.read();
        let filters = query.filters(&read);
        self.guarded(|view| {
            let asked = Asked::read(&view.opened, &filters)?;
            // What machine it is for is nobody else's business: of more, some will fit.
            let most = match query.fits {
                Some(_) => HITS_MAX,
                None => query.offset.saturating_add(query.limit),
            };
            let parts = Parts {
                words: asked.question_words(),
                near: asked.may_be_near(),
                text: asked.text,
                conditions: filters.conditions.clone(),
                sort: query.sort,
                limit: most.min(HITS_MAX) as u8,
            };
            let question =
                Question::new(parts.bounded()).expect("what is bounded is within the bounds");
            let counts = ranking::counts(&view.opened, &question)?;
            Ok((question, counts))
        })
    }

    /// Answers a question of somebody else: the words are taken as the asker read them.
    ///
    /// - `may_read`: whether the asker may know of a release.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn answer(
        &self,
        question: &Question,
        mut may_read: impl FnMut(&Release) -> bool,
    ) -> Result<Response, IndexError> {
        let parts = question.parts();
        let filters = Filters {
            text: &parts.text,
            question: Some(question),
            conditions: parts.conditions.clone(),
            aliases: Vec::new(),
            sort: parts.sort,
            typing: Typing::Done,
            tally: None,
            // What is used and who is known here is nobody else's business.
            standing: Standing::default(),
        };
        let page = Page { offset: 0, limit: parts.limit.into() };
        let mut damaged = false;
        let best = self.best(&filters, page, |_, stored| {
            let opened = stored.open();
            damaged |= opened.is_none();
            opened.filter(|(_, release)| may_read(release)).map(|(id, _)| id)
        })?;
        if damaged {
            return Err(self.damaged("a stored release is unreadable".to_owned()));
        }
        let counts = self.guarded(|view| match holds_restricted(view)? {
            true => Ok(None),
            false => ranking::counts(&view.opened, question).map(Some),
        })?;
        Ok(Response { releases: best.kept, counts })
    }

    /// Weighs releases by our own weights as answers to `question`, wherever they come from.
    ///
    /// - `petnames`: the names that this node's user has for publishers.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn weigher(
        &self,
        question: &Question,
        petnames: &[(Petname, PublisherId)],
    ) -> Result<Weigher, IndexError> {
        self.guarded(|view| {
            let mut aliases = Vec::new();
            for (word, asked) in question.parts().words.iter().enumerate() {
                for (_, id) in petnames.iter().filter(|(name, _)| name.as_str() == asked.text) {
                    let publisher = id.to_string();
                    let term = Term::from_field_text(view.opened.fields.publisher, &publisher);
                    let documents = view.opened.term(&term)?.1;
                    aliases.push((word, publisher, documents.into()));
                }
            }
            Ok(Weigher::new(view.index.tokenizers(), question, aliases))
        })
    }
}

/// Whether anything in the index is not for everybody.
fn holds_restricted(view: &View) -> tantivy::Result<bool> {
    let term = Term::from_field_text(view.opened.fields.restricted, crate::schema::RESTRICTED);
    view.opened.has(&term)
}

/// A query, taken apart.
pub(crate) struct ReadQuery {
    /// The words.
    pub text: String,
    /// What every answer meets; publishers as ids, where they are known.
    pub conditions: Vec<Condition>,
}

impl Query<'_> {
    /// Takes the text apart and adds what was asked for beside it.
    pub(crate) fn read(&self) -> ReadQuery {
        let typed = self.typed();
        let (named, text) = self.narrowed(&typed.words);
        let text = text.to_owned();
        let mut conditions = typed.conditions;
        for condition in &mut conditions {
            if let What::Publisher(name) = &mut condition.what
                && let Some(id) = self.publisher_named(name)
            {
                *name = id.to_string();
            }
        }
        let kind = self.kind.map(|kind| What::Kind(kind.as_str().to_owned()));
        let publishers = [named, self.publisher].into_iter().flatten();
        let publishers = publishers.map(|id| What::Publisher(id.to_string()));
        conditions
            .extend(kind.into_iter().chain(publishers).map(|what| Condition { what, not: false }));
        ReadQuery { text, conditions }
    }

    /// What the index is asked.
    pub(crate) fn filters<'f>(&'f self, read: &'f ReadQuery) -> Filters<'f> {
        let aliases = self.petnames.iter().map(|(name, id)| (name.as_str(), id.to_string()));
        Filters {
            text: &read.text,
            question: None,
            conditions: read.conditions.clone(),
            aliases: aliases.collect(),
            sort: self.sort,
            typing: self.typing,
            tally: self.tally(),
            standing: Standing { warm: &self.warm, known: &self.known },
        }
    }
}
