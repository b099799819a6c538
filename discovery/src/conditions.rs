//! Turns what answers have to meet into clauses of a query, which narrow and never rank.

use std::ops::Bound;

use tantivy::query::{Occur, PhraseQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, Term};

use crate::query::TERMS_MAX;
use crate::schema::Fields;
use crate::silent::Silent;
use crate::typed::{Condition, What};
use crate::words::{self, STEMMED};

/// The clauses for `conditions`, each of which gives no score.
pub(crate) fn all(
    index: &Index,
    fields: &Fields,
    conditions: &[Condition],
) -> Vec<(Occur, Box<dyn Query>)> {
    let clauses = conditions.iter().filter_map(|condition| {
        let query = match &condition.what {
            What::Phrase(text) => phrase(index, fields, text)?,
            What::Kind(kind) => term(fields.kind, kind),
            What::Tag(tag) => term(fields.tag, tag),
            What::License(license) => term(fields.license, license),
            What::Publisher(publisher) => term(fields.publisher, publisher),
            What::Size { least, most } => {
                let bound = |bytes| Bound::Included(Term::from_field_u64(fields.size, bytes));
                Box::new(RangeQuery::new(bound(*least), bound(*most)))
            }
        };
        let silent: Box<dyn Query> = Box::new(Silent(query));
        Some((if condition.not { Occur::MustNot } else { Occur::Must }, silent))
    });
    clauses.collect()
}

/// Documents with these words side by side; `None` without words.
fn phrase(index: &Index, fields: &Fields, text: &str) -> Option<Box<dyn Query>> {
    let mut words = words::words(index, STEMMED, text);
    words.truncate(TERMS_MAX);
    match words.as_slice() {
        [] => None,
        [word] => Some(term(fields.all, word)),
        words => {
            let terms = words.iter().map(|word| Term::from_field_text(fields.all, word));
            Some(Box::new(PhraseQuery::new(terms.collect())))
        }
    }
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}
