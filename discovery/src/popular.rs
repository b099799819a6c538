//! Lists what is popular: used on this machine, and needed by packages of publishers whom its user
//! has named.
//!
//! What strangers need does not count: anybody can publish any number of packages that depend on
//! one another. What others use does not count either, because nobody tells.

use std::collections::HashMap;

use tantivy::query::{Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Term};

use crate::doc::PackageKey;
use crate::facets::{Matches, commonest};
use crate::opened::Opened;
use crate::ranking::{Standing, address_of};

/// Packages that stand in an order of their own; those after them are not popular enough to tell
/// apart.
const POPULAR_MAX: usize = 2_000;
/// What the greatest use counts beside being needed by a hundred packages, which is 4.6.
const USED: f32 = 10.0;

/// The documents among `matches` that are popular, the most popular first.
pub(crate) fn popular(
    opened: &Opened,
    standing: &Standing<'_>,
    matches: &Matches,
) -> tantivy::Result<Vec<DocAddress>> {
    let Opened { searcher, fields, .. } = opened;
    let mut scores: HashMap<PackageKey, f32> = HashMap::new();
    let mut known = Matches::none(searcher);
    for publisher in standing.known {
        let term = Term::from_field_text(fields.publisher, &publisher.to_string());
        let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
        known.join(&Matches::of(searcher, query.as_ref())?);
    }
    for (needed, packages) in commonest(searcher, fields.needs, &known, POPULAR_MAX)? {
        let needed = PackageKey::from_bytes(&needed);
        scores.extend(needed.map(|needed| (needed, (1.0 + packages as f32).ln())));
    }
    for (package, warmth) in standing.warm {
        *scores.entry(PackageKey::of(package)).or_default() += USED * warmth;
    }
    let mut ordered: Vec<(PackageKey, f32)> = scores.into_iter().collect();
    ordered.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut found = Vec::new();
    for (package, _) in ordered {
        let at = address_of(opened, &package)?;
        found.extend(at.filter(|at| matches.has(*at)));
    }
    Ok(found)
}
