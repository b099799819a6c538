//! The document that a newer one replaces, as the library is asked to find and delete it.
//!
//! Deletions are kept until the next commit. The library's own query for a term would carry a
//! kilobyte of tables for scores there, which nobody asks for.

use tantivy::query::{ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, Score, SegmentReader, Term};

/// Finds what has a term.
#[derive(Clone, Debug)]
pub(super) struct Erased(pub Term);

impl Query for Erased {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Erased {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let words = reader.inverted_index(self.0.field())?;
        Ok(match words.read_postings(&self.0, IndexRecordOption::Basic)? {
            Some(postings) => Box::new(ConstScorer::new(postings, boost)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("deleted", 1.0))
    }
}
