//! Finds the packages that a query could mean and puts the likeliest first.
//!
//! Two phases. The first takes candidates from the index, cheaply and a bounded number of them:
//! names that are the query, begin with it or are a typing error away, packages that have all of
//! its words, and the best of those that have some. The second looks at each candidate closely,
//! writes down every clue as [`Evidence`], and adds them up with the table of
//! [`weights`](crate::weights).
//!
//! A word that the catalog knows is never corrected; an unknown one stands for its nearest words.
//! Filters narrow the first phase, so that what they leave out takes no place among candidates.

mod asked;
mod candidates;
mod clues;
pub(crate) mod standing;
mod texts;

use std::collections::HashMap;

use tantivy::DocAddress;
use tantivy::query::{Occur, Query};

use crate::evidence::{Clue, Evidence, Reads};
use crate::opened::Opened;

pub(crate) use asked::Asked;
pub(crate) use asked::counts;
use candidates::Candidates;
pub use texts::Weigher;

pub(crate) use standing::{Standing, address_of};

/// A publisher that the person who asks knows by a name of their own.
pub(crate) type Alias<'a> = (&'a str, String);

/// What stands for a query in the index.
pub(crate) struct Ranked {
    /// The candidates, best first; equals stand in the order of their names.
    pub head: Vec<Hit>,
    /// Asks for everything that has any of the words: what may follow after the candidates.
    pub tail: Option<Box<dyn Query>>,
    /// Asks for everything that has all of the words.
    pub every: Option<Box<dyn Query>>,
    /// The query with likelier words for those that the catalog does not know.
    pub meant: Option<String>,
}

/// A candidate and what speaks for it.
pub(crate) struct Hit {
    pub address: DocAddress,
    pub score: f32,
    pub evidence: Evidence,
    pub name: String,
    /// Alike for packages of one publisher with the same texts.
    pub twin: u64,
}

/// Packages of one publisher with the same texts that keep their places; more stand behind all
/// other candidates, whatever speaks for them.
const TWINS_MAX: usize = 3;

/// Ranks the packages for `asked` among those that pass `filter`.
pub(crate) fn rank(
    opened: &Opened,
    asked: &Asked,
    standing: &Standing<'_>,
    filter: &[(Occur, Box<dyn Query>)],
) -> tantivy::Result<Ranked> {
    let candidates = Candidates::gather(opened, asked, filter, standing)?;
    let mut head = clues::weigh(opened, asked, &candidates)?;
    standing.favour(opened, &mut head)?;
    head.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    apart(&mut head);
    standing.settle(opened, &mut head)?;
    // A name that is a typing error away says more than a correction of each word.
    let named = head.first().is_some_and(|hit| {
        [Clue::OneError, Clue::TwoErrors].iter().any(|&clue| hit.evidence.value(clue) > 0.0)
    });
    let meant = asked.meant().filter(|_| asked.reads == Reads::AsText && !named);
    Ok(Ranked { head, tail: candidates.tail, every: candidates.every, meant })
}

/// Holds back those of many that are the same but for their names.
fn apart(head: &mut Vec<Hit>) {
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let (mut kept, mut held) = (Vec::with_capacity(head.len()), Vec::new());
    for hit in head.drain(..) {
        let twins = seen.entry(hit.twin).or_default();
        *twins += 1;
        match *twins > TWINS_MAX && hit.evidence.value(Clue::ExactName) == 0.0 {
            true => held.push(hit),
            false => kept.push(hit),
        }
    }
    kept.append(&mut held);
    *head = kept;
}

/// A query that also has to pass `filter`.
pub(crate) fn filtered(
    query: Box<dyn Query>,
    filter: &[(Occur, Box<dyn Query>)],
) -> Box<dyn Query> {
    if filter.is_empty() {
        return query;
    }
    // Clauses that must not match need one beside them that does.
    let clauses = filter.iter().map(|(occur, query)| (*occur, query.box_clone()));
    let clauses = clauses.chain([(Occur::Must, query)]).collect();
    Box::new(tantivy::query::BooleanQuery::new(clauses))
}
