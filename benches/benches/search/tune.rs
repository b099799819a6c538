//! Learns what each clue is worth from queries whose answers are known.
//!
//! Two linear models, one for queries of one word and one for all others, fitted so that the
//! likelihood of what was meant is highest among all candidates of its query. Queries that a whole
//! name answers teach nothing: those ranks are fixed.
//!
//! # Source
//! Cao et al., *Learning to rank: from pairwise approach to listwise approach*, ICML 2007 (the loss);
//! Kingma and Ba, *Adam*, ICLR 2015 (the descent).

use catalog_discovery::{Clue, Reads};
use catalog_tests::table::Table;

use crate::answers::Score;
use crate::ours::{Candidate, Ours};
use crate::queries::{Class, Query};

const ROUNDS: usize = 600;
const STEP: f64 = 0.05;
/// From this round on, smaller steps.
const SETTLING: usize = 450;
const STEP_SMALL: f64 = 0.015;
/// Keeps weights small that nothing needs.
const SHRINK: f64 = 2e-3;
/// Ranks of their own.
const FIXED: [Clue; 3] = [Clue::ExactName, Clue::ExactKey, Clue::ExactParts];
/// Clues that never speak against a package: what has a word in its name does not fall for that.
const FOR: [Clue; 17] = [
    Clue::Likeness,
    Clue::Begins,
    Clue::BegunShare,
    Clue::NameShare,
    Clue::InName,
    Clue::InSummary,
    Clue::InKeywords,
    Clue::InAll,
    Clue::InBest,
    Clue::Coverage,
    Clue::CoverageAbove,
    Clue::CoversAll,
    Clue::Weakest,
    Clue::SummaryCovers,
    Clue::SummaryShare,
    Clue::FirstWord,
    Clue::Certainty,
];
/// Clues that never speak for a package.
const AGAINST: [Clue; 2] = [Clue::Missing, Clue::TextLength];
/// What some clues are worth at least. Queries for descriptions leave out what the name says, and
/// queries for names have no other words, so that they cannot teach these.
const LEAST: [(Clue, f64); 2] = [(Clue::InName, 0.4), (Clue::InSummary, 0.3)];
/// Candidates of a query that are learnt from, best first, and what was meant.
const LEARNT_FROM: usize = 80;

/// A query with its candidates.
struct Lesson<'a> {
    query: &'a Query,
    reads: Reads,
    names: Vec<String>,
    /// What each clue says about each candidate.
    clues: Vec<Vec<f64>>,
    /// How good an answer each candidate is.
    gains: Vec<f64>,
}

/// Prints the table of weights that does best for `queries`, and how well it does for them and for
/// `others`.
pub fn tune(engine: &Ours, queries: &[&Query], others: &[&Query]) {
    let clues = Clue::all();
    let [lessons, others] = [queries, others].map(|queries| {
        let lessons = queries.iter().map(|query| Lesson::of(query, engine, &clues));
        lessons.flatten().collect::<Vec<_>>()
    });
    let models = [Reads::AsName, Reads::AsText].map(|reads| {
        let before: Vec<f64> = clues.iter().map(|clue| f64::from(clue.weight(reads))).collect();
        let useful = lessons.iter().filter(|l| l.reads == reads && l.teaches(&clues));
        let learnt = fit(&useful.collect::<Vec<_>>(), &clues, &before);
        (before, learnt)
    });
    let columns: Vec<&str> =
        ["weights"].into_iter().chain(Class::ALL.map(Class::name)).chain(["core"]).collect();
    let mut table = Table::new("First among candidates", &columns);
    for (title, lessons) in [("queries", &lessons), ("other queries", &others)] {
        let [before, after] = [true, false].map(|before| {
            let of = |at: usize| if before { &models[at].0 } else { &models[at].1 };
            [of(0), of(1)]
        });
        for (when, models) in [("before", before), ("after", after)] {
            let share = |classes: &[Class]| {
                let of = lessons.iter().filter(|l| classes.contains(&l.query.class));
                let first: Vec<f64> = of.map(|lesson| lesson.first(&models)).collect();
                format!("{:.3}", first.iter().sum::<f64>() / first.len().max(1) as f64)
            };
            let mut row = vec![format!("{title}, {when}")];
            row.extend(Class::ALL.map(|class| share(&[class])));
            row.push(share(Class::CORE));
            table.row(row);
        }
    }
    eprintln!("{table}");
    for (at, clue) in clues.iter().enumerate() {
        let [name, text] = [0, 1].map(|model: usize| models[model].1[at]);
        println!("    weigh(Clue::{clue:?}, {:?}, {name:.2}, {text:.2}),", clue.name());
    }
}

impl<'a> Lesson<'a> {
    /// `None` when there is no candidate at all.
    fn of(query: &'a Query, engine: &Ours, clues: &[Clue]) -> Option<Self> {
        let grade = |name: &str| {
            let grade = query.grades.get(name).copied().unwrap_or(0);
            grade.min(if query.target.is_some() { 3 } else { 2 })
        };
        let candidates = engine.candidates(&query.text).into_iter().enumerate();
        let kept = candidates.filter(|(at, c)| *at < LEARNT_FROM || grade(&c.name) > 0);
        let mut candidates: Vec<Candidate> = kept.map(|(_, candidate)| candidate).collect();
        // Collected in place, it would keep the room of all there were.
        candidates.shrink_to_fit();
        Some(Self {
            query,
            reads: candidates.first()?.evidence.reads(),
            clues: candidates
                .iter()
                .map(|c| clues.iter().map(|&clue| f64::from(c.evidence.value(clue))).collect())
                .collect(),
            gains: candidates.iter().map(|c| 2f64.powi(grade(&c.name) as i32) - 1.0).collect(),
            names: candidates.into_iter().map(|c| c.name).collect(),
        })
    }

    /// Whether the answer is among the candidates, and not because of a fixed rank.
    fn teaches(&self, clues: &[Clue]) -> bool {
        let fixed = |row: &Vec<f64>| {
            clues.iter().zip(row).any(|(clue, value)| FIXED.contains(clue) && *value > 0.0)
        };
        self.gains.iter().any(|gain| *gain > 0.0) && !self.clues.iter().any(fixed)
    }

    /// 1 when the best candidate is what was meant.
    fn first(&self, models: &[&Vec<f64>; 2]) -> f64 {
        let model = models[usize::from(self.reads == Reads::AsText)];
        let score = |row: &Vec<f64>| row.iter().zip(model).map(|(c, w)| c * w).sum::<f64>();
        let scored = self.clues.iter().map(score).zip(&self.names);
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        let hits: Vec<String> = best.into_iter().map(|(_, name)| name.clone()).collect();
        Score::of(self.query, &hits).first
    }
}

fn fit(lessons: &[&Lesson<'_>], clues: &[Clue], before: &[f64]) -> Vec<f64> {
    let count = clues.len();
    let spread = spreads(lessons, count);
    let free: Vec<bool> = clues.iter().map(|clue| !FIXED.contains(clue)).collect();
    let start = |n: usize| if free[n] { before[n] * spread[n] } else { 0.0 };
    let mut weights: Vec<f64> = (0..count).map(start).collect();
    let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
    for round in 0..ROUNDS {
        let mut slope = vec![0.0; count];
        for lesson in lessons {
            let score = |clues: &Vec<f64>| -> f64 {
                clues.iter().zip(&weights).zip(&spread).map(|((c, w), s)| c / s * w).sum()
            };
            let scores: Vec<f64> = lesson.clues.iter().map(score).collect();
            let most = scores.iter().copied().fold(f64::MIN, f64::max);
            let odds: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
            let total: f64 = odds.iter().sum();
            let gains: f64 = lesson.gains.iter().sum();
            for ((clues, odds), gain) in lesson.clues.iter().zip(&odds).zip(&lesson.gains) {
                let error = odds / total - gain / gains;
                for n in 0..count {
                    slope[n] += error * clues[n] / spread[n];
                }
            }
        }
        let step = if round < SETTLING { STEP } else { STEP_SMALL };
        let after = (round + 1) as i32;
        for n in (0..count).filter(|&n| free[n]) {
            let slope = slope[n] / lessons.len().max(1) as f64 + SHRINK * weights[n];
            first[n] = 0.9 * first[n] + 0.1 * slope;
            second[n] = 0.999 * second[n] + 0.001 * slope * slope;
            let mean = first[n] / (1.0 - 0.9f64.powi(after));
            let square = second[n] / (1.0 - 0.999f64.powi(after));
            weights[n] -= step * mean / (square.sqrt() + 1e-8);
            let least = LEAST.iter().find(|(clue, _)| *clue == clues[n]).map(|(_, least)| *least);
            if FOR.contains(&clues[n]) {
                weights[n] = weights[n].max(least.unwrap_or(0.0) * spread[n]);
            }
            if AGAINST.contains(&clues[n]) {
                weights[n] = weights[n].min(0.0);
            }
        }
    }
    (0..count).map(|n| if free[n] { weights[n] / spread[n] } else { before[n] }).collect()
}

/// How much each clue differs from candidate to candidate: its standard deviation.
fn spreads(lessons: &[&Lesson<'_>], count: usize) -> Vec<f64> {
    let rows = || lessons.iter().flat_map(|lesson| &lesson.clues);
    let total = rows().count().max(1) as f64;
    let mean = |n: usize| rows().map(|row| row[n]).sum::<f64>() / total;
    let spread = |n: usize| {
        let mean = mean(n);
        (rows().map(|row| (row[n] - mean).powi(2)).sum::<f64>() / total).sqrt() + 1e-6
    };
    (0..count).map(spread).collect()
}
