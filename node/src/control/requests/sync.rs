//! Bringing records over, and what came.

use std::time::Duration;

use catalog::PackageKind;
use catalog::permission::NodeId;
use catalog_sync::view::{Platform, Selection, Tag};
use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::peers::known_peer;
use super::{Answer, Request, publisher, read};
use crate::Node;
use crate::changes::{self, Since};
use crate::freshness::Freshness;
use crate::node::now;
use crate::sync::{Strategy, SyncReport, SyncWish};

/// Asks one node, or all, for records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sync {
    /// Its id, the beginning of that, or its alias.
    pub peer: Option<String>,
    /// How; the usual way when absent.
    pub strategy: Option<String>,
    /// Only releases of one of these publishers.
    pub publishers: Vec<String>,
    /// Only packages of one of these kinds.
    pub kinds: Vec<String>,
    /// Only releases with one of these tags.
    pub tags: Vec<String>,
    /// Only releases that run on one of these platforms; `this` is the node's own.
    pub fits: Vec<String>,
    /// Publishers must have spoken for what the peer shows within so many milliseconds.
    pub max_age_ms: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Synced {
    /// One report for each peer.
    pub reports: Vec<SyncReport>,
    /// How fresh the peers are, where that was asked.
    pub freshness: Vec<PeerFreshness>,
    /// The root of the catalog afterwards.
    pub root: catalog::Digest,
}

/// How fresh one peer is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerFreshness {
    /// Whom.
    pub peer: NodeId,
    /// The publishers that are pinned here.
    pub publishers: Vec<Freshness>,
    /// Those of them of whom it shows what is too old.
    pub stale: Vec<String>,
}

impl Request for Sync {
    const NAME: &'static str = "sync";
    type Reply = Synced;
}

impl Sync {
    fn wish(&self, node: &Node) -> Result<SyncWish, Failure> {
        let mut selection = Selection::default();
        for text in &self.publishers {
            selection.publishers.insert(publisher(node, text)?);
        }
        for text in &self.kinds {
            selection.kinds.insert(read::<PackageKind>("a kind of package", text, Code::USAGE)?);
        }
        for text in &self.tags {
            selection.tags.insert(read::<Tag>("a tag", text, Code::USAGE)?);
        }
        for text in &self.fits {
            selection.fits.insert(platform(node, text)?);
        }
        let selects = selection != Selection::default();
        let strategy = match &self.strategy {
            Some(text) => read::<Strategy>("a strategy", text, Code::USAGE)?,
            None if selects => Strategy::Selective,
            None => return Ok(node.0.usual_wish()),
        };
        match (strategy, selects) {
            (Strategy::Selective, false) => {
                Err(Failure::new(Code::USAGE, "a selective sync has to say which releases")
                    .hint("add --tag, --kind, --publisher or --fits"))
            }
            (Strategy::Selective, true) | (_, false) => Ok(SyncWish { strategy, selection }),
            (_, true) => Err(Failure::new(
                Code::USAGE,
                format_args!("a {strategy} sync brings all releases, so none can be selected"),
            )
            .hint("use --strategy selective, or leave the selection out")),
        }
    }
}

fn platform(node: &Node, text: &str) -> Result<Platform, Failure> {
    if text != "this" {
        return read("a platform", text, Code::USAGE);
    }
    let fact = |key: &str| {
        let known = node.profile().known(&key.parse().ok()?);
        known.values.first().map(|value| value.name().to_string())
    };
    let platform = fact("os").zip(fact("cpu.arch"));
    let platform = platform.and_then(|(os, arch)| format!("{os}-{arch}").parse().ok());
    platform.ok_or_else(|| {
        Failure::new(Code::USAGE, "the platform of this machine could not be told")
            .hint("name it: --fits linux-x86_64")
    })
}

impl Answer for Sync {
    async fn answer(self, node: &Node) -> Result<Synced, Failure> {
        let wish = self.wish(node)?;
        let wanted: Option<NodeId> = match &self.peer {
            Some(text) => Some(known_peer(node, text).await?.node),
            None => None,
        };
        let reports = node.sync_as(wanted.as_ref(), &wish).await.map_err(|error| error.blame())?;
        let mut freshness = Vec::new();
        if let Some(age) = self.max_age_ms.map(Duration::from_millis) {
            for report in reports.iter().filter(|report| report.error.is_none()) {
                let publishers =
                    node.freshness(&report.peer).await.map_err(|error| error.blame())?;
                let old = publishers.iter().filter(|fresh| fresh.is_stale(age, now()));
                let stale = old.map(|fresh| match &fresh.petname {
                    Some(petname) => petname.to_string(),
                    None => fresh.publisher.short(),
                });
                let stale = stale.collect();
                freshness.push(PeerFreshness { peer: report.peer, publishers, stale });
            }
        }
        let root = node.0.catalog_root().await.map_err(|error| error.blame())?;
        node.remember_root(root).await.map_err(|error| error.blame())?;
        Ok(Synced { reports, freshness, root })
    }
}

/// Lists what came since some moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The number of a change, or a root of the catalog; from the beginning when absent.
    pub since: Option<String>,
}

impl Request for Changes {
    const NAME: &'static str = "changes";
    type Reply = changes::Changes;
}

impl Answer for Changes {
    async fn answer(self, node: &Node) -> Result<changes::Changes, Failure> {
        let since = match &self.since {
            None => Since::Change(0),
            Some(text) => match (text.parse(), text.parse()) {
                (Ok(root), _) => Since::Root(root),
                (_, Ok(number)) => Since::Change(number),
                _ => {
                    let words = format_args!("{text:?} is neither a change nor a root");
                    return Err(Failure::new(Code::USAGE, words)
                        .hint("catalog status and catalog changes print both"));
                }
            },
        };
        node.changes(since).await.map_err(|error| error.blame())
    }
}
