//! Keeping a node in order.

use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::failure::Failure;
use super::super::serve::Http;
use super::super::stream::Reporter;
use super::{Answer, AnswerAtLength, LongRequest, Request};
use crate::Node;
use crate::credits;
use crate::gc::GcReport;
use crate::reindex::{IndexProgress, Rebuilt};
use crate::stats;
use crate::status::{self, Checkup};
use crate::verify::{VerifyProgress, VerifyReport};

/// Re-hashes everything that is kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Verify {
    /// Whether to fetch what is damaged again.
    pub repair: bool,
}

impl Request for Verify {
    const NAME: &'static str = "verify";
    type Reply = VerifyReport;
}

impl LongRequest for Verify {
    type Progress = VerifyProgress;
}

impl AnswerAtLength for Verify {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<VerifyReport, Failure> {
        let mut verify = node.verify().progress(move |event| reporter.report(event));
        if self.repair {
            verify = verify.repair();
        }
        verify.await.map_err(|error| error.blame())
    }
}

/// Deletes what nothing needs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Gc {
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Request for Gc {
    const NAME: &'static str = "gc";
    type Reply = GcReport;
}

impl Answer for Gc {
    async fn answer(self, node: &Node) -> Result<GcReport, Failure> {
        node.gc(self.dry_run).await.map_err(|error| error.blame())
    }
}

/// Builds the search index anew.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct IndexRebuild {}

impl Request for IndexRebuild {
    const NAME: &'static str = "index-rebuild";
    type Reply = Rebuilt;
}

impl LongRequest for IndexRebuild {
    type Progress = IndexProgress;
}

impl AnswerAtLength for IndexRebuild {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Rebuilt, Failure> {
        let rebuilt = node.rebuild_index(move |progress| reporter.report(progress)).await;
        rebuilt.map_err(|error| error.blame())
    }
}

/// Says how the node is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Status {}

impl Request for Status {
    const NAME: &'static str = "status";
    type Reply = status::Status;
}

impl Answer for Status {
    async fn answer(self, node: &Node) -> Result<status::Status, Failure> {
        let status = node.status().await.map_err(|error| error.blame())?;
        node.remember_root(status.catalog_root).await.map_err(|error| error.blame())?;
        Ok(status)
    }
}

/// Says what the node gives and takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stats {}

impl Request for Stats {
    const NAME: &'static str = "stats";
    type Reply = stats::Stats;
}

impl Answer for Stats {
    async fn answer(self, node: &Node) -> Result<stats::Stats, Failure> {
        node.stats().await.map_err(|error| error.blame())
    }
}

/// Draws a statement of account.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Credits {}

impl Request for Credits {
    const NAME: &'static str = "credits";
    type Reply = credits::Credits;
}

impl Answer for Credits {
    async fn answer(self, node: &Node) -> Result<credits::Credits, Failure> {
        node.credits().await.map_err(|error| error.blame())
    }
}

/// Looks at what commonly goes wrong.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Doctor {}

impl Request for Doctor {
    const NAME: &'static str = "doctor";
    type Reply = Vec<Checkup>;
}

impl Answer for Doctor {
    async fn answer(self, node: &Node) -> Result<Vec<Checkup>, Failure> {
        Ok(node.doctor().await)
    }
}

/// Says where the running node serves HTTP.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Served {}

impl Request for Served {
    const NAME: &'static str = "served";
    type Reply = Option<Http>;
}

/// Ends the running node in good order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stop {}

impl Request for Stop {
    const NAME: &'static str = "stop";
    type Reply = ();
}
