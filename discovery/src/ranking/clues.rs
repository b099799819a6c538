//! Looks at each candidate and writes down what speaks for it.

use std::collections::HashSet;

use tantivy::postings::Postings as _;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet as _, TERMINATED};

use crate::evidence::{Clue, Evidence};
use crate::letters;
use crate::opened::Opened;
use crate::ranking::Hit;
use crate::ranking::asked::{Asked, Place};
use crate::ranking::candidates::Candidates;
use crate::typo::NameErrors;
use crate::words;

/// How soon a word that is repeated stops to count: BM25's `k1`.
const REPEATED: f32 = 1.2;
/// How much a long text is held against its words: BM25's `b`, for each place.
const LENGTH: [f32; Place::COUNT] = [0.5, 0.6, 0.25, 0.6];
/// Errors in a name are looked at up to this difference of lengths.
const ERRORS_MAX: usize = 2;
/// Last parts of names of what comes with another package, and is rarely what was meant.
const COMPANIONS: [&str; 12] = [
    "common", "data", "dbg", "dbgsym", "debug", "dev", "devel", "doc", "docs", "examples", "prof",
    "tests",
];

/// What one word of the query adds to one candidate.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    places: [f32; Place::COUNT],
    /// The surest reading that was found.
    weight: f32,
}

impl Share {
    /// Adds a reading that stands in `place`.
    ///
    /// - `often`: how many times; `length`: of the text there, in mean lengths.
    pub fn add(
        &mut self,
        place: Place,
        (often, length): (f32, Option<f32>),
        weight: f32,
        rarity: f32,
    ) {
        let b = LENGTH[place as usize];
        let length = length.map_or(1.0, |length| 1.0 - b + b * length);
        let counted = often * (1.0 + REPEATED) / (often + REPEATED * length);
        let share = &mut self.places[place as usize];
        *share = share.max(weight * rarity * counted);
        self.weight = self.weight.max(weight);
    }
}

/// The candidates with their evidence, in no order.
pub(super) fn weigh(
    opened: &Opened,
    asked: &Asked,
    candidates: &Candidates,
) -> tantivy::Result<Vec<Hit>> {
    let shares = shares(opened, asked, &candidates.addresses)?;
    let query = Query::new(asked, candidates.errors.as_ref(), candidates.any_begins);
    let count = asked.words.len();
    let mut hits = Vec::with_capacity(candidates.addresses.len());
    for (at, &address) in candidates.addresses.iter().enumerate() {
        let segment = &opened.segments[address.segment_ord as usize];
        let mut evidence = Evidence::new(asked.reads);
        let mut name = String::new();
        letters::unpack(segment.letters.values_for_doc(address.doc_id), &mut name);
        let length =
            |place: Place| segment.lengths[place as usize].fieldnorm(address.doc_id) as f32;
        set_lengths(&mut evidence, length(Place::Summary), length(Place::All));
        query.name(&name, &mut evidence);
        query.words(&shares[at * count..(at + 1) * count], &mut evidence);
        let twin = opened.twin(address);
        hits.push(Hit { address, score: 0.0, evidence, name, twin });
    }
    relatives(&mut hits);
    for hit in &mut hits {
        hit.score = hit.evidence.score();
    }
    Ok(hits)
}

/// What one reading counts for: a guess is as rare as the word that it stands for, otherwise the
/// rarest guess, which is the least likely, would count most.
pub(super) fn counted_rarity(asked: &Asked, word: usize, guess: bool, rarity: f32) -> f32 {
    if guess { asked.words[word].rarity } else { rarity }
}

/// Says how long the summary and all texts are, in words.
pub(super) fn set_lengths(evidence: &mut Evidence, summary: f32, all: f32) {
    evidence.set(Clue::SummaryLength, summary / 10.0);
    evidence.set(Clue::TextLength, (1.0 + all).ln() / 5.0);
}

/// What every word adds to every candidate: one row of words for each.
fn shares(opened: &Opened, asked: &Asked, addresses: &[DocAddress]) -> tantivy::Result<Vec<Share>> {
    let count = asked.words.len();
    let places = opened.fields.places();
    let mut shares = vec![Share::default(); addresses.len() * count];
    let mut start = 0;
    for (ordinal, segment) in opened.segments.iter().enumerate() {
        let here = addresses[start..].iter().take_while(|a| a.segment_ord as usize == ordinal);
        let end = start + here.count();
        if start == end {
            continue;
        }
        for list in &asked.lists {
            let Some(info) = &list.infos[ordinal] else { continue };
            let words = segment.words(list.field)?;
            let mut postings =
                words.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
            // What is no text, but the name of a publisher, has no length.
            let place = list.place as usize;
            let text = places[place] == list.field;
            let lengths = text.then(|| (&segment.lengths[place], opened.lengths[place]));
            let rarity = counted_rarity(asked, list.word, list.guess, list.rarity);
            for (at, address) in (start..end).zip(&addresses[start..end]) {
                let mut document = postings.doc();
                if document < address.doc_id {
                    document = postings.seek(address.doc_id);
                }
                if document == TERMINATED {
                    break;
                }
                if document != address.doc_id {
                    continue;
                }
                let often = postings.term_freq() as f32;
                let length =
                    lengths.map(|(lengths, mean)| lengths.fieldnorm(document) as f32 / mean);
                let share = &mut shares[at * count + list.word];
                share.add(list.place, (often, length), list.weight, rarity);
            }
        }
        start = end;
    }
    Ok(shares)
}

/// The query, ready to be held against names.
pub(super) struct Query<'a> {
    asked: &'a Asked,
    /// Tells the errors of names, when they may have any.
    errors: Option<&'a NameErrors>,
    /// Whether a name begins with the query.
    any_begins: bool,
    rarity: f32,
    /// Some twenty: a set would be slower than a look at each.
    pieces: Vec<[u8; 3]>,
    /// Every reading of every word.
    readings: HashSet<&'a str>,
}

impl<'a> Query<'a> {
    pub fn new(asked: &'a Asked, errors: Option<&'a NameErrors>, any_begins: bool) -> Self {
        let readings = asked.words.iter().flat_map(|word| &word.readings);
        let words = asked.words.iter().map(|word| word.text.as_str());
        Self {
            asked,
            errors,
            any_begins,
            rarity: asked.rarity(),
            pieces: pieces(&asked.key).collect(),
            readings: readings.map(|reading| reading.text.as_str()).chain(words).collect(),
        }
    }

    /// What the name says.
    pub fn name(&self, name: &str, evidence: &mut Evidence) {
        let asked = self.asked;
        let key = words::key(name);
        evidence.set(Clue::NameLength, key.len() as f32 / 20.0);
        if asked.key.is_empty() {
            return;
        }
        evidence.set(Clue::ExactName, f32::from(name == asked.text));
        evidence.set(Clue::ExactKey, f32::from(key == asked.key));
        let reordered = asked.words.len() > 1
            && key.len() == asked.key.len()
            && words::sorted_key(name) == asked.sorted_key;
        evidence.set(Clue::ExactParts, f32::from(reordered));
        if key.len().abs_diff(asked.key.len()) <= ERRORS_MAX
            && let Some(errors) = self.errors
        {
            let alone = f32::from(!self.any_begins);
            match errors.count(&key) {
                Some(1) => {
                    evidence.set(Clue::OneError, 1.0);
                    evidence.set(Clue::OnlyErrors, 2.0 * alone);
                }
                Some(2) => {
                    evidence.set(Clue::TwoErrors, 1.0);
                    evidence.set(Clue::OnlyErrors, alone);
                }
                _ => {}
            }
        }
        let mut theirs = 0;
        let both =
            pieces(&key).inspect(|_| theirs += 1).filter(|p| self.pieces.contains(p)).count();
        evidence
            .set(Clue::Likeness, 2.0 * both as f32 / (theirs + self.pieces.len()).max(1) as f32);
        if key.starts_with(&asked.key) {
            evidence.set(Clue::Begins, 1.0);
            evidence.set(Clue::BegunShare, asked.key.len() as f32 / key.len() as f32);
        }
        let (mut parts, mut said) = (0, 0);
        for part in words::parts(name) {
            parts += 1;
            said += u16::from(self.readings.contains(part));
        }
        evidence.set(Clue::NameShare, f32::from(said) / f32::from(parts.max(1_u16)));
        let last = name.rsplit(['-', '.', '_']).next().unwrap_or_default();
        evidence.set(Clue::Companion, f32::from(COMPANIONS.contains(&last)));
    }

    /// What the words say.
    pub fn words(&self, shares: &[Share], evidence: &mut Evidence) {
        let (mut found, mut above, mut weights) = (0, 0, 0.0);
        let mut weakest = f32::MAX;
        for (at, (share, word)) in shares.iter().zip(&self.asked.words).enumerate() {
            let [name, summary, keywords, all] = share.places.map(|value| value / self.rarity);
            evidence.add(Clue::InName, name);
            evidence.add(Clue::InSummary, summary);
            evidence.add(Clue::InKeywords, keywords);
            evidence.add(Clue::InAll, all);
            let best = name.max(summary).max(keywords).max(all);
            evidence.add(Clue::InBest, best);
            weakest = weakest.min(best * self.rarity / word.rarity);
            above += usize::from(summary > 0.0);
            if best == 0.0 {
                continue;
            }
            found += 1;
            weights += share.weight;
            evidence.add(Clue::Coverage, word.rarity / self.rarity);
            if name > 0.0 || summary > 0.0 {
                evidence.add(Clue::CoverageAbove, word.rarity / self.rarity);
            }
            if at == 0 {
                evidence.set(Clue::FirstWord, 1.0);
            }
        }
        let count = shares.len().max(1) as f32;
        evidence.set(Clue::Weakest, if found > 0 { weakest } else { 0.0 });
        evidence.set(Clue::SummaryCovers, f32::from(above == shares.len() && above > 0));
        let share = above as f32 / evidence.value(Clue::SummaryLength).mul_add(10.0, 1.0);
        evidence.set(Clue::SummaryShare, share);
        evidence.set(Clue::CoversAll, f32::from(found == shares.len() && found > 0));
        evidence.set(Clue::Missing, (shares.len() - found) as f32 / count);
        evidence.set(Clue::Certainty, if found > 0 { weights / found as f32 } else { 0.0 });
    }
}

/// Says which candidates belong to another one, by their names: `graphdb-doc` extends `graphdb`.
pub(super) fn relatives(hits: &mut [Hit]) {
    let mut order: Vec<usize> = (0..hits.len()).collect();
    order.sort_by(|&a, &b| hits[a].name.cmp(&hits[b].name));
    let mut open: Vec<usize> = Vec::new();
    for at in order {
        let extends = |short: &str, long: &str| {
            long.strip_prefix(short).is_some_and(|rest| rest.starts_with(['-', '.', '_']))
        };
        while let Some(&last) = open.last() {
            if hits[at].name.starts_with(hits[last].name.as_str()) {
                break;
            }
            open.pop();
        }
        for &shorter in &open {
            if extends(&hits[shorter].name, &hits[at].name) {
                hits[at].evidence.set(Clue::Extends, 1.0);
                hits[shorter].evidence.add(Clue::Extended, 1.0);
            }
        }
        open.push(at);
    }
    for hit in hits {
        let count = hit.evidence.value(Clue::Extended);
        hit.evidence.set(Clue::Extended, (1.0 + count).ln() / 3.0);
    }
}

/// Three letters at a time, with the ends of the name.
fn pieces(key: &str) -> impl Iterator<Item = [u8; 3]> {
    let byte = |at: usize| match at {
        0 => b'^',
        at => key.as_bytes().get(at - 1).copied().unwrap_or(b'$'),
    };
    (0..key.len()).map(move |at| [byte(at), byte(at + 1), byte(at + 2)])
}
