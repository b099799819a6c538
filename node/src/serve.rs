//! Answers whoever connects, within bounds.
//!
//! Guarantees: what a stranger can hold open is counted before it costs anything; under load a
//! dialler has to show first that its address is its own; a connection that breaks a rule ends, and
//! nothing else does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;
use iroh::endpoint::{Connection, Incoming};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::access;
use crate::endpoint::{Net, remote};
use crate::node::Inner;
use crate::protocol;
use crate::talk;

/// A handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections of one node; an honest one needs one for records and a few for contents.
const CONNECTIONS_PER_NODE_MAX: usize = 8;

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

async fn welcome(node: Arc<Inner>, guests: Arc<Guests>, incoming: Incoming) {
    let shaken = async { incoming.accept().ok()?.await.ok() };
    let Ok(Some(connection)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await else {
        return;
    };
    let who = remote(&connection);
    let Some(_guest) = guests.admit(who) else {
        connection.close(LIMIT.into(), b"too many connections");
        return;
    };
    match connection.alpn() {
        protocol::ALPN => talk::answer(node, connection).await,
        access::ALPN => access::serve(node, connection).await,
        other => debug!(protocol = ?other, "connection for an unknown protocol"),
    }
}

/// The code with which a connection too many is closed.
const LIMIT: u32 = 2;

/// Counts the connections of each node.
#[derive(Default)]
struct Guests(Mutex<HashMap<NodeId, usize>>);

struct Guest {
    guests: Arc<Guests>,
    node: NodeId,
}

impl Guests {
    fn admit(self: &Arc<Self>, node: NodeId) -> Option<Guest> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(node).or_default();
        if *count >= CONNECTIONS_PER_NODE_MAX {
            return None;
        }
        *count += 1;
        Some(Guest { guests: self.clone(), node })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.node);
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
        node.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = answering => {}
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_only_so_many_connections_at_once() {
        let guests = Arc::new(Guests::default());
        let node = NodeId::from_bytes([1; 32]);
        let mut admitted: Vec<_> =
            (0..CONNECTIONS_PER_NODE_MAX).map(|_| guests.admit(node)).collect();
        assert!(admitted.iter().all(Option::is_some));
        assert!(guests.admit(node).is_none());
        assert!(guests.admit(NodeId::from_bytes([2; 32])).is_some());
        admitted.pop();
        assert!(guests.admit(node).is_some());
        drop(admitted);
        assert!(guests.0.lock().unwrap().is_empty());
    }
}
