//! What is shown beside a hit and beside a list of hits: where the words of the query stand, and
//! what there is of each kind.

use std::ops::Range;

use catalog::store::{Store, StoreError};
use catalog_discovery::Marked;
use serde::{Deserialize, Serialize};

/// What was found, by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// How many packages were counted.
    pub packages: u64,
    /// Whether there are more than were looked at.
    pub partial: bool,
    /// By kind; the commonest first, as in all of these.
    pub kind: Vec<Count>,
    /// By keyword and tag.
    pub tag: Vec<Count>,
    /// By licence.
    pub license: Vec<Count>,
    /// By publisher: petnames, or ids without one.
    pub publisher: Vec<Count>,
    /// By class of hardware.
    pub hardware: Vec<Count>,
}

/// How many packages have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The value, as a query names it: `kind:service`.
    pub value: String,
    /// How many of the packages that were found have it.
    pub packages: u64,
}

/// Where the words of the query stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// In the name of the package: first character and the one after the last, counted from 0.
    pub name: Vec<(usize, usize)>,
    /// The same in its summary.
    pub summary: Vec<(usize, usize)>,
}

impl Facets {
    /// The counts, with the names that publishers have here.
    pub(super) fn named(
        found: catalog_discovery::Facets,
        store: &Store,
    ) -> Result<Self, StoreError> {
        let mut publisher = counts(found.publishers);
        for count in &mut publisher {
            if let Ok(id) = count.value.parse()
                && let Some(petname) = store.petname(&id)?
            {
                count.value = petname.to_string();
            }
        }
        Ok(Self {
            packages: found.packages,
            partial: found.partial,
            kind: counts(found.kinds),
            tag: counts(found.tags),
            license: counts(found.licenses),
            publisher,
            hardware: counts(found.hardware),
        })
    }
}

impl Matched {
    /// Positions in characters, which every program counts alike.
    pub(super) fn of(marked: &Marked, name: &str, summary: &str) -> Self {
        Self { name: characters(name, &marked.name), summary: characters(summary, &marked.summary) }
    }
}

fn counts(counts: Vec<catalog_discovery::Count>) -> Vec<Count> {
    let count =
        |count: catalog_discovery::Count| Count { value: count.value, packages: count.packages };
    counts.into_iter().map(count).collect()
}

fn characters(text: &str, ranges: &[Range<usize>]) -> Vec<(usize, usize)> {
    let place = |byte: usize| text[..byte].chars().count();
    ranges.iter().map(|range| (place(range.start), place(range.end))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_in_characters() {
        let marked = Marked {
            name: std::iter::once(0..2).collect(),
            summary: std::iter::once(7..10).collect(),
        };
        let matched = Matched::of(&marked, "db", "Größe: DB 数");
        assert_eq!(matched, Matched { name: vec![(0, 2)], summary: vec![(5, 8)] });
    }
}
