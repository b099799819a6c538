//! Asks peers for patches and makes files of them.
//!
//! Nothing here is an error for the caller: what does not come as a patch is fetched as any other
//! file. Guarantees: a peer that says nothing, sends slowly or makes patches slowly costs a bounded
//! time; what is put into the store has the hash that was signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalog::digest::Digest;
use catalog::permission::NodeId;
use iroh::endpoint::{Connection, RecvStream};
use n0_future::{BufferedStreamExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::layout::{self, BEING_MADE, PATCH, Place, Question, Wish};
use super::{FILE_BYTES_MAX, Twin, is_worth_it, patch};
use crate::blobs::{Blobs, Writer};
use crate::blocking::blocking;
use crate::fetch::TransferProgress;
use crate::fetch::tally::Tally;
use crate::node::Inner;
use crate::peers::Candidate;
use crate::transfer::health::Circuit;

/// The most peers that are asked, the best first.
const PEERS_MAX: usize = 3;
/// Files that one peer is asked for at once.
const FILES_AT_ONCE: usize = 4;
/// A peer that is not connected by then is not waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that says nothing for so long is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// How long an install waits for patches to be made; what is not there then comes whole.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long somebody waits who only wants to know what an update costs.
const PATIENCE_OF_A_PLAN: Duration = Duration::from_secs(60);
/// In so much time a peer has to send [`WINDOW_BYTES_MIN`] of a patch, or all that is left.
const WINDOW: Duration = Duration::from_secs(2);
const WINDOW_BYTES_MIN: u64 = 16 << 10;
/// Read at once.
const READ_BYTES: usize = 64 << 10;

/// Why a file did not come as a patch.
#[derive(Debug, thiserror::Error)]
enum AskError {
    /// The peer has no patch, gives us none, or is gone; it need not say which.
    #[error("there is no patch")]
    Refused,
    /// The file is hardly larger than the patch.
    #[error("the patch saves nothing")]
    NotWorth,
    /// It takes too long.
    #[error("it takes too long")]
    Slow,
    /// The patch makes another file than it was asked for.
    #[error("it sent a patch that makes something else")]
    Wrong,
    /// Our own store failed.
    #[error("our own store failed")]
    Store,
}

/// Where files go.
pub(crate) struct Destination<'a> {
    pub blobs: &'a Blobs,
    pub writer: &'a Writer,
    pub tally: &'a Tally,
}

/// Brings what comes as patches of the files of the variant `root`.
pub(crate) async fn fetch(node: &Arc<Inner>, root: Digest, twins: &[Twin], to: Destination<'_>) {
    let deadline = Instant::now() + PATIENCE;
    let mut left: Vec<Twin> = twins.to_vec();
    let mut peers = Peers::dial(node, root, twins).await;
    let (to, one_at_a_time) = (&to, &Semaphore::new(1));
    while !left.is_empty()
        && let Some((id, connection)) = peers.next().await
    {
        let peer = &Peer { connection, root, deadline, is_gone: AtomicBool::new(false) };
        let asked = std::mem::take(&mut left)
            .into_iter()
            .map(|twin| async move { (twin, peer.bring(id, &twin, to, one_at_a_time).await) });
        let mut has_lied = false;
        let asked = n0_future::stream::iter(asked).buffered_unordered(FILES_AT_ONCE);
        let mut asked = std::pin::pin!(asked);
        while let Some((twin, outcome)) = asked.next().await {
            if let Err(error) = outcome {
                debug!("no patch from {}: {error}", id.short());
                has_lied |= matches!(error, AskError::Wrong);
                left.push(twin);
            }
        }
        if has_lied {
            node.experience.blame(id, node.uptime());
            let reason = AskError::Wrong.to_string();
            to.tally.tell(TransferProgress::ProviderLost { node: id, reason });
        }
    }
}

/// How large the patches are that peers have for these files, in their order; `None` where there is
/// none that is better than the file.
pub(crate) async fn offers(node: &Arc<Inner>, root: Digest, twins: &[Twin]) -> Vec<Option<u64>> {
    let deadline = Instant::now() + PATIENCE_OF_A_PLAN;
    let mut offers = vec![None; twins.len()];
    let mut peers = Peers::dial(node, root, twins).await;
    while offers.contains(&None)
        && let Some((_, connection)) = peers.next().await
    {
        let peer = &Peer { connection, root, deadline, is_gone: AtomicBool::new(false) };
        let open = (0..twins.len()).filter(|at| offers[*at].is_none()).collect::<Vec<_>>();
        let asked = open.into_iter().map(|at| async move { (at, peer.offer(&twins[at]).await) });
        let answers: Vec<_> =
            n0_future::stream::iter(asked).buffered_unordered(FILES_AT_ONCE).collect().await;
        for (at, offer) in answers {
            offers[at] = offer.ok();
        }
    }
    offers
}

/// Those who are being dialled.
struct Peers {
    dialling: JoinSet<Option<(NodeId, Connection)>>,
    until: Instant,
}

impl Peers {
    /// Dials the best of all peers, where there is anything to ask for.
    async fn dial(node: &Arc<Inner>, root: Digest, twins: &[Twin]) -> Self {
        let (mut dialling, until) = (JoinSet::new(), Instant::now() + CONNECT_TIMEOUT);
        if twins.is_empty() {
            return Self { dialling, until };
        }
        let ranked = node.ranked(node.config.strategy(), &[root]);
        let (Ok(net), Ok(ranked)) = (node.net().await, ranked) else {
            return Self { dialling, until };
        };
        let now = node.uptime();
        let mut candidates: Vec<Candidate> = ranked.into_iter().map(|(who, _)| who).collect();
        candidates.retain(|candidate| {
            let circuit = node.experience.of(&candidate.node).circuit(now);
            matches!(circuit, Circuit::Closed | Circuit::HalfOpen)
        });
        for Candidate { node, addrs } in candidates.into_iter().take(PEERS_MAX) {
            let net = net.clone();
            dialling.spawn(async move {
                let connection = net.dial(node, &addrs, layout::ALPN).await.ok()?;
                Some((node, connection))
            });
        }
        Self { dialling, until }
    }

    /// The next who answered.
    async fn next(&mut self) -> Option<(NodeId, Connection)> {
        loop {
            let dialled = timeout_at(self.until, self.dialling.join_next()).await.ok()??;
            if let Ok(Some(peer)) = dialled {
                return Some(peer);
            }
        }
    }
}

/// One who may have patches of files of the variant `root`.
struct Peer {
    connection: Connection,
    root: Digest,
    /// What is not made by then is not waited for.
    deadline: Instant,
    /// It said nothing for too long.
    is_gone: AtomicBool,
}

impl Peer {
    /// Brings one file.
    async fn bring(
        &self,
        id: NodeId,
        twin: &Twin,
        to: &Destination<'_>,
        one_at_a_time: &Semaphore,
    ) -> Result<(), AskError> {
        let offered = self.offer(twin).await?;
        let patch = self.patch(id, twin, offered, to.tally).await?;
        // Each takes memory for both files.
        let _turn = one_at_a_time.acquire().await;
        let old = to.blobs.bytes(&twin.old_digest, FILE_BYTES_MAX).await;
        let old = old.map_err(|_| AskError::Store)?;
        let (digest, size, bytes) = (twin.digest, twin.size, patch.len() as u64);
        let new = blocking(move || {
            patch::apply(&old, &patch, size).filter(|new| Digest::of(new) == digest)
        });
        let new = new.await.ok_or(AskError::Wrong)?;
        to.tally.received(id, bytes);
        to.writer.import_many(vec![new.into()]).await.map_err(|_| AskError::Store)
    }

    /// The size of a patch that is worth having.
    async fn offer(&self, twin: &Twin) -> Result<u64, AskError> {
        let (_, offered) = self.ask(Wish::Offer, twin).await?;
        if is_worth_it(offered, twin.size) { Ok(offered) } else { Err(AskError::NotWorth) }
    }

    /// A patch of the size that was offered.
    async fn patch(
        &self,
        id: NodeId,
        twin: &Twin,
        offered: u64,
        tally: &Tally,
    ) -> Result<Vec<u8>, AskError> {
        let (mut receive, bytes) = self.ask(Wish::Patch, twin).await?;
        if bytes != offered {
            return Err(AskError::Refused);
        }
        let (mut patch, mut piece) = (Vec::new(), vec![0; READ_BYTES]);
        let (mut window, mut at) = (Instant::now() + WINDOW, 0);
        while (patch.len() as u64) < bytes {
            let most = READ_BYTES.min(bytes as usize - patch.len());
            match timeout_at(window, receive.read(&mut piece[..most])).await {
                Ok(Ok(Some(read))) => {
                    patch.extend_from_slice(&piece[..read]);
                    tally.moved(read as u64);
                    // Our own limit is not the peer's slowness.
                    let waited = Instant::now();
                    tally.pass(id, read as u64).await;
                    window += waited.elapsed();
                }
                Ok(_) => return Err(AskError::Refused),
                Err(_) if patch.len() as u64 - at < WINDOW_BYTES_MIN => return Err(AskError::Slow),
                Err(_) => (window, at) = (Instant::now() + WINDOW, patch.len() as u64),
            }
        }
        Ok(patch)
    }

    /// Asks, and waits while the peer says that it is at work: the size of the patch.
    async fn ask(&self, wish: Wish, twin: &Twin) -> Result<(RecvStream, u64), AskError> {
        let new = Place { root: self.root, child: twin.child };
        let question = Question { wish, old: twin.old, new }.encode();
        let asking = async {
            let (mut send, receive) = self.connection.open_bi().await.ok()?;
            send.write_all(&question).await.ok()?;
            send.finish().ok()?;
            Some(receive)
        };
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(AskError::Refused);
        }
        let asked = timeout(SILENCE_MAX, asking).await.map_err(|_| self.is_silent())?;
        let mut receive = asked.ok_or(AskError::Refused)?;
        loop {
            let mut said = [0];
            let heard = timeout(SILENCE_MAX, receive.read_exact(&mut said)).await;
            heard.map_err(|_| self.is_silent())?.map_err(|_| AskError::Refused)?;
            match said[0] {
                BEING_MADE if Instant::now() < self.deadline => {}
                BEING_MADE => return Err(AskError::Slow),
                PATCH => break,
                _ => return Err(AskError::Refused),
            }
        }
        let mut size = [0; 8];
        let heard = timeout(SILENCE_MAX, receive.read_exact(&mut size)).await;
        heard.map_err(|_| self.is_silent())?.map_err(|_| AskError::Refused)?;
        Ok((receive, u64::from_be_bytes(size)))
    }

    /// It is not asked for any other file.
    fn is_silent(&self) -> AskError {
        self.is_gone.store(true, Ordering::Relaxed);
        AskError::Slow
    }
}
