//! Who was handed which sealed contents, to read them or to carry them.

use super::rows::Reader;
use super::snapshot::Snapshot;
use super::tables::{CARRIED, KEYS, Tables, get, put, with_prefix};
use super::{Store, StoreError};
use crate::digest::Digest;
use crate::identity::PublisherId;
use crate::permission::NodeId;
use crate::sealed::{KeyId, WrappedKey};
use crate::size::ByteSize;
use crate::statement::{Content, Parcel};

/// Contents that a node was handed to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CarriedRow {
    /// Whose they are.
    pub publisher: PublisherId,
    /// What there is.
    pub content: Content,
}

/// Publisher, key, node.
fn key_key(publisher: &PublisherId, key: &KeyId, node: &NodeId) -> [u8; 96] {
    thirds(publisher.as_bytes(), key.as_bytes(), node.as_bytes())
}

/// Node, content root, publisher.
fn carried_key(node: &NodeId, root: &Digest, publisher: &PublisherId) -> [u8; 96] {
    thirds(node.as_bytes(), root.as_bytes(), publisher.as_bytes())
}

fn thirds(first: &[u8; 32], second: &[u8; 32], third: &[u8; 32]) -> [u8; 96] {
    let mut key = [0; 96];
    key[..32].copy_from_slice(first);
    key[32..64].copy_from_slice(second);
    key[64..].copy_from_slice(third);
    key
}

/// Position, then the sealed key: of two the greater holds.
fn encode_key(seq: u64, wrapped: &WrappedKey) -> Vec<u8> {
    [seq.to_be_bytes().as_slice(), wrapped.as_bytes()].concat()
}

fn decode_key(row: &[u8]) -> Result<WrappedKey, StoreError> {
    let wrapped = row.get(8..).and_then(|wrapped| wrapped.try_into().ok());
    wrapped.map(WrappedKey::from_bytes).ok_or(StoreError::damaged("a sealed key"))
}

/// Tree, size, files.
fn encode_content(content: &Content) -> Vec<u8> {
    let mut row = content.tree.as_bytes().to_vec();
    row.extend_from_slice(&content.size.as_u64().to_be_bytes());
    row.extend_from_slice(&content.files.to_be_bytes());
    row
}

fn decode_content(root: Digest, row: &[u8]) -> Result<Content, StoreError> {
    let mut row = Reader(row);
    let tree = Digest::from_bytes(*row.array()?);
    let content =
        Content { root, tree, size: ByteSize::bytes(row.number()?), files: row.number()? };
    row.end()?;
    Ok(content)
}

/// Writes what follows from a parcel; in whatever order they come, the rows are the same.
pub(super) fn put_parcel(tables: &mut Tables<'_>, parcel: &Parcel) -> Result<(), StoreError> {
    for (node, wrapped) in &parcel.readers {
        let key = key_key(&parcel.publisher, &parcel.key, node);
        let row = encode_key(parcel.seq, wrapped);
        if get(&tables.keys, &key)?.is_none_or(|there| there < row) {
            put(&mut tables.keys, &key, &row)?;
        }
    }
    for node in &parcel.carriers {
        for content in &parcel.contents {
            let key = carried_key(node, &content.root, &parcel.publisher);
            let row = encode_content(content);
            if get(&tables.carried, &key)?.is_none_or(|there| there < row) {
                put(&mut tables.carried, &key, &row)?;
            }
        }
    }
    Ok(())
}

impl Snapshot {
    /// Whether a node may see a parcel: it names the node, or hands on a key that the node was
    /// handed as well, so that readers can bring each other what they need.
    pub(super) fn may_see_parcel(
        &self,
        node: &NodeId,
        parcel: &Parcel,
    ) -> Result<bool, StoreError> {
        if parcel.names(node) {
            return Ok(true);
        }
        let key = key_key(&parcel.publisher, &parcel.key, node);
        Ok(parcel.carriers.is_empty() && get(self.keys(), &key)?.is_some())
    }
}

impl Store {
    /// The content key with this name as its publisher sealed it to a node, if it did.
    pub fn wrapped_key(
        &self,
        publisher: &PublisherId,
        key: &KeyId,
        node: &NodeId,
    ) -> Result<Option<WrappedKey>, StoreError> {
        let row = get(&self.read()?.rows(KEYS)?, &key_key(publisher, key, node))?;
        row.map(|row| decode_key(&row)).transpose()
    }

    /// Everything that a node was handed to carry, by content root.
    pub fn carried(&self, node: &NodeId) -> Result<Vec<CarriedRow>, StoreError> {
        self.carried_below(node.as_bytes())
    }

    /// Who handed a content to a node to carry it.
    pub fn carried_for(
        &self,
        node: &NodeId,
        root: &Digest,
    ) -> Result<Vec<PublisherId>, StoreError> {
        let rows = self.carried_below(&[node.as_bytes().as_slice(), root.as_bytes()].concat())?;
        Ok(rows.into_iter().map(|row| row.publisher).collect())
    }

    fn carried_below(&self, prefix: &[u8]) -> Result<Vec<CarriedRow>, StoreError> {
        let view = self.read()?;
        let mut carried = Vec::new();
        for row in with_prefix(&view.rows(CARRIED)?, prefix)? {
            let (key, row) = row?;
            let mut key = Reader(key.value());
            let (_node, root, publisher) = (key.array::<32>()?, key.array()?, key.array()?);
            let root = Digest::from_bytes(*root);
            let publisher = PublisherId::from_digest(Digest::from_bytes(*publisher));
            carried.push(CarriedRow { publisher, content: decode_content(root, row.value())? });
        }
        Ok(carried)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Incoming;
    use super::super::testing::{NOW, publisher, store};
    use super::*;
    use crate::digest::Digest;
    use crate::permission::Reader as Asker;
    use crate::sealed::{ContentKey, ReaderKey, ReaderSecret};
    use crate::signature::SecretKey;
    use crate::statement::Statement;

    /// The id of the node with this secret.
    fn node(secret: u8) -> NodeId {
        NodeId::from_bytes(*SecretKey::from_bytes(&[secret; 32]).public().as_bytes())
    }

    #[test]
    fn a_parcel_has_these_rows() {
        let wrapped = WrappedKey::from_bytes([7; 80]);
        let row = encode_key(0x0102, &wrapped);
        assert_eq!(hex::encode(&row), format!("0000000000000102{}", "07".repeat(80)));
        assert_eq!(decode_key(&row).unwrap(), wrapped);
        decode_key(&row[1..]).unwrap_err();
        let (root, tree) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let content = Content { root, tree, size: ByteSize::bytes(0x03), files: 4 };
        let row = encode_content(&content);
        let golden = format!("{}00000000000000030000000000000004", "02".repeat(32));
        assert_eq!(hex::encode(&row), golden);
        assert_eq!(decode_content(root, &row).unwrap(), content);
        decode_content(root, &row[1..]).unwrap_err();
    }

    /// Threat row 57: who carries sees what it carries, never who reads; who reads sees who else does;
    /// others see nothing.
    #[test]
    fn a_parcel_is_shown_to_those_it_is_for() {
        let (ours, acme) = (store(), publisher("acme"));
        let (reader, later, carrier, stranger) = (node(1), node(2), node(3), node(4));
        let key = ContentKey::generate();
        let root = Digest::of(b"sealed");
        let handed = |to: &[NodeId], seq| {
            let wrap = |to: &NodeId| (*to, ReaderKey::of_node(to).unwrap().wrap(&key).unwrap());
            let (publisher, time, key) = (acme.publisher(), NOW, key.id());
            let readers = to.iter().map(wrap).collect();
            let (carriers, contents) = ([].into(), vec![]);
            Parcel { publisher, seq, time, key, readers, carriers, contents }
        };
        ours.append(&acme, NOW, |seq| Statement::Parcel(handed(&[reader], seq))).unwrap();
        ours.append(&acme, NOW, |seq| Statement::Parcel(handed(&[later], seq))).unwrap();
        let content = Content { root, tree: root, size: ByteSize::bytes(5), files: 1 };
        ours.append(&acme, NOW, |seq| {
            let carriers = [carrier].into();
            let carried = Parcel { carriers, contents: vec![content], ..handed(&[], seq) };
            Statement::Parcel(carried)
        })
        .unwrap();
        let parcels = |of: NodeId| {
            let sent = ours.sent_to(Asker::Node(of), 0);
            let theirs = store();
            theirs.accept(sent.clone(), NOW).unwrap();
            assert_eq!(theirs.verify().unwrap(), []);
            let is_parcel = |item: &&Incoming| matches!(item, Incoming::Statement(_));
            (sent.iter().filter(is_parcel).count() - 1, theirs)
        };
        assert_eq!(parcels(reader).0, 2, "and whom the key was handed to later");
        assert_eq!(parcels(later).0, 2);
        assert_eq!(parcels(stranger).0, 0);
        let (shown, theirs) = parcels(carrier);
        assert_eq!(shown, 1);
        let publisher = acme.publisher();
        assert_eq!(theirs.carried(&carrier).unwrap(), [CarriedRow { publisher, content }]);
        assert_eq!(theirs.carried_for(&carrier, &root).unwrap(), [publisher]);
        assert!(theirs.carried_for(&stranger, &root).unwrap().is_empty());
        assert_eq!(theirs.wrapped_key(&publisher, &key.id(), &reader).unwrap(), None);

        let wrapped = |of: &NodeId| ours.wrapped_key(&publisher, &key.id(), of).unwrap();
        let secret = ReaderSecret::of_node(&[2; 32]);
        assert_eq!(secret.unwrap(&wrapped(&later).unwrap(), &key.id()), Some(key.clone()));
        assert_eq!(secret.unwrap(&wrapped(&reader).unwrap(), &key.id()), None);
        assert_eq!(ours.verify().unwrap(), []);
    }
}
