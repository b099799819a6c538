//! What this node holds for others.

use catalog::profile::Profile;
use catalog::size::ByteSize;
use catalog_mirror::filter::{Filter, Pattern};
use serde::{Deserialize, Serialize};

use super::super::blame::Blame;
use super::super::code::Code;
use super::super::failure::Failure;
use super::super::stream::Reporter;
use super::consume::kind_of;
use super::{Answer, AnswerAtLength, LongRequest, Request, publisher, read, reference};
use crate::Node;
use crate::fetch::TransferProgress;
use crate::mirror::{Added, Dropped, Held, Mode, Overview, Plan, Reasons};

/// What a mirror holds, in the words that people type; an empty field asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MirrorOnly {
    /// Only of these publishers: petnames or ids.
    #[serde(default)]
    pub publishers: Vec<String>,
    /// Only packages of these kinds.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Only releases with one of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Only packages of these names, with `*` for anything, and with their publisher in front or not.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Only the variants that such machines would choose.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Only variants with these ids.
    #[serde(default)]
    pub variants: Vec<String>,
}

impl MirrorOnly {
    /// The filter that is meant; `None` when nothing is asked.
    fn filter(self, node: &Node) -> Result<Option<Filter>, Failure> {
        if self == Self::default() {
            return Ok(None);
        }
        let mut filter = Filter::default();
        for text in &self.publishers {
            filter.publishers.insert(publisher(node, text)?);
        }
        for text in &self.kinds {
            filter.kinds.insert(kind_of(text)?);
        }
        filter.tags.extend(self.tags);
        for text in &self.packages {
            // A petname means somebody here only; others are told whom.
            let exact = match text.split_once('/') {
                Some((who, name)) if !who.contains('*') => {
                    format!("{}/{name}", publisher(node, who)?)
                }
                _ => text.clone(),
            };
            filter.packages.insert(read::<Pattern>("a pattern for packages", &exact, Code::USAGE)?);
        }
        filter.profiles = self.profiles;
        for text in &self.variants {
            filter.variants.insert(read("the id of a variant", text, Code::NAME)?);
        }
        Ok(Some(filter))
    }
}

/// Begins to mirror, or ends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MirrorMode {
    /// What is held besides what was added by hand.
    pub mode: Mode,
    /// What may be held; what the settings say when it asks nothing.
    #[serde(default)]
    pub only: MirrorOnly,
    /// How much room there is; what the settings say when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<ByteSize>,
}

impl Request for MirrorMode {
    const NAME: &'static str = "mirror/mode";
    type Reply = Overview;
}

impl Answer for MirrorMode {
    async fn answer(self, node: &Node) -> Result<Overview, Failure> {
        let filter = self.only.filter(node)?;
        node.mirror_as(self.mode, filter, self.budget).await.map_err(|error| error.blame())?;
        node.mirror_overview().await.map_err(|error| error.blame())
    }
}

/// Fetches a package and holds it until it is dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MirrorAdd {
    /// The package; all its variants, unless one is named.
    pub reference: String,
    /// Only the variants that such machines would choose.
    #[serde(default)]
    pub profiles: Vec<Profile>,
}

impl Request for MirrorAdd {
    const NAME: &'static str = "mirror/add";
    type Reply = Added;
}

impl LongRequest for MirrorAdd {
    type Progress = TransferProgress;
}

impl AnswerAtLength for MirrorAdd {
    async fn answer(self, node: Node, reporter: Reporter) -> Result<Added, Failure> {
        let reference = reference(&self.reference)?;
        let on = move |event| reporter.report(event);
        node.mirror_add(&reference, self.profiles, on).await.map_err(|error| error.blame())
    }
}

/// Holds a package no longer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MirrorDrop {
    /// The package; every version of it unless one is named, and every variant.
    pub reference: String,
}

impl Request for MirrorDrop {
    const NAME: &'static str = "mirror/drop";
    type Reply = Dropped;
}

impl Answer for MirrorDrop {
    async fn answer(self, node: &Node) -> Result<Dropped, Failure> {
        let reference = reference(&self.reference)?;
        node.mirror_drop(&reference).await.map_err(|error| error.blame())
    }
}

/// Lists what is held for others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MirrorList {}

impl Request for MirrorList {
    const NAME: &'static str = "mirror/list";
    type Reply = Vec<Held>;
}

impl Answer for MirrorList {
    async fn answer(self, node: &Node) -> Result<Vec<Held>, Failure> {
        node.mirror_list().await.map_err(|error| error.blame())
    }
}

/// Tells how the mirror is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MirrorStatus {}

impl Request for MirrorStatus {
    const NAME: &'static str = "mirror/status";
    type Reply = Overview;
}

impl Answer for MirrorStatus {
    async fn answer(self, node: &Node) -> Result<Overview, Failure> {
        node.mirror_overview().await.map_err(|error| error.blame())
    }
}

/// Tells what would be fetched and dropped next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MirrorPlan {}

impl Request for MirrorPlan {
    const NAME: &'static str = "mirror/plan";
    type Reply = Plan;
}

impl Answer for MirrorPlan {
    async fn answer(self, node: &Node) -> Result<Plan, Failure> {
        node.mirror_plan().await.map_err(|error| error.blame())
    }
}

/// Tells why a package is mirrored here, or is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MirrorExplain {
    /// The package.
    pub reference: String,
}

impl Request for MirrorExplain {
    const NAME: &'static str = "mirror/explain";
    type Reply = Vec<Reasons>;
}

impl Answer for MirrorExplain {
    async fn answer(self, node: &Node) -> Result<Vec<Reasons>, Failure> {
        let reference = reference(&self.reference)?;
        node.mirror_explain(&reference).await.map_err(|error| error.blame())
    }
}
