//! A clause that narrows a query and adds nothing to the score of what passes.
//!
//! It differs from the library's own in one thing: it moves only forward. A phrase that must not
//! occur is asked about documents before the first that has it, and the library's phrases answer
//! that wrongly ([`DocSet::seek_danger`] asks for targets at or after the current document, and an
//! excluded clause is not promised that). Without a `seek_danger` of its own, this one never asks.

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader};

/// Matches what the query inside does, with a score of 0.
#[derive(Debug)]
pub(crate) struct Silent(pub Box<dyn Query>);

struct SilentWeight(Box<dyn Weight>);

struct SilentScorer(Box<dyn Scorer>);

impl Clone for Silent {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

impl Query for Silent {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let scoring = match scoring.searcher() {
            Some(searcher) => EnableScoring::disabled_from_searcher(searcher),
            None => EnableScoring::disabled_from_schema(scoring.schema()),
        };
        Ok(Box::new(SilentWeight(self.0.weight(scoring)?)))
    }
}

impl Weight for SilentWeight {
    fn scorer(&self, reader: &SegmentReader, _boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(SilentScorer(self.0.scorer(reader, 1.0)?)))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, document)
    }
}

impl DocSet for SilentScorer {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }

    fn cost(&self) -> u64 {
        self.0.cost()
    }
}

impl Scorer for SilentScorer {
    fn score(&mut self) -> Score {
        0.0
    }
}
