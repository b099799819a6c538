//! Asks those who say that they hold something for a piece of it, at random.
//!
//! An audit looks like what anybody asks: a range of a file, from a key that nobody knows. The bytes
//! are proven by the hash that the publisher signed, so the auditor needs not hold them. What comes
//! of it is kept in the account (`reliability`), weighs in credits, and is told to nobody.
//!
//! Guarantees: audits cost a thousandth of what moves here, or of a slow line, whichever is more; who
//! is silent is no liar, and who gave a package up since it said that it holds it is asked again
//! before that counts.
//! Not here: what is picked, and what a record is worth (`catalog_mirror::audit`); who says that it
//! holds what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::{NodeId, Permission};
use catalog::register::RegisterName;
use catalog::size::ByteSize;
use catalog::store::StoreError;
use catalog::tree::{TREE_BYTES_MAX, Tree};
use catalog::variant::Variant;
use catalog_mirror::audit::{CHUNK_BYTES, Challenge, Outcome, Picker};
use catalog_mirror::holdings::{Page, PageNumber};
use catalog_mirror::lease::{self, Lease};
use iroh::endpoint::Connection;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;

use crate::access;
use crate::endpoint::{Net, OnlineError, rtt};
use crate::fetch::gauge::Gauge;
use crate::fetch::job::SmallFile;
use crate::fetch::local_tree;
use crate::fetch::provider::{Provider, ProviderError, Work};
use crate::fetch::tally::Tally;
use crate::follow::jittered;
use crate::meter::Count;
use crate::node::{Inner, Node, now};

/// Of what moves here audits have one byte in so many.
const PART: u64 = 1000;
/// So much they have in any case, in a second: a thousandth of 2.4 Mbit/s.
const RATE_MIN: u64 = 300;
/// What an audit costs beside its chunk: proofs, sizes, and its part of a file list.
const EXTRA: u64 = 2 * 1024;
/// Who gave a package up since it said that it holds it has so long to say so.
const DOUBT: Duration = Duration::from_secs(20 * 60);
/// Doubts that are remembered.
const DOUBTS_MAX: usize = 1024;
/// How often it is looked whether audits have a part of the line left.
const EVERY: Duration = Duration::from_secs(60);
/// The most claims that one is chosen from.
const CLAIMS_MAX: usize = 65_536;
/// A file list that takes longer to come is not worth the wait.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Somebody says that it holds something.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub mirror: NodeId,
    pub variant: Variant,
    /// Who may read it: what is not for everybody is asked for under our own name.
    pub permission: Permission,
}

/// What audits cost and what they are in doubt about.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    spent: Mutex<u64>,
    /// When it was first refused what somebody said it holds.
    doubts: Mutex<BTreeMap<(NodeId, Digest), Duration>>,
}

impl Auditor {
    /// Whether there is enough left for one more audit.
    ///
    /// - `moved`: bytes of contents that moved since the node began, both ways.
    pub(crate) fn may(&self, uptime: Duration, moved: u64) -> bool {
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = RATE_MIN * uptime.as_secs();
        spent + CHUNK_BYTES + EXTRA <= (moved / PART).max(floor)
    }

    fn spend(&self, bytes: u64) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    /// Takes note that a node refused all of what it said it holds. Answers whether it had time to
    /// say that it does not.
    fn doubt(&self, now: Duration, mirror: NodeId, root: Digest) -> bool {
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        if doubts.len() >= DOUBTS_MAX {
            doubts.retain(|_, since| now < *since + 2 * DOUBT);
        }
        if doubts.len() >= DOUBTS_MAX {
            return false;
        }
        now >= *doubts.entry((mirror, root)).or_insert(now) + DOUBT
    }

    fn trust(&self, mirror: NodeId, root: Digest) {
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.remove(&(mirror, root));
    }
}

/// What came of asking a node for a piece of what it says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audited {
    /// The right bytes came.
    Kept,
    /// Other bytes came, or it does not have what it says it has.
    Lost,
    /// It did not answer in time, which proves nothing.
    Away,
    /// It gives nothing of the package. It may have given it up just now.
    Unclear,
}

/// Why nobody was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// No release that is known names the content.
    #[error("no release names the content {root}")]
    Unknown {
        /// What was to be asked for.
        root: Digest,
    },
    /// Audits had their part of the line. There is more of it later.
    #[error("audits have had their part of the line for now")]
    Spent,
    /// The system gives no random numbers, and what can be foreseen proves nothing.
    #[error("there is no chance to pick by")]
    Chance,
    /// The node has no network.
    #[error(transparent)]
    Online(#[from] OnlineError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Asks a node for a random piece of a content that it says it holds, and remembers what came of
    /// it: that decides how reliable it counts as here.
    ///
    /// # Errors
    /// [`AuditError`]; nobody was asked then.
    pub async fn audit(&self, mirror: NodeId, root: &Digest) -> Result<Audited, AuditError> {
        let inner = &self.0;
        let claim = inner.claim(mirror, root)?.ok_or(AuditError::Unknown { root: *root })?;
        if !inner.may_audit() {
            return Err(AuditError::Spent);
        }
        let mut dice = [0; 8];
        getrandom::fill(&mut dice).map_err(|_| AuditError::Chance)?;
        let outcome = inner.audit(&claim, u64::from_le_bytes(dice)).await?;
        Ok(match outcome {
            Some(Outcome::Kept) => Audited::Kept,
            Some(Outcome::Lost) => Audited::Lost,
            Some(Outcome::Away) => Audited::Away,
            None => Audited::Unclear,
        })
    }
}

/// Asks mirrors for pieces of what is held here too, whenever audits have a part of the line left,
/// until the node ends.
pub(crate) async fn keep_auditing(node: Arc<Inner>) {
    loop {
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = tokio::time::sleep(jittered(EVERY)) => {}
        }
        if !node.may_audit() {
            continue;
        }
        let mut dice = [0; 16];
        // What can be foreseen proves nothing.
        let Ok(()) = getrandom::fill(&mut dice) else { continue };
        let (which, what) = dice.split_at(8);
        let [which, what] = [which, what]
            .map(|half| half.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)));
        let audit = async {
            let claims = node.claims()?;
            let (mirror, root) = match claims.len() {
                0 => return Ok(()),
                count => claims[(which % count as u64) as usize],
            };
            if let Some(claim) = node.claim(mirror, &root)? {
                node.audit(&claim, what).await?;
            }
            Ok::<_, AuditError>(())
        };
        let audited = tokio::select! {
            () = node.stop.cancelled() => return,
            audited = audit => audited,
        };
        if let Err(error) = audited {
            debug!("nobody was audited: {error}");
        }
    }
}

impl Inner {
    /// Who says that it holds what: mirrors whose lease holds and that can be dialled, and contents
    /// that are held here, too, so that their lists need not come.
    pub(crate) fn claims(&self) -> Result<Vec<(NodeId, Digest)>, StoreError> {
        let now = now();
        let named = |name: &str| name.parse::<RegisterName>().expect("it has the form of one");
        let mut leases = BTreeMap::new();
        for register in self.store.registers(&named(lease::NAME), now)? {
            if let Ok(lease) = Lease::decode(&register.value) {
                leases.insert(register.node, lease.generation);
            }
        }
        let known: BTreeSet<NodeId> = self
            .candidates()?
            .into_iter()
            .filter(|candidate| !candidate.addrs.is_empty() && candidate.node != self.id)
            .map(|candidate| candidate.node)
            .collect();
        leases.retain(|node, _| known.contains(node));
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let roots: BTreeSet<Digest> =
            self.store.holds()?.into_iter().map(|hold| hold.root).collect();
        let mut claims = Vec::new();
        for number in PageNumber::all() {
            for register in self.store.registers(&number.register(), now)? {
                let Some(generation) = leases.get(&register.node) else { continue };
                let page = Page::decode(&register.value).ok();
                let Some(page) = page.filter(|page| page.generation == *generation) else {
                    continue;
                };
                let of_page = roots.iter().filter(|root| PageNumber::of(root) == number);
                let named = of_page.filter(|root| page.names(root));
                claims.extend(named.map(|root| (register.node, *root)));
                if claims.len() >= CLAIMS_MAX {
                    return Ok(claims);
                }
            }
        }
        Ok(claims)
    }

    /// What a node says that says that it holds this content; `None` where no release names it.
    pub(crate) fn claim(&self, mirror: NodeId, root: &Digest) -> Result<Option<Claim>, StoreError> {
        for (id, _) in self.store.release_of_root(root)? {
            let Some(release) = self.store.release(&id)? else { continue };
            let variant = release.variants.iter().find(|variant| variant.root == *root).cloned();
            if let Some(variant) = variant {
                return Ok(Some(Claim { mirror, variant, permission: release.permission }));
            }
        }
        Ok(None)
    }

    /// Whether the budget allows an audit now.
    fn may_audit(&self) -> bool {
        let moved = self.meter.of(Count::ContentsSent) + self.meter.of(Count::ContentsReceived);
        self.auditor.may(self.uptime(), moved)
    }

    /// Asks a mirror for a piece of what it says it holds, and remembers what came of it.
    ///
    /// - `dice`: a random number that the mirror cannot foresee.
    /// - result: `None` where nothing can be said yet.
    ///
    /// # Errors
    /// [`OnlineError`] when this node has no network; nothing was asked.
    pub(crate) async fn audit(
        self: &Arc<Self>,
        claim: &Claim,
        dice: u64,
    ) -> Result<Option<Outcome>, OnlineError> {
        let own = self.net().await?;
        let unknown = match claim.permission.is_open() {
            true => Some(Net::ephemeral(&self.config).await?),
            false => None,
        };
        let net = unknown.as_ref().unwrap_or(own);
        let addrs = self.candidate(&claim.mirror).map(|one| one.addrs).unwrap_or_default();
        let tally = Tally::new(Arc::new(|_| ()));
        let outcome = self.ask(claim, net, &addrs, &tally, dice).await;
        if let Some(unknown) = &unknown {
            unknown.close().await;
        }
        self.auditor.spend(tally.bytes_moved());
        if let Some(outcome) = outcome {
            let what = match outcome {
                Outcome::Kept => Count::AuditsKept,
                Outcome::Lost => Count::AuditsLost,
                Outcome::Away => Count::AuditsAway,
            };
            self.meter.add(what, 1);
            self.account.audited(claim.mirror, outcome, now());
        }
        Ok(outcome)
    }

    async fn ask(
        self: &Arc<Self>,
        claim: &Claim,
        net: &Net,
        addrs: &[SocketAddr],
        tally: &Arc<Tally>,
        dice: u64,
    ) -> Option<Outcome> {
        let Ok(connection) = net.dial(claim.mirror, addrs, access::ALPN).await else {
            return Some(Outcome::Away);
        };
        let audit = Audit { claim, connection: &connection, tally };
        let asked = audit.carry_out(self, dice).await;
        connection.close(0u32.into(), b"");
        let (mirror, root) = (claim.mirror, claim.variant.root);
        match asked {
            Asked::Came(outcome) => {
                self.auditor.trust(mirror, root);
                Some(outcome)
            }
            Asked::GivenUp => {
                let has_had_time = self.auditor.doubt(self.uptime(), mirror, root);
                has_had_time.then_some(Outcome::Lost)
            }
        }
    }
}

/// What came of asking.
enum Asked {
    Came(Outcome),
    /// Nothing of the package is given any more.
    GivenUp,
}

/// One audit while it runs.
struct Audit<'a> {
    claim: &'a Claim,
    connection: &'a Connection,
    tally: &'a Arc<Tally>,
}

impl Audit<'_> {
    async fn carry_out(&self, node: &Inner, dice: u64) -> Asked {
        let tree = match node.blobs().await {
            Ok(blobs) => local_tree(blobs, &self.claim.variant).await,
            Err(_) => None,
        };
        let tree = match tree {
            Some(tree) => tree,
            None => match self.head().await {
                Ok(tree) => tree,
                Err(asked) => return asked,
            },
        };
        let files: Vec<SmallFile> = tree
            .files()
            .map(|file| SmallFile { child: file.child, digest: file.blake3, size: file.size })
            .collect();
        let sizes = files.iter().map(|file| (file.digest, ByteSize::bytes(file.size)));
        let Some(challenge) = Picker::new(sizes).pick(dice) else {
            // A package of empty files: who gives the list gives all of it.
            return Asked::Came(Outcome::Kept);
        };
        let Some(file) = files.iter().find(|file| file.digest == challenge.blob) else {
            return Asked::Came(Outcome::Kept);
        };
        let range = challenge.start..challenge.start + challenge.bytes;
        let within = Challenge::within(rtt(self.connection).unwrap_or_default());
        let provider = Provider(self.connection.clone());
        let work = self.work();
        let probing = provider.probe(self.claim.variant.root, file, range, &work);
        match timeout(within, probing).await {
            Ok(Ok(bytes)) if bytes == challenge.bytes => Asked::Came(Outcome::Kept),
            Ok(Ok(_) | Err(ProviderError::Wrong | ProviderError::Unlike)) => {
                Asked::Came(Outcome::Lost)
            }
            // It gives the list of the files and not the files, or nothing any more.
            Ok(Err(ProviderError::Refused)) => match self.head().await {
                Ok(_) => Asked::Came(Outcome::Lost),
                Err(asked) => asked,
            },
            Ok(Err(error)) => {
                debug!("an audit of {} broke off: {error}", self.claim.mirror.short());
                Asked::Came(Outcome::Away)
            }
            Err(_) => Asked::Came(Outcome::Away),
        }
    }

    /// The file list, from whoever says that it holds all of it.
    async fn head(&self) -> Result<Tree, Asked> {
        let variant = &self.claim.variant;
        let provider = Provider(self.connection.clone());
        let work = self.work();
        let (bytes, most) = (32 * (variant.files + 1), TREE_BYTES_MAX as u64);
        let asking = provider.head(variant.root, variant.tree, bytes, most, &work);
        match timeout(HEAD_TIMEOUT, asking).await {
            Ok(Ok((sequence, tree))) => {
                let read = Tree::decode(&tree).ok();
                let read = read.filter(|it| it.check_sequence(variant.tree, &sequence).is_ok());
                // A publisher that contradicts itself is nobody else's fault.
                read.ok_or(Asked::Came(Outcome::Kept))
            }
            Ok(Err(ProviderError::Refused)) => Err(Asked::GivenUp),
            Ok(Err(ProviderError::Wrong | ProviderError::Unlike)) => {
                Err(Asked::Came(Outcome::Lost))
            }
            Ok(Err(_)) | Err(_) => Err(Asked::Came(Outcome::Away)),
        }
    }

    fn work(&self) -> Work {
        let gauge = Gauge::new(self.tally.clone(), self.claim.mirror);
        Work { gauge, cancelled: Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audits_cost_a_thousandth_of_what_moves_or_of_a_slow_line() {
        let auditor = Auditor::default();
        let cost = CHUNK_BYTES + EXTRA;
        assert!(!auditor.may(Duration::ZERO, 0));
        assert!(auditor.may(Duration::from_secs(62), 0));
        assert!(!auditor.may(Duration::ZERO, cost * PART - PART));
        assert!(auditor.may(Duration::ZERO, cost * PART));
        let mut audits = 0;
        while auditor.may(Duration::from_secs(10), 1 << 30) {
            auditor.spend(cost);
            audits += 1;
        }
        assert!(audits * cost <= (1 << 30) / PART && audits > 50, "{audits}");
    }

    #[test]
    fn who_gave_something_up_has_time_to_say_so() {
        let auditor = Auditor::default();
        let (mirror, root) = (NodeId::from_bytes([1; 32]), Digest::of(b"root"));
        let at = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(!auditor.doubt(at(0), mirror, root));
        assert!(!auditor.doubt(at(10), mirror, root));
        assert!(auditor.doubt(at(20), mirror, root), "and it still says that it holds it");
        auditor.trust(mirror, root);
        assert!(!auditor.doubt(at(30), mirror, root));
        for n in 0..2 * DOUBTS_MAX as u64 {
            auditor.doubt(at(30), mirror, Digest::of(&n.to_le_bytes()));
        }
        assert!(auditor.doubts.lock().unwrap().len() <= DOUBTS_MAX);
    }
}
