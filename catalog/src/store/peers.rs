//! The nodes that we connect to, as this machine's user and earlier connections left them.

use super::batch::STRANGERS_BYTES_MAX;
use super::tables::{META, META_STRANGERS, PEERS, all, get, get_number, put, remove};
use super::{Store, StoreError};
use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::name::Petname;
use crate::permission::NodeId;
use crate::time::Timestamp;

/// The longest row; a peer has a handful of addresses.
const PEER_BYTES_MAX: usize = 64 * 1024;

/// A node that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// Its key, which is how we recognise it.
    pub node: NodeId,
    /// Where it was reached, or is said to be.
    pub addrs: Vec<String>,
    /// What we call it.
    pub alias: Option<Petname>,
    /// When it was added.
    pub added: Timestamp,
    /// When it last answered.
    pub last_seen: Option<Timestamp>,
    /// How far we have read its changes.
    pub cursor: Option<PeerCursor>,
}

/// How far we have read a peer's changes. In another store of the same peer it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCursor {
    /// The epoch of the peer's store.
    pub epoch: [u8; 16],
    /// The number of the last change that we took in.
    pub seq: u64,
}

impl Store {
    /// Every peer, by node id.
    pub fn peers(&self) -> Result<Vec<PeerRow>, StoreError> {
        let rows = self.read()?.rows(PEERS)?;
        all(&rows)?
            .map(|row| {
                let (node, row) = row?;
                peer_of_row(node.value(), row.value())
            })
            .collect()
    }

    /// The peer with this node id.
    pub fn peer(&self, node: &NodeId) -> Result<Option<PeerRow>, StoreError> {
        let row = get(&self.read()?.rows(PEERS)?, node.as_bytes())?;
        row.map(|row| peer_of_row(node.as_bytes(), &row)).transpose()
    }

    /// Writes what we know about a peer, replacing what we knew before.
    pub fn add_peer(&self, peer: &PeerRow) -> Result<(), StoreError> {
        self.write(|tables| {
            put(&mut tables.peers, peer.node.as_bytes(), &encode(peer))?;
            Ok(())
        })
    }

    /// Forgets how far we have read every peer's changes, so that what was refused is offered again:
    /// after a person pinned a publisher whose records found no room among those of strangers.
    ///
    /// - result: how many cursors there were.
    pub fn forget_cursors(&self) -> Result<usize, StoreError> {
        self.write(|tables| {
            let mut read = Vec::new();
            for row in all(&tables.peers)? {
                let (node, row) = row?;
                let peer = peer_of_row(node.value(), row.value())?;
                read.extend(peer.cursor.is_some().then_some(PeerRow { cursor: None, ..peer }));
            }
            for peer in &read {
                put(&mut tables.peers, peer.node.as_bytes(), &encode(peer))?;
            }
            Ok(read.len())
        })
    }

    /// Whether records of publishers that nobody here relies on still find room.
    pub fn has_room_for_strangers(&self) -> Result<bool, StoreError> {
        let used = get_number(&self.read()?.rows(META)?, META_STRANGERS)?;
        Ok(used.unwrap_or(0) < STRANGERS_BYTES_MAX)
    }

    /// Forgets a peer.
    ///
    /// - result: whether it was known.
    pub fn remove_peer(&self, node: &NodeId) -> Result<bool, StoreError> {
        self.write(|tables| remove(&mut tables.peers, node.as_bytes()))
    }
}

fn encode(peer: &PeerRow) -> Vec<u8> {
    let mut map = Map::new();
    map.insert("added", peer.added.as_millis());
    map.insert(
        "addrs",
        peer.addrs.iter().map(|addr| Value::from(addr.as_str())).collect::<Value>(),
    );
    map.insert_some("alias", peer.alias.as_ref().map(Petname::as_str));
    map.insert_some("seen", peer.last_seen.map(Timestamp::as_millis));
    if let Some(cursor) = &peer.cursor {
        map.insert("epoch", cursor.epoch.as_slice());
        map.insert("seq", cursor.seq);
    }
    cbor::encode(&Value::Map(map))
}

pub(super) fn peer_of_row(node: &[u8], row: &[u8]) -> Result<PeerRow, StoreError> {
    let node = node.try_into().map(NodeId::from_bytes);
    let node = node.map_err(|_| StoreError::damaged("a peer"))?;
    let read = || -> Result<PeerRow, CodecError> {
        let mut fields = Fields::of(cbor::decode(row, PEER_BYTES_MAX)?)?;
        let cursor = match (fields.bytes_opt("epoch")?, fields.uint_opt("seq")?) {
            (Some(epoch), Some(seq)) => {
                epoch.try_into().ok().map(|epoch| PeerCursor { epoch, seq })
            }
            _ => None,
        };
        let peer = PeerRow {
            node,
            addrs: fields.texts("addrs")?,
            alias: fields.parsed_opt("alias")?,
            added: Timestamp::from_millis(fields.uint("added")?),
            last_seen: fields.uint_opt("seen")?.map(Timestamp::from_millis),
            cursor,
        };
        fields.finish()?;
        Ok(peer)
    };
    read().map_err(|_| StoreError::damaged("a peer"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, store};
    use super::*;

    fn peer() -> PeerRow {
        PeerRow {
            node: NodeId::from_bytes([7; 32]),
            addrs: vec!["127.0.0.1:4711".to_owned()],
            alias: Some("acme".parse().unwrap()),
            added: NOW,
            last_seen: Some(NOW),
            cursor: Some(PeerCursor { epoch: [9; 16], seq: 5 }),
        }
    }

    #[test]
    fn a_peer_is_remembered_until_it_is_removed() {
        let store = store();
        let bare = PeerRow { alias: None, last_seen: None, cursor: None, ..peer() };
        store.add_peer(&bare).unwrap();
        assert_eq!(store.peer(&bare.node).unwrap(), Some(bare));
        store.add_peer(&peer()).unwrap();
        assert_eq!(store.peers().unwrap(), [peer()]);
        assert!(store.remove_peer(&peer().node).unwrap());
        assert!(!store.remove_peer(&peer().node).unwrap());
    }

    #[test]
    fn cursors_are_forgotten_and_peers_are_not() {
        let store = store();
        let other = PeerRow { node: NodeId::from_bytes([8; 32]), cursor: None, ..peer() };
        store.add_peer(&peer()).unwrap();
        store.add_peer(&other).unwrap();
        assert_eq!(store.forget_cursors().unwrap(), 1);
        assert_eq!(store.peers().unwrap(), [PeerRow { cursor: None, ..peer() }, other]);
        assert!(store.has_room_for_strangers().unwrap());
    }

    #[test]
    fn a_peer_has_these_bytes() {
        let expected = [
            "a6",
            "63736571",
            "05",
            "647365656e",
            "1b000001a0c4506c00",
            "656164646564",
            "1b000001a0c4506c00",
            "656164647273",
            "816e3132372e302e302e313a34373131",
            "65616c696173",
            "6461636d65",
            "6565706f6368",
            "5009090909090909090909090909090909",
        ];
        assert_eq!(hex::encode(encode(&peer())), expected.concat());
    }
}
