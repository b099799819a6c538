//! Finds those who say that they hold a content, also where nobody gave us their ticket.
//!
//! What a mirror says is a hint of whom to ask: it proves its key when it is dialled, and every
//! byte that it sends. A liar costs one dial. How many are asked on hearsay is bounded, and so is
//! where they may lead.

use std::net::SocketAddr;

use catalog::digest::Digest;
use catalog::name::Region;
use catalog::permission::NodeId;
use catalog::register::RegisterName;
use catalog::store::StoreError;
use catalog_mirror::holdings::{Directory, Page, PageNumber};
use catalog_mirror::lease::{self, Lease};

use super::address::{self, Standpoint};
use crate::node::{Inner, now};
use crate::peers::Candidate;

/// The most nodes that are asked for one content only because they say that they hold it.
const HEARSAY_MAX: usize = 16;

/// A mirror that says that it holds a content.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub node: NodeId,
    /// Where it says that it can be reached.
    pub addrs: Vec<SocketAddr>,
    /// Where it says that it is.
    pub region: Option<Region>,
    /// Whether it says that it is the last resort.
    pub is_backbone: bool,
}

impl Inner {
    /// The mirrors that say that they hold a content, by id; ourselves left out.
    pub(crate) fn holders(&self, root: &Digest) -> Result<Vec<Holder>, StoreError> {
        let (number, now) = (PageNumber::of(root), now());
        let mut directory = Directory::new();
        let mut holders = Vec::new();
        for said in self.store.registers(&number.register(), now)? {
            match Page::decode(&said.value) {
                Ok(page) if said.node != self.id => directory.set(said.node, number, page),
                _ => continue,
            }
            let Some(lease) = self.lease_of(&said.node)? else { continue };
            if !directory.holds(&said.node, lease.generation, root) {
                continue;
            }
            holders.push(Holder {
                node: said.node,
                addrs: self.addresses_of(&said.node)?,
                region: lease.region,
                is_backbone: lease.backbone,
            });
        }
        Ok(holders)
    }

    /// The lease of a mirror, while it holds.
    pub(super) fn lease_of(&self, node: &NodeId) -> Result<Option<Lease>, StoreError> {
        let said = self.store.register(&lease_name(), node)?;
        let said = said.filter(|said| said.expires > now());
        Ok(said.and_then(|said| Lease::decode(&said.value).ok()))
    }

    /// Where a mirror says that it can be reached.
    pub(super) fn addresses_of(&self, node: &NodeId) -> Result<Vec<SocketAddr>, StoreError> {
        let from = Standpoint::of(&self.config.listen_addr());
        let said = self.store.register(&address_name(), node)?;
        let said = said.filter(|said| said.expires > now());
        Ok(said.and_then(|said| address::decode(&said.value, from).ok()).unwrap_or_default())
    }

    /// Everybody who may be asked for these contents: who is known, and who says to hold one.
    pub(crate) fn candidates_for(
        &self,
        roots: &[Digest],
    ) -> Result<(Vec<Candidate>, Vec<Holder>), StoreError> {
        let mut candidates = self.candidates()?;
        let mut holders: Vec<Holder> = Vec::new();
        for root in roots {
            for holder in self.holders(root)? {
                if holders.iter().all(|known| known.node != holder.node) {
                    holders.push(holder);
                }
            }
        }
        // Those of our own region first, where there are more than may be asked.
        let here = self.config.region();
        holders.sort_by_key(|holder| here.is_none() || holder.region.as_ref() != here);
        let mut hearsay = 0;
        for holder in &holders {
            match candidates.iter_mut().find(|candidate| candidate.node == holder.node) {
                // What it signed itself may be newer than the ticket that was typed once.
                Some(candidate) => {
                    candidate.addrs.extend(&holder.addrs);
                    candidate.addrs.sort_unstable();
                    candidate.addrs.dedup();
                }
                None if hearsay < HEARSAY_MAX && !holder.addrs.is_empty() => {
                    hearsay += 1;
                    let (node, addrs) = (holder.node, holder.addrs.clone());
                    candidates.push(Candidate { node, addrs });
                }
                None => {}
            }
        }
        Ok((candidates, holders))
    }
}

pub(super) fn lease_name() -> RegisterName {
    lease::NAME.parse().expect("the name has the form of one")
}

pub(super) fn address_name() -> RegisterName {
    address::NAME.parse().expect("the name has the form of one")
}
