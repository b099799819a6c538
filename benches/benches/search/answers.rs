//! What an engine answered, and how good that was.

use catalog_benches::measure::quantile;
use catalog_tests::table::Table;

use crate::queries::{Class, Query};

/// The answers of one engine, in the order of the queries.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub engine: String,
    /// Processor time to take in every package.
    pub build_s: f64,
    /// What the index takes on the disk.
    pub bytes: u64,
    /// The ten best names for each query.
    pub hits: Vec<Vec<String>>,
    /// Processor time of each query.
    pub us: Vec<f64>,
}

/// How good answers are, each the mean over queries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// What was meant stands first; for a topic, anything on it does.
    pub first: f64,
    /// One through the place of what was meant; 0 below the tenth.
    pub reciprocal: f64,
    /// Normalised discounted cumulative gain of the ten.
    pub gain: f64,
    /// What was meant is among the ten.
    pub found: f64,
}

impl Score {
    /// The score of one answer.
    pub fn of(query: &Query, hits: &[String]) -> Self {
        let hits = &hits[..hits.len().min(10)];
        let grade = |name: &String| query.grades.get(name).copied().unwrap_or(0);
        let meant = |name: &String| match &query.target {
            Some(target) => target == name,
            None => grade(name) > 0,
        };
        let gain = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
            let gains = grades.enumerate();
            gains
                .map(|(at, grade)| (2f64.powi(grade as i32) - 1.0) / (at as f64 + 2.0).log2())
                .sum()
        };
        let mut best: Vec<u32> = query.grades.values().copied().collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let ideal = gain(&mut best.into_iter().take(10));
        let place = hits.iter().position(meant);
        Self {
            first: f64::from(place == Some(0)),
            reciprocal: place.map_or(0.0, |at| 1.0 / (at + 1) as f64),
            gain: gain(&mut hits.iter().map(grade)) / ideal,
            found: f64::from(place.is_some()),
        }
    }

    fn mean(scores: &[Self]) -> Self {
        let mean = |part: fn(&Self) -> f64| {
            scores.iter().map(part).sum::<f64>() / scores.len().max(1) as f64
        };
        Self {
            first: mean(|s| s.first),
            reciprocal: mean(|s| s.reciprocal),
            gain: mean(|s| s.gain),
            found: mean(|s| s.found),
        }
    }
}

impl Answers {
    /// The mean score over the queries of `classes`.
    pub fn score(&self, queries: &[&Query], classes: &[Class]) -> Score {
        let scored = queries.iter().zip(&self.hits);
        let scored = scored.filter(|(query, _)| classes.contains(&query.class));
        Score::mean(&scored.map(|(query, hits)| Score::of(query, hits)).collect::<Vec<_>>())
    }
}

/// Three tables: what stands first, by class; the other measures; what it costs.
pub fn tables(answers: &[(Answers, Vec<&Query>)], title: &str, packages: usize) -> Vec<Table> {
    let mut columns = vec!["success@1"];
    columns.extend(Class::ALL.map(Class::name));
    columns.push("core a-e");
    let mut first = Table::new(title, &columns);
    let mut rest =
        Table::new("Core a-e, other measures", &["engine", "MRR@10", "nDCG@10", "recall@10"]);
    let columns = ["engine", "p50 us", "p99 us", "build s", "packages/s", "bytes/package"];
    let mut cost = Table::new("Processor time and disk", &columns);
    for (engine, queries) in answers {
        let mut row = vec![engine.engine.clone()];
        let figure = |score: f64| format!("{score:.3}");
        row.extend(Class::ALL.map(|class| figure(engine.score(queries, &[class]).first)));
        let core = engine.score(queries, Class::CORE);
        row.push(figure(core.first));
        first.row(row);
        rest.row([
            engine.engine.clone(),
            figure(core.reciprocal),
            figure(core.gain),
            figure(core.found),
        ]);
        cost.row([
            engine.engine.clone(),
            format!("{:.0}", quantile(&engine.us, 0.5)),
            format!("{:.0}", quantile(&engine.us, 0.99)),
            format!("{:.1}", engine.build_s),
            format!("{:.0}", packages as f64 / engine.build_s),
            format!("{:.0}", engine.bytes as f64 / packages as f64),
        ]);
    }
    vec![first, rest, cost]
}
