//! The tables of a store: their names, and how their keys are spelled. All bytes, by hand.
//!
//! Keys are built so that a range of bytes is a question somebody asks: all leaves of a log, all
//! versions of a package. Numbers are big-endian; a name that others may follow carries its length.
//!
//! The number of this layout is kept in `meta`. Changing a row or a key means a new number and a
//! step in [`migrate`](super::migrate).

use redb::{AccessGuard, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::StoreError;
use crate::Digest;
use crate::digest::Sha256Digest;
use crate::identity::PublisherId;
use crate::name::PackageName;
use crate::release::PackageId;
use crate::signature::PublicKey;

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(super) type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The layout that this version writes.
pub(super) const FORMAT: u32 = 5;

/// The oldest layout that this version migrates.
pub(super) const FORMAT_OLDEST: u32 = 1;

/// Single values: the format, the store's id, the fence, the next sequence number, how much
/// strangers have taken up, the node whose registers are our own, how often registers changed.
pub(super) const META: Definition = TableDefinition::new("meta");
/// Statement id -> envelope.
pub(super) const RECORDS: Definition = TableDefinition::new("records");
/// Log, position -> one [`Leaf`](super::rows::Leaf), or two that are at odds.
pub(super) const LEAVES: Definition = TableDefinition::new("leaves");
/// Log, position, leaf hash -> statement id: what was signed for a position that has two already.
pub(super) const RIVALS: Definition = TableDefinition::new("rivals");
/// Log -> [`LogRow`](super::rows::LogRow).
pub(super) const LOGS: Definition = TableDefinition::new("logs");
/// Name, publisher -> nothing.
pub(super) const NAMES: Definition = TableDefinition::new("names");
/// Package, version -> one release id, or two that are at odds.
pub(super) const VERSIONS: Definition = TableDefinition::new("versions");
/// Package, version -> [`YankRow`](super::rows::YankRow).
pub(super) const YANKS: Definition = TableDefinition::new("yanks");
/// Package, channel -> [`ChannelRow`](super::rows::ChannelRow).
pub(super) const CHANNELS: Definition = TableDefinition::new("channels");
/// Item set, item id -> sequence number of the change that tells where the item stands.
pub(super) const ITEMS: Definition = TableDefinition::new("items");
/// Sequence number of a leaf's change -> item id, while nobody has shown us what stands there.
pub(super) const BARE: Definition = TableDefinition::new("bare");
/// Package, version, statement id -> the position of a statement that spreads at once when a
/// public release of that version comes.
pub(super) const AWAITED: Definition = TableDefinition::new("awaited");
/// [`Facet`](crate::Facet), item id -> nothing; of public releases.
pub(super) const FACETS: Definition = TableDefinition::new("facets");
/// Content root, release id, variant -> nothing.
pub(super) const ROOTS: Definition = TableDefinition::new("roots");
/// Publisher, node, statement id -> the [`Word`](crate::permission::Word) about the node, or nothing
/// for a release that lists it.
pub(super) const GRANTS: Definition = TableDefinition::new("grants");
/// Release id, publisher -> [`AttestationRow`](super::rows::AttestationRow).
pub(super) const ATTESTATIONS: Definition = TableDefinition::new("attestations");
/// Publisher, content key, node -> position, sealed key.
pub(super) const KEYS: Definition = TableDefinition::new("keys");
/// Node, content root, publisher -> what of it is to be carried.
pub(super) const CARRIED: Definition = TableDefinition::new("carried");
/// Sequence number -> [`ChangeRow`](super::rows::ChangeRow).
pub(super) const CHANGES: Definition = TableDefinition::new("changes");
/// Follower's name -> sequence number.
pub(super) const CURSORS: Definition = TableDefinition::new("cursors");
/// Follower's name, key -> what the follower keeps there.
pub(super) const FOLLOWERS: Definition = TableDefinition::new("followers");
/// Sequence number -> statement id, until it was announced.
pub(super) const OUTBOX: Definition = TableDefinition::new("outbox");
/// Publisher -> [`PublisherRow`](super::rows::PublisherRow).
pub(super) const PUBLISHERS: Definition = TableDefinition::new("publishers");
/// Petname -> publisher.
pub(super) const PETNAMES: Definition = TableDefinition::new("petnames");
/// Name, node id -> sealed register.
pub(super) const REGISTERS: Definition = TableDefinition::new("registers");
/// Register's item id -> its key in `registers`.
pub(super) const REGISTER_ITEMS: Definition = TableDefinition::new("register-items");
/// What is at odds -> what a person decided about it.
pub(super) const DECISIONS: Definition = TableDefinition::new("decisions");
/// Node id -> peer row.
pub(super) const PEERS: Definition = TableDefinition::new("peers");
/// Content root, reason -> since when.
pub(super) const HOLDS: Definition = TableDefinition::new("holds");
/// Package, serial -> install row.
pub(super) const INSTALLS: Definition = TableDefinition::new("installs");
/// Package -> serial of the install in use.
pub(super) const IN_USE: Definition = TableDefinition::new("in-use");

pub(super) const META_FORMAT: &[u8] = b"format";
pub(super) const META_ID: &[u8] = b"id";
pub(super) const META_FENCE: &[u8] = b"fence";
pub(super) const META_NEXT: &[u8] = b"next-change";
pub(super) const META_STRANGERS: &[u8] = b"strangers";
pub(super) const META_NODE: &[u8] = b"node";
pub(super) const META_REGISTERS: &[u8] = b"registers";

/// Every table, open for writing.
pub(super) struct Tables<'t> {
    pub meta: Rows<'t>,
    pub records: Rows<'t>,
    pub leaves: Rows<'t>,
    pub rivals: Rows<'t>,
    pub logs: Rows<'t>,
    pub names: Rows<'t>,
    pub versions: Rows<'t>,
    pub yanks: Rows<'t>,
    pub channels: Rows<'t>,
    pub roots: Rows<'t>,
    pub grants: Rows<'t>,
    pub attestations: Rows<'t>,
    pub keys: Rows<'t>,
    pub carried: Rows<'t>,
    pub items: Rows<'t>,
    pub bare: Rows<'t>,
    pub awaited: Rows<'t>,
    pub facets: Rows<'t>,
    pub changes: Rows<'t>,
    pub cursors: Rows<'t>,
    pub followers: Rows<'t>,
    pub outbox: Rows<'t>,
    pub publishers: Rows<'t>,
    pub petnames: Rows<'t>,
    pub registers: Rows<'t>,
    pub register_items: Rows<'t>,
    pub decisions: Rows<'t>,
    pub peers: Rows<'t>,
    pub holds: Rows<'t>,
    pub installs: Rows<'t>,
    pub in_use: Rows<'t>,
}

impl<'t> Tables<'t> {
    /// Opens every table, making those that are missing.
    pub fn open(txn: &'t WriteTransaction) -> Result<Self, StoreError> {
        let open = |table| txn.open_table(table).map_err(StoreError::database);
        Ok(Self {
            meta: open(META)?,
            records: open(RECORDS)?,
            leaves: open(LEAVES)?,
            rivals: open(RIVALS)?,
            logs: open(LOGS)?,
            names: open(NAMES)?,
            versions: open(VERSIONS)?,
            yanks: open(YANKS)?,
            channels: open(CHANNELS)?,
            roots: open(ROOTS)?,
            grants: open(GRANTS)?,
            attestations: open(ATTESTATIONS)?,
            keys: open(KEYS)?,
            carried: open(CARRIED)?,
            items: open(ITEMS)?,
            bare: open(BARE)?,
            awaited: open(AWAITED)?,
            facets: open(FACETS)?,
            changes: open(CHANGES)?,
            cursors: open(CURSORS)?,
            followers: open(FOLLOWERS)?,
            outbox: open(OUTBOX)?,
            publishers: open(PUBLISHERS)?,
            petnames: open(PETNAMES)?,
            registers: open(REGISTERS)?,
            register_items: open(REGISTER_ITEMS)?,
            decisions: open(DECISIONS)?,
            peers: open(PEERS)?,
            holds: open(HOLDS)?,
            installs: open(INSTALLS)?,
            in_use: open(IN_USE)?,
        })
    }
}

/// The value at `key`, copied out.
pub(super) fn get(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let value = rows.get(key).map_err(StoreError::database)?;
    Ok(value.map(|value| value.value().to_vec()))
}

/// Writes a row, replacing the one that was there.
pub(super) fn put(rows: &mut Rows<'_>, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    rows.insert(key, value).map(drop).map_err(StoreError::database)
}

/// Removes a row.
///
/// - result: whether it was there.
pub(super) fn remove(rows: &mut Rows<'_>, key: &[u8]) -> Result<bool, StoreError> {
    Ok(rows.remove(key).map_err(StoreError::database)?.is_some())
}

/// The number at `key`; `None` when there is none.
pub(super) fn get_number(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<u64>, StoreError> {
    get(rows, key)?.map(|value| number(&value)).transpose()
}

/// A big-endian number, as keys and values have them.
pub(super) fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| StoreError::damaged("a number"))?))
}

/// The smallest key after every key that begins with `prefix`; `None` when there is none.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Removes the rows whose key `keep` does not want.
pub(super) fn retain(rows: &mut Rows<'_>, keep: impl Fn(&[u8]) -> bool) -> Result<(), StoreError> {
    rows.retain(|key, _| keep(key)).map_err(StoreError::database)
}

/// Removes the rows whose key begins with `prefix`.
pub(super) fn remove_all(rows: &mut Rows<'_>, prefix: &[u8]) -> Result<(), StoreError> {
    let removed = match prefix_end(prefix) {
        Some(end) => rows.retain_in::<&[u8], _>(prefix..end.as_slice(), |_, _| false),
        None => rows.retain_in::<&[u8], _>(prefix.., |_, _| false),
    };
    removed.map_err(StoreError::database)
}

/// Rows of a table, in key order.
pub(super) struct Scan<'r>(redb::Range<'r, &'static [u8], &'static [u8]>);

/// A key or a value, as long as it is needed.
pub(super) type Guard<'r> = AccessGuard<'r, &'static [u8]>;

impl<'r> Iterator for Scan<'r> {
    type Item = Result<(Guard<'r>, Guard<'r>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|row| row.map_err(StoreError::database))
    }
}

impl DoubleEndedIterator for Scan<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|row| row.map_err(StoreError::database))
    }
}

/// Every row.
pub(super) fn all<'r>(
    rows: &'r impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<Scan<'r>, StoreError> {
    with_prefix(rows, &[])
}

/// The row at `first` and all after it.
pub(super) fn from<'r>(
    rows: &'r impl ReadableTable<&'static [u8], &'static [u8]>,
    first: &[u8],
) -> Result<Scan<'r>, StoreError> {
    rows.range::<&[u8]>(first..).map(Scan).map_err(StoreError::database)
}

/// Rows whose key begins with `prefix`.
pub(super) fn with_prefix<'r>(
    rows: &'r impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
) -> Result<Scan<'r>, StoreError> {
    match prefix_end(prefix) {
        Some(end) => {
            let range = rows.range::<&[u8]>(prefix..end.as_slice());
            range.map(Scan).map_err(StoreError::database)
        }
        None => from(rows, prefix),
    }
}

/// One log: a publisher, and the key that signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Whose log it is.
    pub publisher: PublisherId,
    /// The key that signs it.
    pub key: PublicKey,
}

impl LogId {
    pub(super) fn row_key(&self) -> [u8; 64] {
        let mut key = [0; 64];
        key[..32].copy_from_slice(self.publisher.as_bytes());
        key[32..].copy_from_slice(self.key.as_bytes());
        key
    }

    pub(super) fn of_row_key(key: &[u8]) -> Result<Self, StoreError> {
        let (publisher, key) =
            key.split_at_checked(32).ok_or(StoreError::damaged("a log's key"))?;
        let key = key.try_into().ok().and_then(|key| PublicKey::from_bytes(key).ok());
        Ok(Self {
            publisher: publisher_of(publisher)?,
            key: key.ok_or(StoreError::damaged("a log's key"))?,
        })
    }
}

/// Log, position.
pub(super) fn leaf_key(log: &LogId, seq: u64) -> [u8; 72] {
    let mut key = [0; 72];
    key[..64].copy_from_slice(&log.row_key());
    key[64..].copy_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn of_leaf_key(key: &[u8]) -> Result<(LogId, u64), StoreError> {
    let (log, seq) = key.split_at_checked(64).ok_or(StoreError::damaged("a leaf's key"))?;
    Ok((LogId::of_row_key(log)?, number(seq)?))
}

/// Log, position, leaf hash.
pub(super) fn rival_key(log: &LogId, seq: u64, hash: &Sha256Digest) -> [u8; 104] {
    let mut key = [0; 104];
    key[..72].copy_from_slice(&leaf_key(log, seq));
    key[72..].copy_from_slice(hash.as_bytes());
    key
}

pub(super) fn of_rival_key(key: &[u8]) -> Result<(LogId, u64, Sha256Digest), StoreError> {
    let (place, hash) = key.split_at_checked(72).ok_or(StoreError::damaged("a rival's key"))?;
    let hash = hash.try_into().map_err(|_| StoreError::damaged("a rival's key"))?;
    let (log, seq) = of_leaf_key(place)?;
    Ok((log, seq, Sha256Digest::from_bytes(hash)))
}

pub(super) fn publisher_of(bytes: &[u8]) -> Result<PublisherId, StoreError> {
    digest_of(bytes).map(PublisherId::from_digest)
}

pub(super) fn digest_of(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map(Digest::from_bytes).map_err(|_| StoreError::damaged("a hash"))
}

/// A name with its length, so that what follows cannot be taken for more of it.
pub(super) fn push_name(key: &mut Vec<u8>, name: &str) {
    // Names are at most 64 bytes.
    key.push(name.len() as u8);
    key.extend_from_slice(name.as_bytes());
}

/// Publisher, name.
pub(super) fn package_key(package: &PackageId) -> Vec<u8> {
    let mut key = package.publisher.as_bytes().to_vec();
    push_name(&mut key, package.name.as_str());
    key
}

/// Package, then a version or a channel.
pub(super) fn package_item_key(package: &PackageId, item: &str) -> Vec<u8> {
    let mut key = package_key(package);
    key.extend_from_slice(item.as_bytes());
    key
}

/// Takes a key that begins with a package apart.
pub(super) fn of_package_key(key: &[u8]) -> Result<(PackageId, &[u8]), StoreError> {
    let damaged = || StoreError::damaged("a package's key");
    let (publisher, rest) = key.split_at_checked(32).ok_or_else(damaged)?;
    let (&length, rest) = rest.split_first().ok_or_else(damaged)?;
    let (name, rest) = rest.split_at_checked(length.into()).ok_or_else(damaged)?;
    let name = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    let name: PackageName = name.ok_or_else(damaged)?;
    Ok((PackageId { publisher: publisher_of(publisher)?, name }, rest))
}

/// Name, publisher.
pub(super) fn name_key(package: &PackageId) -> Vec<u8> {
    let mut key = name_prefix(&package.name);
    key.extend_from_slice(package.publisher.as_bytes());
    key
}

/// The beginning of every [`name_key`] with this name.
pub(super) fn name_prefix(name: &PackageName) -> Vec<u8> {
    let mut key = Vec::with_capacity(97);
    push_name(&mut key, name.as_str());
    key
}

/// Takes a [`name_key`] apart.
pub(super) fn of_name_key(key: &[u8]) -> Result<PackageId, StoreError> {
    let damaged = || StoreError::damaged("a name's key");
    let (&length, rest) = key.split_first().ok_or_else(damaged)?;
    let (name, publisher) = rest.split_at_checked(length.into()).ok_or_else(damaged)?;
    let name = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    Ok(PackageId { publisher: publisher_of(publisher)?, name: name.ok_or_else(damaged)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SecretKey;

    fn publisher(byte: u8) -> PublisherId {
        PublisherId::from_digest(Digest::from_bytes([byte; 32]))
    }

    #[test]
    fn keys_have_these_bytes_and_come_apart_again() {
        let package = PackageId { publisher: publisher(0xaa), name: "db".parse().unwrap() };
        let aa = "aa".repeat(32);
        assert_eq!(hex::encode(package_key(&package)), format!("{aa}026462"));
        let key = package_item_key(&package, "1.0.0");
        assert_eq!(hex::encode(&key), format!("{aa}026462312e302e30"));
        assert_eq!(of_package_key(&key).unwrap(), (package.clone(), b"1.0.0".as_slice()));
        assert_eq!(hex::encode(name_key(&package)), format!("026462{aa}"));
        assert_eq!(of_name_key(&name_key(&package)).unwrap(), package);
        let log =
            LogId { publisher: publisher(0xaa), key: SecretKey::from_bytes(&[1; 32]).public() };
        let expected = format!("{aa}{}0000000000000102", log.key);
        assert_eq!(hex::encode(leaf_key(&log, 0x102)), expected);
        assert_eq!(of_leaf_key(&leaf_key(&log, 0x102)).unwrap(), (log, 0x102));
    }

    #[test]
    fn keys_that_are_cut_short_are_damage() {
        let package = PackageId { publisher: publisher(0xaa), name: "db".parse().unwrap() };
        let key = package_key(&package);
        for end in 0..key.len() {
            of_package_key(&key[..end]).unwrap_err();
            of_name_key(&name_key(&package)[..end]).unwrap_err();
        }
        of_leaf_key(&[0xff; 72]).unwrap_err();
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff, 0xff]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
