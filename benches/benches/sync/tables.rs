//! The figures as tables: what each contestant paid, and how many times as much as we did.

use std::fmt;
use std::time::Duration;

use catalog_tests::table::Table;

use crate::{Cost, Row};

#[derive(Default)]
pub struct Tables(Vec<Row>);

impl Tables {
    pub fn add(&mut self, row: Row) {
        eprintln!("{} ids, {} differ: done", row.size, row.difference);
        self.0.push(row);
    }

    fn table(
        &self,
        title: &str,
        cell: impl Fn(&Cost) -> String,
        times: impl Fn(&Cost, &Cost) -> f64,
    ) -> Table {
        let columns =
            ["ids", "differ", "ours", "ours, announced", "ours, walk", "negentropy", "iroh-docs"];
        let mut table = Table::new(title, &columns);
        for row in &self.0 {
            let ratio = |cost: &Cost| match times(cost, &row.unannounced) {
                ratio if ratio.is_finite() => format!("{} ({ratio:.1} x)", cell(cost)),
                _ => cell(cost),
            };
            let some = |cost: &Option<Cost>| cost.as_ref().map_or("-".to_owned(), ratio);
            table.row([
                row.size.to_owned(),
                grouped(row.difference),
                cell(&row.unannounced),
                cell(&row.announced),
                some(&row.walk),
                ratio(&row.negentropy),
                some(&row.docs),
            ]);
        }
        table
    }

    /// Our time alone, by the size of the sets.
    fn growth(&self) -> Table {
        let mut sizes: Vec<&str> = self.0.iter().map(|row| row.size).collect();
        sizes.dedup();
        let mut columns = vec!["differ"];
        columns.extend(&sizes);
        columns.push("last / first");
        let mut table = Table::new("Our time by the size of the sets (microseconds)", &columns);
        let mut differences: Vec<u64> = self.0.iter().map(|row| row.difference).collect();
        differences.sort_unstable();
        differences.dedup();
        for difference in differences {
            let rows = self.0.iter().filter(|row| row.difference == difference);
            let times: Vec<f64> = rows.map(|row| micros(row.unannounced.time)).collect();
            let ratio =
                times.last().zip(times.first()).map_or(f64::NAN, |(last, first)| last / first);
            let cells = times.iter().map(|time| format!("{time:.0}"));
            table
                .row([grouped(difference)].into_iter().chain(cells).chain([format!("{ratio:.2}")]));
        }
        table
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let bytes = self.table(
            "Bytes / flights",
            |cost| format!("{} / {}", grouped(cost.bytes), cost.flights),
            |cost, ours| cost.bytes as f64 / ours.bytes as f64,
        );
        let time = self.table(
            "Time of the thread, both sides together (microseconds)",
            |cost| format!("{:.0}", micros(cost.time)),
            |cost, ours| micros(cost.time) / micros(ours.time),
        );
        write!(f, "{bytes}\n{time}\n{}", self.growth())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let parts = rest.as_bytes().chunks(3).map(|part| String::from_utf8_lossy(part).into_owned());
    let first = (!first.is_empty()).then(|| first.to_owned());
    first.into_iter().chain(parts).collect::<Vec<_>>().join(",")
}
