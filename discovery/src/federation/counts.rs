//! How often words occur: what tells a rare word from a common one, in one collection or many.
//!
//! Peers say how often the words of a question occur with them, and the sum makes scores
//! comparable across collections (search of many text bases with one set of statistics: Callan,
//! *Distributed information retrieval*, 2000). Nobody can check what a peer says, so [`Counts::sum`]
//! bounds what one of them can do: it counts at most as much as [`WEIGHT_MAX`] middling collections,
//! a word is at most [`SHARE_MAX`] times as common with it as with the middle of all, and its texts
//! are at most [`LENGTH_MAX`] times as long. Without the last, one of twenty peers that says that
//! its texts are endless makes those of all others look short, and changes a fifth of first hits.

/// What one peer counts, in middling collections.
const WEIGHT_MAX: u64 = 2;
/// How much commoner than with the middle of all a word may be with one peer.
const SHARE_MAX: f64 = 4.0;
/// A word in fewer documents than this share of a collection is not held to that: it may well be
/// the topic of that collection.
const SHARE_FREE: f64 = 0.02;
/// How much longer than with the middle of all the texts of one peer may be.
const LENGTH_MAX: f64 = 2.0;
/// No document has more words than this, whatever a peer says.
const TOKENS_PER_DOCUMENT_MAX: u64 = 20_000;
/// No collection has more documents than this, whatever a peer says.
const DOCUMENTS_MAX: u64 = 1 << 32;

/// The places in which words are counted: name, summary, keywords, all texts.
const PLACES: usize = 4;

/// How often the words of one question occur in a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The documents of the collection.
    pub documents: u64,
    /// How many words there are in each place: in all names together, and so on.
    pub tokens: [u64; PLACES],
    /// For each reading of each word, in the order of the question: the documents that have it in
    /// the name, the summary, the keywords, and anywhere.
    pub readings: Vec<[u64; PLACES]>,
}

impl Counts {
    /// Brings every number into the range in which it can be true.
    fn clamped(&self) -> Self {
        let documents = self.documents.min(DOCUMENTS_MAX);
        let most = documents.saturating_mul(TOKENS_PER_DOCUMENT_MAX);
        Self {
            documents,
            tokens: self.tokens.map(|tokens| tokens.min(most)),
            readings: self.readings.iter().map(|row| row.map(|n| n.min(documents))).collect(),
        }
    }

    /// Adds up what is here and what peers say, each within its bounds.
    ///
    /// - `peers`: only those with as many readings as `ours` count.
    /// - result: no reading is in more documents than there are.
    pub fn sum<'c>(ours: &Self, peers: impl IntoIterator<Item = &'c Self>) -> Self {
        let mut all = vec![ours.clamped()];
        let alike = |peer: &&Self| peer.readings.len() == ours.readings.len() && peer.documents > 0;
        all.extend(peers.into_iter().filter(alike).map(Self::clamped));
        let mut sizes: Vec<u64> = all.iter().map(|one| one.documents).filter(|&n| n > 0).collect();
        sizes.sort_unstable();
        // Of two in the middle the smaller: one peer alone beside us is not its own measure.
        let middle = sizes.get(sizes.len().saturating_sub(1) / 2).copied().unwrap_or(0);
        let most = middle.saturating_mul(WEIGHT_MAX);
        let mut sum = Self { readings: vec![[0; PLACES]; ours.readings.len()], ..Self::default() };
        let mut weights = Vec::with_capacity(all.len());
        for (at, one) in all.iter().enumerate() {
            // What is here is known, and never less for what others say.
            let counted = if at == 0 { one.documents } else { one.documents.min(most) };
            let weight = counted as f64 / one.documents.max(1) as f64;
            weights.push(weight);
            sum.documents += counted;
        }
        for (place, total) in sum.tokens.iter_mut().enumerate() {
            let limit = LENGTH_MAX * middle_share(&all, |one| one.tokens[place]);
            let counted = all.iter().zip(&weights).enumerate().map(|(at, (one, weight))| {
                let tokens = one.tokens[place] as f64;
                let tokens =
                    if at == 0 { tokens } else { tokens.min(limit * one.documents as f64) };
                tokens * weight
            });
            *total = counted.sum::<f64>() as u64;
        }
        for (reading, totals) in sum.readings.iter_mut().enumerate() {
            for (place, total) in totals.iter_mut().enumerate() {
                let middle = middle_share(&all, |one| one.readings[reading][place]);
                let limit = (SHARE_MAX * middle).max(SHARE_FREE);
                let counted = all.iter().zip(&weights).enumerate().map(|(at, (one, weight))| {
                    let documents = one.documents as f64;
                    let had = one.readings[reading][place] as f64;
                    let had = if at == 0 { had } else { had.min(limit * documents) };
                    had * weight
                });
                *total = (counted.sum::<f64>().round() as u64).min(sum.documents);
            }
        }
        sum
    }
}

/// The middle of how often something occurs in a document, over all collections that have any.
fn middle_share(all: &[Counts], often: impl Fn(&Counts) -> u64) -> f64 {
    let share = |one: &Counts| often(one) as f64 / one.documents as f64;
    let mut shares: Vec<f64> = all.iter().filter(|one| one.documents > 0).map(share).collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(documents: u64, had: u64) -> Counts {
        let tokens = [2, 8, 3, 60].map(|words| documents.saturating_mul(words));
        Counts { documents, tokens, readings: vec![[had / 4, had / 2, had / 4, had]] }
    }

    #[test]
    fn honest_counts_add_up() {
        let sum = Counts::sum(&counts(1000, 10), &[counts(2000, 30), counts(1500, 4)]);
        assert_eq!(sum.documents, 4500);
        assert_eq!(sum.readings[0][3], 44);
        assert_eq!(sum.tokens[3], 4500 * 60);
    }

    /// More documents with a word than there are would be a crash in many a formula.
    #[test]
    fn no_word_is_in_more_documents_than_there_are() {
        let lies = [counts(10, u64::MAX / 2), counts(u64::MAX / 100, u64::MAX / 100)];
        for ours in [counts(1000, 10), Counts { readings: vec![[0; 4]], ..Counts::default() }] {
            let sum = Counts::sum(&ours, &lies);
            assert!(sum.readings[0].iter().all(|had| *had <= sum.documents), "{sum:?}");
        }
    }

    #[test]
    fn two_liars_of_twenty_hardly_change_how_rare_a_word_is() {
        let honest = vec![counts(3000, 3); 18];
        let lie = counts(1 << 40, 1 << 40);
        let (ours, lies) = (counts(3000, 3), [lie.clone(), lie]);
        let rarity = |sum: &Counts| {
            let (all, had) = (sum.documents as f64, sum.readings[0][3] as f64);
            (1.0 + (all - had + 0.5) / (had + 0.5)).ln()
        };
        let truth = rarity(&Counts::sum(&ours, &honest));
        let lied = rarity(&Counts::sum(&ours, honest.iter().chain(&lies)));
        assert!(lied > 0.7 * truth, "{lied} of {truth}");
    }

    #[test]
    fn a_liar_hardly_changes_how_long_texts_are() {
        let honest = vec![counts(3000, 3); 18];
        let lie = Counts { tokens: [u64::MAX; 4], ..counts(3000, 3) };
        let (ours, lies) = (counts(0, 0), [lie.clone(), lie]);
        let sum = Counts::sum(&ours, honest.iter().chain(&lies));
        let mean = sum.tokens[3] as f64 / sum.documents as f64;
        assert!((60.0..=66.1).contains(&mean), "{mean}");
    }

    #[test]
    fn counts_for_another_question_are_left_out() {
        let other = Counts { readings: vec![[9; 4]; 3], ..counts(1000, 9) };
        let ours = counts(100, 1);
        assert_eq!(Counts::sum(&ours, [&other]), ours);
    }
}
