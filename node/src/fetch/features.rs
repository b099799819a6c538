//! Writes down what forecasts are made from, and what became of each provider, for models to come.
//! Only where it was asked for: it says with whom this node was in touch, and when.
//!
//! Guarantees: the file and the one before it have at most [`BYTES_MAX`] each; when it cannot be
//! written, nothing else fails.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::permission::NodeId;
use tracing::debug;

use crate::predict::outlook::Prospect;
use crate::transfer::Parting;

/// Beyond this, the file becomes the one before, and a new one begins.
const BYTES_MAX: u64 = 8 << 20;
/// What the columns are; its first word is the version.
const HEADER: &str =
    "v1,ms,node,event,load,latency_ms,memory,sent,lost,cause,score,silence,share,rate";

/// Where it is written.
#[derive(Debug)]
pub(super) struct Features {
    file: PathBuf,
    rows: String,
}

/// What was seen of a provider, and made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub prospect: Prospect,
    /// Bytes in a second that it delivers.
    pub rate: Option<f64>,
}

impl Features {
    pub(super) fn at(file: &Path) -> Self {
        Self { file: file.to_path_buf(), rows: String::new() }
    }

    /// Notes what was seen of a provider.
    pub(super) fn saw(&mut self, now: Duration, node: NodeId, moment: &Moment) {
        let Moment { prospect, rate } = moment;
        let reading = &prospect.reading;
        let some =
            |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        let latency = reading.latency.map(|latency| latency.as_secs_f64() * 1000.0);
        let packets = reading.packets.unwrap_or_default();
        let row = format!(
            "{},{},{},{},{},{:?},{:.4},{:.4},{:.2},{}",
            some(reading.load),
            some(latency),
            some(reading.memory),
            packets.sent,
            packets.lost,
            prospect.risk.cause,
            prospect.risk.score,
            prospect.silence,
            prospect.share,
            rate.unwrap_or_default() as u64,
        );
        self.row(now, node, "seen", &row);
    }

    /// Notes why a provider is not asked any more: what a model should have known.
    pub(super) fn parted(&mut self, now: Duration, node: NodeId, why: Parting) {
        let event = format!("{why:?}").to_lowercase();
        self.row(now, node, &event, ",,,,,,,,,");
    }

    fn row(&mut self, now: Duration, node: NodeId, event: &str, rest: &str) {
        let (ms, node) = (now.as_millis(), node.short());
        writeln!(self.rows, "v1,{ms},{node},{event},{rest}").ok();
    }

    /// Writes what was noted.
    pub(super) fn write(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return;
        }
        if let Err(error) = append(&self.file, &rows) {
            debug!("features cannot be written: {error}");
        }
    }
}

impl Drop for Features {
    fn drop(&mut self) {
        self.write();
    }
}

fn append(file: &Path, rows: &str) -> io::Result<()> {
    let size = fs::metadata(file).map_or(0, |meta| meta.len());
    let is_full = size + rows.len() as u64 > BYTES_MAX;
    if is_full {
        fs::rename(file, file.with_extension("old"))?;
    }
    let mut open = OpenOptions::new().create(true).append(true).open(file)?;
    if size == 0 || is_full {
        writeln!(open, "{HEADER}")?;
    }
    open.write_all(rows.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::outlook::{Outlook, Sight};

    const NODE: NodeId = NodeId::from_bytes([7; 32]);

    #[test]
    fn every_row_has_the_columns_that_the_header_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("features.csv");
        let mut features = Features::at(&file);
        let sight = Sight { rtt: Some(Duration::from_millis(3)), ..Sight::default() };
        let prospect = Outlook::default().look(Duration::ZERO, Duration::ZERO, &sight);
        features.saw(Duration::from_secs(1), NODE, &Moment { prospect, rate: Some(1e6) });
        features.parted(Duration::from_secs(2), NODE, Parting::Stalled);
        drop(features);
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let columns = |line: &str| line.split(',').count();
        assert!(lines.iter().all(|line| columns(line) == columns(HEADER)), "{text}");
        assert!(lines[1].contains(",seen,") && lines[2].contains(",stalled,"), "{text}");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("features.csv");
        let rows = "x".repeat(3 << 20);
        (0..9).for_each(|_| append(&file, &rows).unwrap());
        let kept: u64 = fs::read_dir(dir.path())
            .unwrap()
            .map(|one| one.unwrap().metadata().unwrap().len())
            .sum();
        assert!(kept <= 2 * BYTES_MAX, "{kept}");
        assert!(fs::read_to_string(&file).unwrap().starts_with(HEADER));
    }
}
