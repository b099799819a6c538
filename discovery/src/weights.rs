//! What each clue is worth, in one table.
//!
//! The first three are ranks of their own: whatever else speaks for a package, the one whose name
//! was typed stands above it. They are fixed, and so is the last, which decides between packages that
//! are otherwise close: no generated query knows what is used here. All others were learnt from generated queries by
//! `cargo bench -p catalog-benches --bench search -- --tune 1,2,3,4`, which prints this table; reports
//! use other seeds. Change a number by running that, not by hand.

use crate::evidence::{Clue, Reads};

/// What one clue is worth.
pub(crate) struct Weight {
    pub clue: Clue,
    pub clue_name: &'static str,
    as_name: f32,
    as_text: f32,
}

impl Weight {
    pub(crate) const fn weight(&self, reads: Reads) -> f32 {
        match reads {
            Reads::AsName => self.as_name,
            Reads::AsText => self.as_text,
        }
    }
}

const fn weigh(clue: Clue, clue_name: &'static str, as_name: f32, as_text: f32) -> Weight {
    Weight { clue, clue_name, as_name, as_text }
}

/// Clue, its name in `--explain`, its weight when one word was typed, and when several were.
pub(crate) const WEIGHTS: [Weight; Clue::COUNT] = [
    weigh(Clue::ExactName, "name", 60.00, 60.00),
    weigh(Clue::ExactKey, "name, joined", 50.00, 50.00),
    weigh(Clue::ExactParts, "name, reordered", 40.00, 40.00),
    weigh(Clue::OneError, "one error", -2.47, 0.00),
    weigh(Clue::TwoErrors, "two errors", -0.17, 0.00),
    weigh(Clue::OnlyErrors, "errors alone", 2.44, 0.00),
    weigh(Clue::Likeness, "likeness", 6.06, 0.00),
    weigh(Clue::Begins, "begins", 2.69, 0.00),
    weigh(Clue::BegunShare, "begun share", 1.00, 0.00),
    weigh(Clue::NameShare, "name share", 0.00, 0.00),
    weigh(Clue::InName, "in name", 0.40, 0.40),
    weigh(Clue::InSummary, "in summary", 0.30, 0.30),
    weigh(Clue::InKeywords, "in keywords", 1.05, 3.02),
    weigh(Clue::InAll, "anywhere", 0.41, 0.00),
    weigh(Clue::InBest, "best place", 0.00, 0.43),
    weigh(Clue::Coverage, "coverage", 0.48, 7.64),
    weigh(Clue::CoverageAbove, "coverage above", 0.02, 0.00),
    weigh(Clue::CoversAll, "all words", 0.00, 0.56),
    weigh(Clue::Missing, "missing", 0.00, -2.81),
    weigh(Clue::Weakest, "weakest word", 0.00, 0.13),
    weigh(Clue::SummaryCovers, "summary covers", 0.00, 1.58),
    weigh(Clue::SummaryShare, "summary share", 0.00, 0.10),
    weigh(Clue::FirstWord, "first word", 0.09, 0.04),
    weigh(Clue::Certainty, "certainty", 0.00, 11.38),
    weigh(Clue::NameLength, "name length", -0.46, -0.21),
    weigh(Clue::SummaryLength, "summary length", -0.07, -0.05),
    weigh(Clue::TextLength, "text length", 0.00, -2.95),
    weigh(Clue::Extends, "extends", -0.26, -0.03),
    weigh(Clue::Extended, "extended", -0.15, 0.51),
    weigh(Clue::Companion, "companion", 0.02, -0.08),
    weigh(Clue::Used, "used here", 1.00, 1.00),
];
