//! What is known of everybody who may be asked for contents, and in which order they are asked.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use catalog::digest::Digest;
use catalog::name::Petname;
use catalog::permission::NodeId;
use catalog::reference::Reference;
use catalog::size::ByteSize;
use catalog::store::{LookupError, StoreError};
use serde::{Deserialize, Serialize};

use crate::endpoint::rtt;
use crate::node::{Inner, Node};
use crate::peers::Candidate;
use crate::shown;
use crate::topology::{self, Distance, Facts, Network, Ranked, Strategy, Term};
use crate::transfer::health::{Circuit, Health};

/// What this node measured of another. It is told to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether it is asked for contents.
    pub standing: Standing,
    /// How long a packet takes there and back, in microseconds.
    pub rtt_us: Option<u64>,
    /// What it last delivered in a second.
    pub rate: Option<ByteSize>,
    /// What it is offered, as it says, of what it can serve.
    pub load_percent: Option<u8>,
    /// How well it does on the whole: 100 is near, fresh and without a failure.
    pub health_percent: u8,
}

/// Whether a node is asked for contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was not asked yet.
    Untried,
    /// It delivers.
    Good,
    /// It failed, and may show itself with one request.
    OnTrial,
    /// It failed, and has to wait.
    Paused,
    /// It sent wrong bytes; it is left alone for a day.
    Banned,
}

/// Everybody who would be asked for a package, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// The release: `acme/graphdb@1.4.0`.
    pub reference: String,
    /// By what they are in this order.
    pub strategy: Strategy,
    /// Who has the package is known only when it is asked.
    pub sources: Vec<Source>,
}

/// One of those who would be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Who.
    pub node: NodeId,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// In which round it is called, from 1: later rounds wait until those before are not enough.
    pub round: u64,
    /// How much of what it could be asked ahead it is asked, in percent.
    pub share_percent: u64,
    /// What was measured.
    pub measured: Measured,
    /// The product of the terms.
    pub score: f64,
    /// What the score is made of.
    pub terms: Vec<Term>,
}

impl Node {
    /// Who would be asked for a release, in which order, and why.
    ///
    /// - `strategy`: the one of this node when absent.
    ///
    /// # Errors
    /// [`LookupError`] when the reference means nothing here.
    pub async fn sources(
        &self,
        reference: &Reference,
        strategy: Option<Strategy>,
    ) -> Result<Sources, LookupError> {
        let inner = &self.0;
        let found = self.find(reference).await?;
        let strategy = strategy.unwrap_or(inner.config.strategy());
        let release = inner.release(&found.row.id)?;
        let roots: Vec<Digest> = release.variants.iter().map(|variant| variant.root).collect();
        let ranked = inner.ranked(strategy, &roots)?;
        let mut sources = Vec::new();
        for (candidate, ranked) in ranked {
            let row = inner.store.peer(&candidate.node)?;
            sources.push(Source {
                node: candidate.node,
                alias: row.and_then(|row| row.alias),
                round: u64::from(ranked.duty.tier) + 1,
                share_percent: (ranked.duty.share * 100.0).round() as u64,
                measured: inner.measured(&candidate.node),
                score: ranked.score,
                terms: ranked.terms,
            });
        }
        let reference = shown::release(&inner.store, &found.package, &found.row.version)?;
        Ok(Sources { reference, strategy, sources })
    }
}

impl Inner {
    /// Everybody who may be asked for contents, in the order in which they are.
    ///
    /// - `roots`: the contents. Mirrors that say that they hold one of them are asked, too.
    pub(crate) fn ranked(
        self: &Arc<Self>,
        strategy: Strategy,
        roots: &[Digest],
    ) -> Result<Vec<(Candidate, Ranked)>, StoreError> {
        let (candidates, holders) = self.candidates_for(roots)?;
        let said = self.said()?;
        let facts: Vec<Facts> = candidates
            .iter()
            .map(|candidate| {
                let addr = candidate.addrs.first().map(|addr| addr.ip());
                let said = said.iter().find(|said| said.node == candidate.node);
                let holder = holders.iter().find(|holder| holder.node == candidate.node);
                let region = said.and_then(|said| said.region.clone());
                let configured = self.config.backbones().contains(&candidate.node);
                Facts {
                    node: candidate.node,
                    health: self.health(&candidate.node),
                    distance: self.distance(&candidate.node, addr),
                    network: addr.map(Network::of),
                    region: region.or_else(|| holder.and_then(|holder| holder.region.clone())),
                    is_backbone: configured || holder.is_some_and(|holder| holder.is_backbone),
                }
            })
            .collect();
        let ranked = topology::rank(strategy, self.config.region(), &facts, self.uptime());
        Ok(ranked.into_iter().map(|ranked| (candidates[ranked.at].clone(), ranked)).collect())
    }

    /// What was experienced with a node, and what an open conversation with it shows.
    fn health(&self, node: &NodeId) -> Health {
        let mut health = self.experience.of(node);
        if let Some(link) = self.links.get(node) {
            health.rtt = rtt(&link.connection).or(health.rtt);
            health.heard = Some(self.uptime());
        }
        health
    }

    fn distance(&self, node: &NodeId, addr: Option<IpAddr>) -> Distance {
        let is_local = |addr: IpAddr| match addr.to_canonical() {
            IpAddr::V4(addr) => addr.is_private() || addr.is_link_local(),
            IpAddr::V6(addr) => addr.is_unique_local() || addr.is_unicast_link_local(),
        };
        match addr {
            Some(addr) if addr.to_canonical().is_loopback() => Distance::Machine,
            Some(addr) if is_local(addr) => Distance::Lan,
            _ if self.lan.is_known(node) => Distance::Lan,
            _ => Distance::Elsewhere,
        }
    }

    pub(crate) fn measured(&self, node: &NodeId) -> Measured {
        let (health, now) = (self.health(node), self.uptime());
        let standing = match health.circuit(now) {
            Circuit::Closed if health.rate.is_none() => Standing::Untried,
            Circuit::Closed => Standing::Good,
            Circuit::HalfOpen => Standing::OnTrial,
            Circuit::Open => Standing::Paused,
            Circuit::Banned => Standing::Banned,
        };
        let percent = |share: f64| (share * 100.0).round().clamp(0.0, 100.0) as u8;
        Measured {
            standing,
            rtt_us: health.rtt.map(|rtt: Duration| rtt.as_micros() as u64),
            rate: health.rate.map(|rate| ByteSize::bytes(rate as u64)),
            load_percent: health.load.map(percent),
            health_percent: percent(topology::health(&health, now)),
        }
    }
}
