//! Finds the packages that are most like a given one: by their texts, and by what they need.
//!
//! Both are one query each over the index: the words of the package that are rarest, and the
//! packages that it needs, each weighed by its rarity. So the cost is that of a search with some
//! dozen words, whatever a publisher writes.

use std::collections::HashMap;

use catalog::release::{PackageId, Release, ReleaseId};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use crate::doc::{self, PackageKey};
use crate::index::{Index, IndexError, View};
use crate::opened::Opened;
use crate::words::{self, STEMMED};

/// Words of a package that are looked for.
const WORDS_MAX: usize = 25;
/// Packages that are looked for as needs.
const NEEDS_MAX: usize = 40;
/// Words and needs in more packages than this share say nothing.
const COMMON_SHARE: f32 = 0.1;
/// What a package counts that stands beside, in the needs of neighbours.
const BESIDE: f32 = 0.5;
/// What a word counts where it stands in a name or a summary, beside one in a description.
const ABOVE: f32 = 2.0;

/// A package that is like another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// The package.
    pub package: PackageId,
    /// Its newest release that counts.
    pub release: ReleaseId,
    /// How much it is like the other one; comparable only inside one list.
    pub likeness: f32,
}

/// The packages that are most like one, the likest first; it is not one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// Those with the same words.
    pub by_text: Vec<Neighbour>,
    /// Those that need the same, or that need the package itself.
    pub by_needs: Vec<Neighbour>,
}

impl Index {
    /// The `most` packages that are most like that of `release`, in each of two ways.
    ///
    /// - `beside`: other packages that whoever asks has; those that need them are likelier meant.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the files are.
    pub fn neighbours(
        &self,
        release: &Release,
        beside: &[PackageId],
        most: usize,
    ) -> Result<Neighbours, IndexError> {
        self.guarded(|view| view.neighbours(release, beside, most))
    }
}

impl View {
    fn neighbours(
        &self,
        release: &Release,
        beside: &[PackageId],
        most: usize,
    ) -> tantivy::Result<Neighbours> {
        let Opened { searcher, fields, .. } = &self.opened;
        let own = release.package();
        let words = self
            .words_of(release)
            .into_iter()
            .map(|(word, count)| (Term::from_field_text(fields.all, &word), 1.0 + count.ln()));
        let needs = release.dependencies.iter().map(doc::package).chain([own.clone()]);
        let needs = needs.map(|package| (package, 1.0));
        let needs = needs.chain(beside.iter().map(|package| (package.clone(), BESIDE)));
        let needs = needs.map(|(package, counts)| {
            (Term::from_field_bytes(fields.needs, PackageKey::of(&package).as_bytes()), counts)
        });
        let likest = |query: Option<Box<dyn Query>>| match query {
            Some(query) => self.likest(query.as_ref(), &own, most),
            None => Ok(Vec::new()),
        };
        Ok(Neighbours {
            by_text: likest(rarest(searcher, words, WORDS_MAX)?)?,
            by_needs: likest(rarest(searcher, needs, NEEDS_MAX)?)?,
        })
    }

    /// The words of a package, and how much each is said.
    fn words_of(&self, release: &Release) -> HashMap<String, f32> {
        let name = words::name_words(release.name.as_str()).join(" ");
        let listed = [&release.keywords, &release.tags, &release.provides];
        let listed = listed.map(|words| words.join(" ")).join(" ");
        let above = format!("{name}\n{listed}\n{}", release.summary);
        let below = release.description.as_deref().unwrap_or_default();
        let mut said = HashMap::new();
        for (text, counts) in [(above.as_str(), ABOVE), (below, 1.0)] {
            for word in words::words(&self.index, STEMMED, text) {
                if !words::is_stop_word(&word) {
                    *said.entry(word).or_insert(0.0) += counts;
                }
            }
        }
        said
    }

    /// The first `most` answers to `query`, without `own`.
    fn likest(
        &self,
        query: &dyn Query,
        own: &PackageId,
        most: usize,
    ) -> tantivy::Result<Vec<Neighbour>> {
        let top = TopDocs::with_limit(most + 1).order_by_score();
        let found = self.opened.searcher.search(query, &top)?;
        let mut likest = Vec::with_capacity(found.len());
        for (likeness, address) in found {
            // What cannot be read is found when it is searched for.
            let Some((id, release)) = self.stored(address)?.open() else { continue };
            let package = release.package();
            if package != *own && likest.len() < most {
                likest.push(Neighbour { package, release: id, likeness });
            }
        }
        Ok(likest)
    }
}

/// Asks for any of the `most` rarest of these terms, each by how rare it is.
fn rarest(
    searcher: &Searcher,
    terms: impl Iterator<Item = (Term, f32)>,
    most: usize,
) -> tantivy::Result<Option<Box<dyn Query>>> {
    let all = searcher.num_docs() as f32;
    let mut weighed = Vec::new();
    for (term, counts) in terms {
        let documents = searcher.doc_freq(&term)? as f32;
        if documents > 0.0 && documents <= (COMMON_SHARE * all).max(10.0) {
            weighed.push((counts * (1.0 + all / documents).ln(), term));
        }
    }
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    weighed.truncate(most);
    let clauses = weighed.into_iter().map(|(counts, term)| {
        let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
        let query: Box<dyn Query> = Box::new(BoostQuery::new(query, counts));
        (Occur::Should, query)
    });
    let clauses: Vec<_> = clauses.collect();
    Ok((!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>))
}
