//! What speaks for a package as the answer to a query, as numbers that a ranking can weigh.
//!
//! Every clue is bounded, whatever a publisher writes: shares are at most 1, and what a word adds is
//! measured against the rarity of all words of the query. So scores of different packages, and of
//! packages that come from elsewhere, can be compared.

use crate::weights::WEIGHTS;

/// One thing that speaks for or against a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Clue {
    /// The query is its name.
    ExactName,
    /// The letters and digits of the query are those of its name.
    ExactKey,
    /// The parts of its name, in another order.
    ExactParts,
    /// Its name is one typing error away.
    OneError,
    /// Its name is two typing errors away.
    TwoErrors,
    /// Its name is a typing error away, and no name begins with the query.
    OnlyErrors,
    /// Pieces of three letters that its name and the query share.
    Likeness,
    /// Its name begins with the query.
    Begins,
    /// How much of its name the query is, when it begins so.
    BegunShare,
    /// How much of its name is in the query.
    NameShare,
    /// Words of the query in its name, by rarity and frequency.
    InName,
    /// Words of the query in its summary.
    InSummary,
    /// Words of the query among its keywords, tags and interfaces.
    InKeywords,
    /// Words of the query anywhere in its texts.
    InAll,
    /// Each word of the query where it counts most.
    InBest,
    /// How much of the query it has at all, by rarity.
    Coverage,
    /// How much of the query its name and summary have.
    CoverageAbove,
    /// It has every word of the query.
    CoversAll,
    /// The share of words that it does not have.
    Missing,
    /// The word of the query that it has least of.
    Weakest,
    /// Its summary has every word of the query.
    SummaryCovers,
    /// How much of its summary is in the query.
    SummaryShare,
    /// It has the first word of the query.
    FirstWord,
    /// How sure it is that its words are those that were meant, and not guesses.
    Certainty,
    /// The length of its name.
    NameLength,
    /// The length of its summary.
    SummaryLength,
    /// The length of all its texts.
    TextLength,
    /// Its name is the name of another candidate, and more.
    Extends,
    /// Names of other candidates are its name, and more.
    Extended,
    /// It ends like packages that come with another one.
    Companion,
    /// How much it is used on this machine.
    Used,
}

impl Clue {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Used as usize + 1;

    /// Every clue, in the order of their declaration.
    pub fn all() -> [Self; Self::COUNT] {
        WEIGHTS.each_ref().map(|row| row.clue)
    }

    /// What it is worth in a query that reads so.
    pub fn weight(self, reads: Reads) -> f32 {
        WEIGHTS[self as usize].weight(reads)
    }

    /// Its name in `--explain`.
    pub fn name(self) -> &'static str {
        WEIGHTS[self as usize].clue_name
    }
}

/// How a query reads, which decides what clues are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One word: probably a name.
    AsName,
    /// Words with spaces: a description, or a name in pieces.
    AsText,
}

/// Every clue about one package.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    pub(crate) reads: Reads,
    values: [f32; Clue::COUNT],
}

impl Evidence {
    pub(crate) const fn new(reads: Reads) -> Self {
        Self { reads, values: [0.0; Clue::COUNT] }
    }

    pub(crate) fn set(&mut self, clue: Clue, value: impl Into<f32>) {
        self.values[clue as usize] = value.into();
    }

    pub(crate) fn add(&mut self, clue: Clue, value: f32) {
        self.values[clue as usize] += value;
    }

    /// What a clue says: 0 when it is silent.
    pub fn value(&self, clue: Clue) -> f32 {
        self.values[clue as usize]
    }

    /// How the query was read.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Every clue that is not silent, and what it adds to the score.
    pub fn parts(&self) -> impl Iterator<Item = (Clue, f32)> {
        let parts =
            WEIGHTS.iter().map(|row| (row.clue, self.value(row.clue) * row.weight(self.reads)));
        parts.filter(|(_, part)| *part != 0.0)
    }

    /// The sum of all parts.
    pub fn score(&self) -> f32 {
        WEIGHTS.iter().map(|row| self.value(row.clue) * row.weight(self.reads)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clue_has_its_row_in_the_table_of_weights() {
        for (at, row) in WEIGHTS.iter().enumerate() {
            assert_eq!(row.clue as usize, at, "{}", row.clue_name);
        }
    }

    #[test]
    fn the_parts_of_a_score_add_up_to_it() {
        let mut evidence = Evidence::new(Reads::AsText);
        evidence.set(Clue::Coverage, 0.5);
        evidence.set(Clue::CoversAll, 1.0);
        let parts: f32 = evidence.parts().map(|(_, part)| part).sum();
        assert!((parts - evidence.score()).abs() < 1e-6);
        assert!(evidence.parts().all(|(clue, _)| evidence.value(clue) != 0.0));
    }
}
