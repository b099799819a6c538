//! Answers a query from the index: best packages first, in an order that does not depend on how
//! the index happens to be cut into files.
//!
//! A damaged file can make the library below panic as well as fail; both end as
//! [`IndexError::Damaged`], so that the caller can empty the index and follow the store again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tantivy::collector::TopDocs;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, TermQuery};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{DocAddress, Order, Searcher, TantivyDocument, Term};

use crate::doc::Stored;
use crate::index::{Index, IndexError, View};
use crate::query::{CANDIDATES_MAX, Filters, Page};
use crate::ranking;

/// Candidates of the first round; a second round is only needed when hardware rules most out.
const CANDIDATES_FIRST: usize = 128;

type BoxedQuery = Box<dyn tantivy::query::Query>;

impl Index {
    /// Searches for `text` under `filters`, and hands what is found, best first, to `keep` until
    /// `page` is full. `keep` returns `None` for what should not count.
    pub(crate) fn best<T>(
        &self,
        filters: &Filters<'_>,
        page: Page,
        keep: impl FnMut(f32, Stored) -> Option<T>,
    ) -> Result<(Vec<T>, bool), IndexError> {
        let view = self.view();
        let mut keep = keep;
        // Nothing that outlives a panic in here is left half-changed: the view is only read.
        let answer = catch_unwind(AssertUnwindSafe(|| view.best(filters, page, &mut keep)));
        match answer {
            Ok(answer) => answer.map_err(|error| self.error(error)),
            Err(_) => Err(self.damaged("a search in it failed".to_owned())),
        }
    }
}

impl View {
    fn best<T>(
        &self,
        filters: &Filters<'_>,
        page: Page,
        keep: &mut impl FnMut(f32, Stored) -> Option<T>,
    ) -> tantivy::Result<(Vec<T>, bool)> {
        let searcher = self.reader.searcher();
        let Some(query) = self.query(&searcher, filters)? else { return Ok((Vec::new(), false)) };
        let wanted = page.offset.saturating_add(page.limit).saturating_add(1);
        let mut candidates = wanted.clamp(CANDIDATES_FIRST, CANDIDATES_MAX);
        loop {
            let found = self.ordered(&searcher, &query, filters.text.is_empty(), candidates)?;
            let exhausted = found.len() < candidates || candidates == CANDIDATES_MAX;
            // Without text there are no scores: the candidates are in order already.
            let groups = found.chunk_by(|a, b| a.0 == b.0 && !filters.text.is_empty());
            let kept = self.kept(&searcher, groups, wanted, keep)?;
            if kept.len() == wanted || exhausted {
                let more = kept.len() == wanted;
                return Ok((kept.into_iter().skip(page.offset).take(page.limit).collect(), more));
            }
            candidates = CANDIDATES_MAX;
        }
    }

    /// What to ask for: the text, and every filter as a condition that gives no score.
    fn query(
        &self,
        searcher: &Searcher,
        filters: &Filters<'_>,
    ) -> tantivy::Result<Option<BoxedQuery>> {
        let text = match filters.text {
            "" => Some(Box::new(AllQuery) as BoxedQuery),
            text => ranking::plan(searcher, &self.fields, text, &filters.aliases)?,
        };
        let Some(text) = text else { return Ok(None) };
        let mut clauses = vec![(Occur::Must, text)];
        let conditions =
            [(self.fields.kind, filters.kind), (self.fields.publisher, filters.publisher)];
        for (field, value) in conditions {
            if let Some(value) = value {
                let term = Term::from_field_text(field, value);
                let query = TermQuery::new(term, IndexRecordOption::Basic);
                clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(query), 0.0))));
            }
        }
        Ok(Some(Box::new(BooleanQuery::new(clauses))))
    }

    fn ordered(
        &self,
        searcher: &Searcher,
        query: &BoxedQuery,
        by_name: bool,
        limit: usize,
    ) -> tantivy::Result<Vec<(f32, DocAddress)>> {
        let top = TopDocs::with_limit(limit);
        if by_name {
            let field = self.index.schema().get_field_name(self.fields.package).to_owned();
            let found =
                searcher.search(query, &top.order_by_string_fast_field(field, Order::Asc))?;
            return Ok(found.into_iter().map(|(_, address)| (0.0, address)).collect());
        }
        searcher.search(query, &top.order_by_score())
    }

    /// The first `wanted` that `keep` accepts; inside a group of equal scores, in order of package.
    fn kept<'f, T>(
        &self,
        searcher: &Searcher,
        groups: impl Iterator<Item = &'f [(f32, DocAddress)]>,
        wanted: usize,
        keep: &mut impl FnMut(f32, Stored) -> Option<T>,
    ) -> tantivy::Result<Vec<T>> {
        let mut kept = Vec::new();
        for equal in groups {
            if kept.len() >= wanted {
                break;
            }
            let mut stored = Vec::with_capacity(equal.len());
            for (_, address) in equal {
                stored.push(self.stored(searcher, *address)?);
            }
            stored.sort_by(|a, b| a.package.cmp(&b.package));
            kept.extend(stored.into_iter().filter_map(|stored| keep(equal[0].0, stored)));
        }
        kept.truncate(wanted);
        Ok(kept)
    }

    fn stored(&self, searcher: &Searcher, address: DocAddress) -> tantivy::Result<Stored> {
        let document: TantivyDocument = searcher.doc(address)?;
        let bytes = |field| {
            let value = document.get_first(field).and_then(|value| value.as_bytes());
            value.unwrap_or_default().to_vec()
        };
        let package = document.get_first(self.fields.package).and_then(|value| value.as_str());
        Ok(Stored {
            package: package.unwrap_or_default().to_owned(),
            release: bytes(self.fields.release),
            record: bytes(self.fields.record),
        })
    }
}
