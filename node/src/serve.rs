//! Answers whoever connects, within bounds.
//!
//! Guarantees: what a stranger can hold open is counted before it costs anything; under load a
//! dialler has to show first that its address is its own; a connection that breaks a rule ends, and
//! nothing else does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;
use iroh::endpoint::{Connection, Incoming};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::access;
use crate::account;
use crate::delta;
use crate::endpoint::{Net, remote};
use crate::node::Inner;
use crate::protocol;
use crate::session;
use crate::sessions;
use crate::talk;

/// A handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections of one node; an honest one needs one for records, one for receipts, and two for each
/// transfer.
const CONNECTIONS_PER_NODE_MAX: usize = 10;

/// Accepts connections until the node ends.
pub(crate) async fn accept(node: Arc<Inner>, net: Arc<Net>) {
    let ceiling = node.config.connection_ceiling();
    let places = Arc::new(Semaphore::new(ceiling));
    let guests = Arc::new(Guests::default());
    loop {
        let incoming = tokio::select! {
            () = node.stop.cancelled() => return,
            incoming = net.endpoint().accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        let Ok(place) = places.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        if places.available_permits() < ceiling / 2 && !incoming.remote_addr_validated() {
            incoming.retry().ok();
            continue;
        }
        let (guest_of, guests) = (node.clone(), guests.clone());
        node.tasks.spawn(async move {
            let stop = guest_of.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = welcome(guest_of, guests, incoming) => {}
            }
            drop(place);
        });
    }
}

async fn welcome(node: Arc<Inner>, guests: Arc<Guests<Connection>>, incoming: Incoming) {
    let shaken = async { incoming.accept().ok()?.await.ok() };
    let Ok(Some(connection)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await else {
        return;
    };
    let _guest = guests.admit(remote(&connection), connection.clone());
    let _in_use = node.upload.uses(&connection);
    match connection.alpn() {
        protocol::ALPN => talk::answer(node, connection).await,
        access::ALPN => {
            node.sessions.gives(&connection);
            access::serve(node.clone(), connection.clone()).await;
            node.sessions.gave(&connection);
        }
        delta::ALPN => delta::serve(node, connection).await,
        session::ALPN => sessions::serve(node, connection).await,
        account::ALPN => account::serve(node, connection).await,
        other => debug!(protocol = ?other, "connection for an unknown protocol"),
    }
}

/// The code with which a connection too many is closed.
const LIMIT: u32 = 2;

/// What a new connection can push out.
trait Close {
    fn close_superseded(&self);
}

impl Close for Connection {
    fn close_superseded(&self) {
        self.close(LIMIT.into(), b"superseded by newer connections");
    }
}

/// The connections of each node, oldest first.
///
/// A node that has too many loses its oldest: after a crash its old ones look alive for a while,
/// and must not keep it out.
struct Guests<C>(Mutex<HashMap<NodeId, VecDeque<(u64, C)>>>);

struct Guest<C: Close> {
    guests: Arc<Guests<C>>,
    node: NodeId,
    id: u64,
}

impl<C> Default for Guests<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: Close> Guests<C> {
    fn admit(self: &Arc<Self>, node: NodeId, connection: C) -> Guest<C> {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = nodes.entry(node).or_default();
        if connections.len() >= CONNECTIONS_PER_NODE_MAX
            && let Some((_, oldest)) = connections.pop_front()
        {
            oldest.close_superseded();
        }
        let id = connections.back().map_or(0, |(id, _)| id + 1);
        connections.push_back((id, connection));
        Guest { guests: self.clone(), node, id }
    }
}

impl<C: Close> Drop for Guest<C> {
    fn drop(&mut self) {
        let mut nodes = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = nodes.get_mut(&self.node) {
            connections.retain(|(id, _)| *id != self.id);
            if connections.is_empty() {
                nodes.remove(&self.node);
            }
        }
    }
}

/// Serves the streams of one connection, a bounded number at a time, until it ends.
pub(crate) async fn streams<S, F>(
    node: &Arc<Inner>,
    connection: &Connection,
    at_once: usize,
    mut answer: impl FnMut(iroh::endpoint::SendStream, iroh::endpoint::RecvStream) -> F,
) where
    F: Future<Output = S> + Send + 'static,
    S: Send + 'static,
{
    let places = Arc::new(Semaphore::new(at_once));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = node.stop.cancelled() => return,
            accepted = connection.accept_bi() => accepted,
        };
        let Ok((send, receive)) = accepted else { return };
        let (answering, stop) = (answer(send, receive), node.stop.clone());
        let counted = (connection.alpn() == access::ALPN).then(|| node.sessions.answering());
        node.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = answering => {}
            }
            drop((place, counted));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    impl Close for Arc<AtomicBool> {
        fn close_superseded(&self) {
            self.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_node_with_too_many_connections_loses_its_oldest() {
        let guests = Arc::new(Guests::default());
        let (node, other) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let closed: Vec<Arc<AtomicBool>> =
            (0..CONNECTIONS_PER_NODE_MAX + 2).map(|_| Arc::default()).collect();
        let _other = guests.admit(other, Arc::default());
        let admitted: Vec<_> = closed.iter().map(|flag| guests.admit(node, flag.clone())).collect();
        let closed: Vec<bool> = closed.iter().map(|flag| flag.load(Ordering::Relaxed)).collect();
        assert!(closed[..2].iter().all(|closed| *closed));
        assert!(!closed[2..].iter().any(|closed| *closed));
        drop(admitted);
        assert_eq!(guests.0.lock().unwrap().len(), 1);
    }
}
