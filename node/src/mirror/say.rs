//! Tells others that this mirror is there, where, and what it holds.
//!
//! Four sorts of registers: the lease, what may be held at all, the address, and sixteen pages of
//! holdings, of which only those that changed are said again. Guarantees: what is said to be held
//! is here, whole, and everybody may read it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::register::RegisterName;
use catalog::size::ByteSize;
use catalog::store::HoldReason;
use catalog_mirror::filter;
use catalog_mirror::holdings::{self, Holdings, PageNumber};
use catalog_mirror::lease::Lease;
use catalog_mirror::strategy::Measured;

use super::MirrorError;
use super::address::{self, Standpoint};
use super::holders::{address_name, lease_name};
use crate::blocking::blocking;
use crate::node::{Inner, now};
use crate::registers::SayError;

/// What is said at a time.
pub(super) struct Statement {
    /// Whether anything is held for others, or would be.
    pub is_mirror: bool,
    /// How much this node is willing to hold; nothing when it is no mirror any more.
    pub capacity: ByteSize,
    pub used: ByteSize,
    pub filter: filter::Filter,
    pub measured: Measured,
}

/// What this process says.
#[derive(Default)]
pub(super) struct Voice {
    /// The generation of the lease; one more than that of the process before.
    generation: Option<u64>,
}

impl Voice {
    /// Says whatever is not said yet, or not for long enough any more.
    pub(super) async fn say(
        &mut self,
        inner: &Arc<Inner>,
        statement: Statement,
    ) -> Result<(), MirrorError> {
        let generation = match self.generation {
            Some(generation) => generation,
            None => {
                // What was said before the last start may not be here any more.
                let last = inner.store.register(&lease_name(), &inner.id)?;
                let last = last.and_then(|last| Lease::decode(&last.value).ok());
                *self.generation.insert(last.map_or(1, |lease| lease.generation + 1))
            }
        };
        let node = inner.clone();
        let holdings = Holdings::new(generation, blocking(move || node.offered()).await?);
        let filter = statement.filter.digest().ok().flatten();
        if filter.is_some()
            && let Ok(value) = statement.filter.encode()
        {
            let name = filter::NAME.parse().expect("the name has the form of one");
            inner.say_for(&name, value, holdings::LIFE).await?;
        }
        let standpoint = Standpoint::of(&inner.config.listen_addr());
        let addrs = inner.open_net().map(|net| net.addrs()).unwrap_or_default();
        let value = address::encode(&addrs, standpoint);
        inner.say_for(&address_name(), value, holdings::LIFE).await?;
        for number in PageNumber::all() {
            let value = holdings.page(number).encode();
            inner.say_for(&number.register(), value, holdings::LIFE).await?;
        }
        // The lease comes last: what it stands for has been said.
        let lease = Lease {
            region: inner.config.region().cloned(),
            capacity: statement.capacity,
            used: statement.used,
            backbone: inner.config.mirror().backbone,
            generation,
            filter,
            measured: statement.measured,
        };
        let life = inner.config.mirror().lease;
        Ok(inner.say_for(&lease_name(), lease.encode(), life).await?)
    }
}

impl Inner {
    /// The contents that anybody gets here, whole: those that are held for others, and our own.
    fn offered(&self) -> Result<BTreeSet<Digest>, catalog::store::StoreError> {
        let (mut offered, mut partial) = (BTreeSet::new(), BTreeSet::new());
        for hold in self.store.holds()? {
            match hold.reason {
                HoldReason::Mirrored => drop(offered.insert(hold.root)),
                HoldReason::Published if self.is_public(&hold.root)? => {
                    offered.insert(hold.root);
                }
                HoldReason::Partial => drop(partial.insert(hold.root)),
                _ => {}
            }
        }
        Ok(offered.difference(&partial).copied().collect())
    }

    fn is_public(&self, root: &Digest) -> Result<bool, catalog::store::StoreError> {
        for (id, _) in self.store.release_of_root(root)? {
            let release = self.store.release(&id)?;
            if release.is_some_and(|release| release.permission.is_open()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says `value`, unless it is said already and holds for two thirds of `life` at least.
    pub(super) async fn say_for(
        &self,
        name: &RegisterName,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<(), SayError> {
        let last = self.store.register(name, &self.id)?;
        let holds = last.is_some_and(|last| {
            let left = last.expires.since(now());
            last.value == value && left > life / 3 * 2
        });
        match holds {
            true => Ok(()),
            false => self.say(name, value, life).await,
        }
    }
}
