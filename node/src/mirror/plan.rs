//! Shows people what a mirror holds, what it would do next, and why.

use std::collections::BTreeSet;

use catalog::digest::Digest;
use catalog::name::{Region, VariantId};
use catalog::permission::NodeId;
use catalog::reference::Reference;
use catalog::release::ReleaseId;
use catalog::size::ByteSize;
use catalog::store::StoreError;
use catalog::time::Timestamp;
use catalog_mirror::explain::{Term, explain};
use catalog_mirror::filter::Filter;
use catalog_mirror::keeper::{self, Cause, Farewell};
use catalog_mirror::placement::Class;
use catalog_mirror::unit::Unit;
use serde::{Deserialize, Serialize};

use super::{MirrorError, Mode};
use crate::blocking::blocking;
use crate::node::{Inner, Node};
use crate::shown;

/// The most orders that are shown.
const ORDERS_MAX: usize = 200;

/// How a mirror is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// What is held besides what was added by hand.
    pub mode: Mode,
    /// What may be held, in words; none for everything.
    pub only: Vec<String>,
    /// Where this node says that it is.
    pub region: Option<Region>,
    /// By what it is decided which copies there should be.
    pub strategy: String,
    /// How many copies of everything there should be at least.
    pub factor: u8,
    /// Whether it is asked when nobody else is enough.
    pub backbone: bool,
    /// How much room copies may take.
    pub budget: ByteSize,
    /// How much they take.
    pub used: ByteSize,
    /// How many contents are held.
    pub held: u64,
    /// How many of them were added by hand.
    pub pinned: u64,
    /// How many of them are not whole.
    pub damaged: u64,
    /// How many should be here and are not.
    pub missing: u64,
    /// Their size.
    pub missing_bytes: ByteSize,
    /// When it was last decided; `None` while the node does not serve.
    pub decided: Option<Timestamp>,
    /// How long that took.
    pub decided_us: u64,
    /// How often it was decided since the node began.
    pub decisions: u64,
    /// What came over the wire for others since the node began.
    pub bytes_fetched: u64,
    /// Copies that were made because others were lost.
    pub repairs: u64,
    /// Copies that were given up.
    pub evictions: u64,
    /// What could not be fetched, and why.
    pub troubles: Vec<String>,
    /// The other mirrors that are known.
    pub mirrors: Vec<OtherMirror>,
}

/// Another mirror, as it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherMirror {
    /// Who.
    pub node: NodeId,
    /// Where it says that it is.
    pub region: Option<Region>,
    /// How much it would hold.
    pub capacity: ByteSize,
    /// How much it holds.
    pub used: ByteSize,
    /// Whether it is asked when nobody else is enough.
    pub backbone: bool,
    /// Whether it holds only some packages or variants.
    pub selective: bool,
}

/// What would be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is held besides what was added by hand.
    pub mode: Mode,
    /// What would be done, in this order.
    pub orders: Vec<Order>,
    /// How many more there are.
    pub more: u64,
    /// How much room copies take.
    pub used: ByteSize,
    /// How much they may take.
    pub budget: ByteSize,
}

/// One thing that would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What.
    pub deed: Deed,
    /// With which release.
    pub reference: String,
    /// With which variant of it.
    pub variant: VariantId,
    /// The content root.
    pub root: Digest,
    /// Its size.
    pub bytes: ByteSize,
    /// How many copies there are, as far as is known.
    pub copies: u64,
    /// How many there should be.
    pub wanted: u64,
    /// Why.
    pub why: String,
}

/// What would be done with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It would be fetched.
    Fetch,
    /// It would be given up.
    Drop,
    /// It would be fetched, but something else comes first.
    Wait,
}

/// Why a content is held here, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons {
    /// A release that has it.
    pub reference: String,
    /// The variant of it.
    pub variant: VariantId,
    /// The content root.
    pub root: Digest,
    /// Its size.
    pub bytes: ByteSize,
    /// Whether it is held.
    pub held: bool,
    /// Whether a person added it.
    pub pinned: bool,
    /// Whether it should be held.
    pub wanted: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// Who else says that it holds it.
    pub holders: Vec<NodeId>,
    /// Every term of the decision.
    pub terms: Vec<Term>,
}

impl Node {
    /// How the mirror is, and the others that are known.
    ///
    /// # Errors
    /// [`MirrorError`] when the store cannot be read.
    pub async fn mirror_overview(&self) -> Result<Overview, MirrorError> {
        let inner = self.0.clone();
        blocking(move || inner.overview()).await
    }

    /// What would be done next. Nothing is.
    ///
    /// # Errors
    /// [`MirrorError`] when the store cannot be read.
    pub async fn mirror_plan(&self) -> Result<Plan, MirrorError> {
        let inner = self.0.clone();
        blocking(move || inner.plan()).await
    }

    /// Why the contents of a release are held for others here, or are not.
    ///
    /// # Errors
    /// [`MirrorError::Choose`] when the reference means nothing.
    pub async fn mirror_explain(&self, reference: &Reference) -> Result<Vec<Reasons>, MirrorError> {
        let found = self.find(reference).await?;
        let (inner, reference) = (self.0.clone(), reference.clone());
        blocking(move || inner.explain_mirror(&reference, found.row.id)).await
    }
}

impl Inner {
    fn overview(&self) -> Result<Overview, MirrorError> {
        let works = self.mirror.works().clone();
        let mut mind = self.mirror_mind()?;
        mind.decide();
        let mut troubles = Vec::new();
        for (root, why) in &works.troubles {
            let unit = mind.unit(root);
            let name = unit.as_ref().map(|unit| self.name_of(unit)).transpose()?.flatten();
            let name = name.map(|(reference, variant)| format!("{reference}#{variant}"));
            troubles.push(format!("{}: {why}", name.unwrap_or_else(|| root.to_string())));
        }
        let (terms, missing) = (self.config.mirror(), mind.missing());
        let mirrors = mind.mirrors().into_iter().map(|(node, mirror)| OtherMirror {
            node,
            region: mirror.lease.region.clone(),
            capacity: mirror.lease.capacity,
            used: mirror.lease.used,
            backbone: mirror.lease.backbone,
            selective: mirror.lease.filter.is_some(),
        });
        Ok(Overview {
            mode: mind.decided.mode,
            only: self.words(mind.filter())?,
            region: self.config.region().cloned(),
            strategy: terms.strategy.as_str().to_owned(),
            factor: terms.factor,
            backbone: terms.backbone,
            budget: mind.budget(),
            used: mind.used(),
            held: mind.held.len() as u64,
            pinned: mind.decided.pins.len() as u64,
            damaged: mind.held.values().filter(|kept| !kept.whole).count() as u64,
            missing: missing.len() as u64,
            missing_bytes: missing.iter().map(|unit| unit.bytes).sum(),
            decided: works.decided,
            decided_us: works.took.as_micros() as u64,
            decisions: works.decisions,
            bytes_fetched: works.bytes_fetched,
            repairs: works.repairs,
            evictions: works.evictions,
            troubles,
            mirrors: mirrors.collect(),
        })
    }

    /// A filter in the words in which it was written.
    fn words(&self, filter: &Filter) -> Result<Vec<String>, StoreError> {
        let mut words = Vec::new();
        for publisher in &filter.publishers {
            let petname = self.store.petname(publisher)?;
            let name = petname.map_or_else(|| publisher.to_string(), |name| name.to_string());
            words.push(format!("publisher:{name}"));
        }
        words.extend(filter.kinds.iter().map(|kind| format!("kind:{kind}")));
        words.extend(filter.tags.iter().map(|tag| format!("tag:{tag}")));
        words.extend(filter.packages.iter().map(|pattern| format!("package:{pattern}")));
        words.extend(filter.except.iter().map(|pattern| format!("not:{pattern}")));
        words.extend(filter.profiles.iter().map(|profile| format!("profile:{}", profile.name())));
        words.extend(filter.variants.iter().map(|variant| format!("variant:{variant}")));
        Ok(words)
    }

    /// The release and variant that a unit is shown as.
    fn name_of(&self, unit: &Unit) -> Result<Option<(String, VariantId)>, StoreError> {
        let Some(offer) = unit.offers.first() else { return Ok(None) };
        let (package, version) = (&offer.subject.package, &offer.subject.version);
        let reference = shown::release(&self.store, package, version)?;
        Ok(Some((reference, offer.variant.clone())))
    }

    fn plan(&self) -> Result<Plan, MirrorError> {
        let mut mind = self.mirror_mind()?;
        mind.decide();
        let mut deeds = Vec::new();
        while let Some(order) = mind.next_order() {
            match order {
                keeper::Order::Fetch { root, cause, .. } => {
                    deeds.push((Deed::Fetch, root, because(&cause)));
                }
                keeper::Order::Evict { root, why } => deeds.push((Deed::Drop, root, farewell(why))),
                keeper::Order::Probe { .. } => {}
            }
        }
        let ordered: BTreeSet<Digest> = deeds.iter().map(|(_, root, _)| *root).collect();
        for unit in mind.missing() {
            if !ordered.contains(&unit.root) {
                deeds.push((Deed::Wait, unit.root, "others come first"));
            }
        }
        let mut orders = Vec::new();
        for (deed, root, why) in deeds.iter().take(ORDERS_MAX) {
            let Some(unit) = mind.unit(root) else { continue };
            let Some((reference, variant)) = self.name_of(&unit)? else { continue };
            orders.push(Order {
                deed: *deed,
                reference,
                variant,
                root: *root,
                bytes: unit.bytes,
                copies: mind.others(root).len() as u64 + u64::from(mind.has(root)),
                wanted: mind.planner().copies(root) as u64,
                why: (*why).to_owned(),
            });
        }
        Ok(Plan {
            mode: mind.decided.mode,
            more: (deeds.len() - orders.len()) as u64,
            orders,
            used: mind.used(),
            budget: mind.budget(),
        })
    }

    fn explain_mirror(
        &self,
        reference: &Reference,
        id: ReleaseId,
    ) -> Result<Vec<Reasons>, MirrorError> {
        let mut mind = self.mirror_mind()?;
        mind.decide();
        let release = self.release(&id)?;
        let shown = shown::release(&self.store, &release.package(), &release.version)?;
        let mut all = Vec::new();
        for variant in &release.variants {
            let root = &variant.root;
            if reference.variant.as_ref().is_some_and(|only| *only != variant.id) {
                continue;
            }
            let explanation = explain(mind.planner(), root, &self.id);
            let holders = mind.others(root);
            let mut terms = Vec::new();
            terms.extend(holders.iter().map(|node| Term {
                name: "copy".to_owned(),
                value: 1,
                words: format!("mirror {} says that it holds it", node.short()),
            }));
            let reason = match &explanation {
                None => "it was withdrawn, or is not for everybody".to_owned(),
                Some(explanation) => {
                    terms.extend(explanation.terms.clone());
                    explanation.reason.clone()
                }
            };
            all.push(Reasons {
                reference: shown.clone(),
                variant: variant.id.clone(),
                root: *root,
                bytes: variant.size,
                held: mind.has(root),
                pinned: mind.decided.pins.contains_key(root),
                wanted: mind.wants(root),
                reason,
                holders,
                terms,
            });
        }
        Ok(all)
    }
}

/// Why something is fetched.
fn because(cause: &Cause) -> &'static str {
    match cause {
        Cause::Pin => "added by hand, or let through",
        Cause::Prefetch => "it will be asked for soon",
        Cause::Repair(_) => "a mirror that held it is gone",
        Cause::Duty(why) => match why.class {
            Class::Base => "everything has so many copies",
            Class::Region => "asked for in this region",
            Class::Hot => "asked for much here",
            Class::Wish => "its publisher would like it",
            Class::Backbone => "the last resort holds everything",
        },
    }
}

/// Why something is given up.
fn farewell(why: Farewell) -> &'static str {
    match why {
        Farewell::Surplus => "there are enough without it",
        Farewell::Room => "its room is needed",
    }
}
