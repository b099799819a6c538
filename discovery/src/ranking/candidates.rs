//! The packages that a query could mean: few enough to look at each.

use std::collections::BTreeSet;
use std::ops::Bound;

use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur};
use tantivy::query::{Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocSet as _, TERMINATED, Term};

use crate::opened::Opened;
use crate::ranking::asked::{Asked, List, Place};
use crate::ranking::{Standing, filtered};
use crate::silent::Silent;
use crate::typo::{self, NameErrors, Reach};
use crate::words::WORD_BYTES_MAX;

/// Packages that have every word of the query.
const WITH_ALL: usize = 60;
/// Packages that have some words of the query.
const WITH_SOME: usize = 60;
/// Packages of one publisher with the same texts that may be among either of them before they make
/// room for others.
const CROWD: usize = 20;
/// Names that a mistyped name may stand for.
const NAMES_NEAR: usize = 60;
/// Names that begin with the query.
const NAMES_BEGUN: usize = 40;
/// Packages that are looked at for one name.
const OF_ONE_NAME: usize = 4;
/// A word in more documents than this finds no candidates when two rarer ones do.
const COMMON: u32 = 20_000;

/// What a word in its place counts when candidates are found.
const IN_NAME: f32 = 0.7;
const IN_SUMMARY: f32 = 0.5;

/// Candidates, and how they were found.
pub(super) struct Candidates {
    /// In the order of the index, once each.
    pub addresses: Vec<DocAddress>,
    /// Tells the errors of a name, when names with errors were looked for.
    pub errors: Option<NameErrors>,
    /// Whether a name begins with the query.
    pub any_begins: bool,
    pub tail: Option<Box<dyn Query>>,
    pub every: Option<Box<dyn Query>>,
}

type Filter = [(Occur, Box<dyn Query>)];

impl Candidates {
    pub fn gather(
        opened: &Opened,
        asked: &Asked,
        filter: &Filter,
        standing: &Standing<'_>,
    ) -> tantivy::Result<Self> {
        let gatherer = Gatherer { opened, asked, filter, standing };
        let mut found = Self {
            addresses: Vec::new(),
            errors: None,
            any_begins: false,
            tail: gatherer.some(None),
            every: gatherer.all(),
        };
        gatherer.names(&mut found)?;
        let mut words = Vec::new();
        if asked.words.len() > 1
            && let Some(query) = gatherer.all()
        {
            words.extend(gatherer.top(query, WITH_ALL)?);
        }
        if let Some(query) = gatherer.some(Some(&gatherer.driving())) {
            words.extend(gatherer.top(query, WITH_SOME)?);
        }
        found.addresses.extend(words);
        found.addresses.sort_unstable();
        found.addresses.dedup();
        Ok(found)
    }
}

struct Gatherer<'a> {
    opened: &'a Opened,
    asked: &'a Asked,
    filter: &'a Filter,
    standing: &'a Standing<'a>,
}

impl Gatherer<'_> {
    /// Packages by their whole name.
    fn names(&self, found: &mut Candidates) -> tantivy::Result<()> {
        let key = &self.asked.key;
        if key.is_empty() || key.len() > 2 * WORD_BYTES_MAX {
            return Ok(());
        }
        let fields = &self.opened.fields;
        let mut named = Vec::new();
        self.documents(fields.key, key, 2 * OF_ONE_NAME, &mut named)?;
        self.documents(fields.sorted_key, &self.asked.sorted_key, 2 * OF_ONE_NAME, &mut named)?;
        if self.standing.doubts(self.opened, &named)?
            && let Some(near) = NameErrors::find(self.opened, fields.key, key, Reach::One)?
        {
            // A stranger has this very name: what it may be mistaken for has to be seen as well.
            for name in near.names.iter().take(NAMES_NEAR) {
                self.documents(fields.key, &name.term, OF_ONE_NAME, &mut named)?;
            }
        }
        let begun = match key.len() {
            0..2 => Vec::new(),
            _ => typo::starting_with(self.opened, fields.key, key, NAMES_BEGUN)?,
        };
        found.any_begins = !begun.is_empty();
        // What may be half a name is no name with two errors.
        let reach = if found.any_begins { Reach::One } else { Reach::Two };
        if named.is_empty()
            && self.asked.may_be_near()
            && let Some(errors) = NameErrors::find(self.opened, fields.key, key, reach)?
        {
            for name in errors.names.iter().take(NAMES_NEAR) {
                self.documents(fields.key, &name.term, OF_ONE_NAME, &mut named)?;
            }
            found.errors = Some(errors);
        }
        for name in begun {
            self.documents(fields.key, &name.term, OF_ONE_NAME, &mut named)?;
        }
        found.addresses.extend(self.passing(named)?);
        Ok(())
    }

    /// The first `most` documents that have `text` in `field`.
    fn documents(
        &self,
        field: Field,
        text: &str,
        most: usize,
        into: &mut Vec<DocAddress>,
    ) -> tantivy::Result<()> {
        let term = Term::from_field_text(field, text);
        let mut left = most;
        for (number, segment) in (0..).zip(&self.opened.segments) {
            let postings = segment.words(field)?.read_postings(&term, IndexRecordOption::Basic)?;
            let Some(mut postings) = postings else { continue };
            while left > 0 && postings.doc() != TERMINATED {
                if !segment.reader.is_deleted(postings.doc()) {
                    into.push(DocAddress::new(number, postings.doc()));
                    left -= 1;
                }
                postings.advance();
            }
        }
        Ok(())
    }

    /// Those that pass the filter.
    fn passing(&self, addresses: Vec<DocAddress>) -> tantivy::Result<Vec<DocAddress>> {
        if self.filter.is_empty() || addresses.is_empty() {
            return Ok(addresses);
        }
        let all = Box::new(tantivy::query::AllQuery);
        let weight = filtered(all, self.filter)
            .weight(EnableScoring::disabled_from_searcher(&self.opened.searcher))?;
        let addresses: BTreeSet<DocAddress> = addresses.into_iter().collect();
        let mut passing = Vec::new();
        for (segment, reader) in (0..).zip(self.opened.searcher.segment_readers()) {
            let mut scorer = weight.scorer(reader, 1.0)?;
            let range = DocAddress::new(segment, 0)..=DocAddress::new(segment, TERMINATED);
            for &address in addresses.range(range) {
                if scorer.doc() < address.doc_id {
                    scorer.seek(address.doc_id);
                }
                if scorer.doc() == address.doc_id {
                    passing.push(address);
                }
            }
        }
        Ok(passing)
    }

    /// Asks for what has every word, when there can be any.
    fn all(&self) -> Option<Box<dyn Query>> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for word in 0..self.asked.words.len() {
            let lists = self.asked.lists.iter().filter(|list| list.word == word && list.whole);
            let mut readings: Vec<_> = lists.map(|list| scored(list, list.weight)).collect();
            let group = match readings.len() {
                0 => return None,
                1 => readings.remove(0),
                _ => any_of(readings),
            };
            clauses.push((Occur::Must, group));
        }
        Some(Box::new(BooleanQuery::new(clauses)))
    }

    /// Asks for what has any of the words in `driving`, or any at all.
    fn some(&self, driving: Option<&[usize]>) -> Option<Box<dyn Query>> {
        let lists = self.asked.lists.iter();
        let lists = lists.filter(|list| driving.is_none_or(|words| words.contains(&list.word)));
        let clauses: Vec<_> = lists
            .filter_map(|list| {
                let boost = match list.place {
                    Place::Name => IN_NAME,
                    Place::Summary => IN_SUMMARY,
                    _ if list.whole => 1.0,
                    Place::Keywords | Place::All => return None,
                };
                Some(scored(list, boost * list.weight))
            })
            .collect();
        (!clauses.is_empty()).then(|| any_of(clauses))
    }

    /// The words that find candidates: all but the commonest.
    fn driving(&self) -> Vec<usize> {
        let documents = |word: usize| {
            let lists = self.asked.lists.iter().filter(|list| list.word == word && list.whole);
            lists.map(|list| list.documents).max().unwrap_or(0)
        };
        let mut words: Vec<usize> = (0..self.asked.words.len()).collect();
        words.sort_by_key(|&word| documents(word));
        let rare = words.iter().take_while(|&&word| documents(word) <= COMMON).count();
        words.truncate(rare.max(2));
        words
    }

    /// The `count` documents with the highest scores; as many others beside them when twins fill
    /// the places.
    fn top(&self, query: Box<dyn Query>, count: usize) -> tantivy::Result<Vec<DocAddress>> {
        let best = |query: Box<dyn Query>| -> tantivy::Result<Vec<DocAddress>> {
            let top = TopDocs::with_limit(count).order_by_score();
            Ok(self.opened.searcher.search(&query, &top)?.into_iter().map(|(_, at)| at).collect())
        };
        let mut found = best(filtered(query.box_clone(), self.filter))?;
        let crowds = self.crowds(&found);
        if !crowds.is_empty() {
            let others = filtered(filtered(query, self.filter), &crowds);
            found.extend(best(others)?);
        }
        Ok(found)
    }

    /// Leaves out each set of twins that fills more than its share of `found`.
    fn crowds(&self, found: &[DocAddress]) -> Vec<(Occur, Box<dyn Query>)> {
        let mut twins: Vec<u64> = found.iter().map(|&at| self.opened.twin(at)).collect();
        twins.sort_unstable();
        let crowds = twins.chunk_by(u64::eq).filter(|crowd| crowd.len() > CROWD);
        let crowds = crowds.map(|crowd| {
            let twin = || Bound::Included(Term::from_field_u64(self.opened.fields.twin, crowd[0]));
            let query: Box<dyn Query> = Box::new(RangeQuery::new(twin(), twin()));
            (Occur::MustNot, Box::new(Silent(query)) as Box<dyn Query>)
        });
        crowds.collect()
    }
}

fn any_of(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|q| (Occur::Should, q)).collect()))
}

/// Documents of a list, each worth its BM25 score times `boost`.
fn scored(list: &List, boost: f32) -> Box<dyn Query> {
    let query = TermQuery::new(list.term.clone(), IndexRecordOption::WithFreqs);
    match boost {
        1.0 => Box::new(query),
        boost => Box::new(BoostQuery::new(Box::new(query), boost)),
    }
}
