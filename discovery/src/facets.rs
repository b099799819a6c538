//! Counts what is found: how many packages of each kind, tag, licence, publisher and class of
//! hardware.
//!
//! Counted are all packages that have every word of the query and meet its conditions; when none
//! has every word, those that have any. Only the commonest values are kept, so memory is bounded;
//! a value that occurs too rarely in the whole catalog to be among them is never looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::query::{EnableScoring, Query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::termdict::TermMerger;
use tantivy::{DocAddress, DocSet as _, Searcher, SegmentReader, TERMINATED};

use crate::schema::Fields;

/// Values of one facet that are counted at most.
pub const FACET_VALUES_MAX: usize = 100;

/// What was found, by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// How many packages were counted.
    pub packages: u64,
    /// Whether there are more, which were not looked at: hardware is checked for a bounded number
    /// of packages only.
    pub partial: bool,
    /// By kind; the commonest first, as in all of these.
    pub kinds: Vec<Count>,
    /// By keyword and tag, in lower case.
    pub tags: Vec<Count>,
    /// By licence, in lower case; `MIT OR Apache-2.0` counts for both.
    pub licenses: Vec<Count>,
    /// By publisher, as ids.
    pub publishers: Vec<Count>,
    /// By the [classes of hardware](catalog::Variant::hardware_classes) that their variants are for.
    pub hardware: Vec<Count>,
}

/// How many packages have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The value.
    pub value: String,
    /// How many of the packages that were found have it.
    pub packages: u64,
}

/// The documents to count, as a bit for each.
pub(crate) struct Matches {
    segments: Vec<Vec<u64>>,
    packages: u64,
    partial: bool,
}

impl Matches {
    /// Everything that answers `query`.
    pub fn of(searcher: &Searcher, query: &dyn Query) -> tantivy::Result<Self> {
        let mut found = Self::none(searcher);
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        for (segment, reader) in (0..).zip(searcher.segment_readers()) {
            let mut scorer = weight.scorer(reader, 1.0)?;
            while scorer.doc() != TERMINATED {
                if !reader.is_deleted(scorer.doc()) {
                    found.add(DocAddress::new(segment, scorer.doc()));
                }
                scorer.advance();
            }
        }
        Ok(found)
    }

    /// Those of these that pass `keep`, of the first `most`.
    pub fn kept(
        self,
        searcher: &Searcher,
        most: usize,
        mut keep: impl FnMut(DocAddress) -> tantivy::Result<bool>,
    ) -> tantivy::Result<Self> {
        let mut found = Self::none(searcher);
        for address in self.addresses().take(most) {
            if keep(address)? {
                found.add(address);
            }
        }
        found.partial = self.packages > most as u64;
        Ok(found)
    }

    pub fn is_empty(&self) -> bool {
        self.packages == 0
    }

    pub fn none(searcher: &Searcher) -> Self {
        let words = |reader: &SegmentReader| vec![0; reader.max_doc().div_ceil(u64::BITS) as usize];
        let segments = searcher.segment_readers().iter().map(words).collect();
        Self { segments, packages: 0, partial: false }
    }

    fn add(&mut self, address: DocAddress) {
        let bits = &mut self.segments[address.segment_ord as usize];
        bits[(address.doc_id / u64::BITS) as usize] |= 1 << (address.doc_id % u64::BITS);
        self.packages += 1;
    }

    /// Adds these too.
    pub fn join(&mut self, others: &Self) {
        let both = self.segments.iter_mut().flatten().zip(others.segments.iter().flatten());
        both.for_each(|(ours, theirs)| *ours |= theirs);
        let all = self.segments.iter().flatten();
        self.packages = all.map(|word| u64::from(word.count_ones())).sum();
    }

    pub fn has(&self, address: DocAddress) -> bool {
        let bits = &self.segments[address.segment_ord as usize];
        bits[(address.doc_id / u64::BITS) as usize] >> (address.doc_id % u64::BITS) & 1 == 1
    }

    fn addresses(&self) -> impl Iterator<Item = DocAddress> {
        (0..).zip(&self.segments).flat_map(|(segment, words)| {
            (0..).zip(words).filter(|(_, word)| **word != 0).flat_map(move |(at, &word)| {
                let set = (0..u64::BITS).filter(move |bit| word >> bit & 1 == 1);
                set.map(move |bit| DocAddress::new(segment, at * u64::BITS + bit))
            })
        })
    }
}

impl Facets {
    /// Counts `matches`, keeping the `most` commonest values of each facet.
    pub(crate) fn count(
        searcher: &Searcher,
        fields: &Fields,
        matches: &Matches,
        most: usize,
    ) -> tantivy::Result<Self> {
        let count = |field| -> tantivy::Result<Vec<Count>> {
            let found = commonest(searcher, field, matches, most.min(FACET_VALUES_MAX))?;
            let count = |(value, packages): (Vec<u8>, u64)| Count {
                value: String::from_utf8_lossy(&value).into_owned(),
                packages,
            };
            Ok(found.into_iter().map(count).collect())
        };
        Ok(Self {
            packages: matches.packages,
            partial: matches.partial,
            kinds: count(fields.kind)?,
            tags: count(fields.tag)?,
            licenses: count(fields.license)?,
            publishers: count(fields.publisher)?,
            hardware: count(fields.hardware)?,
        })
    }
}

/// The `most` commonest values of `field` in `matches`; of equals, the first in the alphabet.
pub(crate) fn commonest(
    searcher: &Searcher,
    field: Field,
    matches: &Matches,
    most: usize,
) -> tantivy::Result<Vec<(Vec<u8>, u64)>> {
    if most == 0 || matches.is_empty() {
        return Ok(Vec::new());
    }
    let segments = searcher.segment_readers().iter();
    let segments = segments.map(|segment| segment.inverted_index(field));
    let segments = segments.collect::<tantivy::Result<Vec<_>>>()?;
    let streams = segments.iter().map(|segment| segment.terms().stream());
    let mut values = TermMerger::new(streams.collect::<std::io::Result<Vec<_>>>()?);
    // The rarest of those kept lies on top.
    let mut kept: BinaryHeap<(Reverse<u64>, Vec<u8>)> = BinaryHeap::new();
    while values.advance() {
        let infos: Vec<_> = values.current_segment_ords_and_term_infos().collect();
        let ceiling: u64 = infos.iter().map(|(_, info)| u64::from(info.doc_freq)).sum();
        let full = kept.len() >= most;
        // Values come in order of the alphabet, so that an equal one stands behind those kept.
        if full && kept.peek().is_some_and(|(least, _)| ceiling <= least.0) {
            continue;
        }
        let mut packages = 0;
        for (segment, info) in &infos {
            let postings =
                segments[*segment].read_postings_from_terminfo(info, IndexRecordOption::Basic);
            let mut postings = postings?;
            while postings.doc() != TERMINATED {
                let at = DocAddress::new(*segment as u32, postings.doc());
                packages += u64::from(matches.has(at));
                postings.advance();
            }
        }
        if packages == 0 || full && kept.peek().is_some_and(|(least, _)| packages <= least.0) {
            continue;
        }
        if full {
            kept.pop();
        }
        kept.push((Reverse(packages), values.key().to_vec()));
    }
    let counts = kept.into_sorted_vec().into_iter();
    Ok(counts.map(|(packages, value)| (value, packages.0)).collect())
}
