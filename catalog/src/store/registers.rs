//! Keeps the newest register of each node and name, within bounds.
//!
//! A register costs its sender nothing, so what nodes that nobody here added as a peer may keep is
//! little: each of them a few, all of them together some megabytes, and when that is full the
//! oldest goes. What a person added is not counted among them and never pushed out by them.

use std::collections::{BTreeMap, HashMap};

use super::tables::{
    META_NODE, META_REGISTERS, REGISTERS, Tables, all, get, get_number, push_name, put, remove,
    with_prefix,
};
use super::{Snapshot, Store, StoreError};
use crate::item::ItemId;
use crate::permission::NodeId;
use crate::register::{AHEAD_MAX, Hlc, LIFE_MAX, Register, RegisterName, SealedRegister};
use crate::time::Timestamp;

/// The most registers of one node that is no peer. A mirror has 19: its lease, its selection, what
/// it served, and 16 pages of what it holds; a node says a handful of other things beside.
const STRANGER_MAX: usize = 32;

/// The most registers of one peer.
const PEER_MAX: usize = 256;

/// The most registers of all nodes together that are no peers: some 17 MiB.
const STRANGERS_MAX: usize = 4096;

/// The most registers of one call.
pub const REGISTERS_AT_ONCE_MAX: usize = 4096;

/// What became of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterFate {
    /// It holds from now on.
    New,
    /// It, or a later one, was here already.
    Known,
    /// It was not taken in.
    Refused(RegisterRefusal),
}

/// Why a register was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterRefusal {
    /// The node that it names did not sign it. Whoever passed it on should have noticed.
    #[error("the register is forged")]
    Forged,
    /// It is stamped in the future: its node's clock is wrong, or ours.
    #[error("the register is stamped too far in the future")]
    Ahead,
    /// It does not hold any more.
    #[error("the register has expired")]
    Expired,
    /// It would hold for longer than any register may.
    #[error("the register would hold for too long")]
    TooLong,
    /// Its node, or all strangers together, have as many as they may.
    #[error("there is no room for more registers of this node")]
    NoRoom,
}

impl Store {
    /// Takes in registers that a peer sent: each that is signed, in time and later than the one
    /// that is here takes its place. Those that have expired are dropped on the way.
    ///
    /// - result: one fate for each, in order.
    ///
    /// # Errors
    /// [`StoreError::BatchTooLarge`] beyond `REGISTERS_AT_ONCE_MAX`.
    pub fn accept_registers(
        &self,
        registers: Vec<SealedRegister>,
        now: Timestamp,
    ) -> Result<Vec<RegisterFate>, StoreError> {
        if registers.len() > REGISTERS_AT_ONCE_MAX {
            let bytes = registers.iter().map(|sealed| sealed.peek().value.len()).sum();
            return Err(StoreError::BatchTooLarge { items: registers.len(), bytes });
        }
        // Before the transaction: forgeries cost their sender's time, not the lock on the store.
        let checked: Vec<_> = registers.iter().map(|sealed| check(sealed, now)).collect();
        self.write(|tables| {
            let mut room = Room::count(tables, now)?;
            let fates = registers.iter().zip(checked).map(|(sealed, checked)| match checked {
                Err(refusal) => Ok(RegisterFate::Refused(refusal)),
                Ok(()) => keep(tables, sealed, Some(&mut room)),
            });
            fates.collect()
        })
    }

    /// Drops the registers that do not hold any more.
    ///
    /// - result: how many.
    pub fn sweep_registers(&self, now: Timestamp) -> Result<usize, StoreError> {
        // Most times there is nothing to drop, and a transaction waits for the disk.
        let held = all(&self.read()?.rows(REGISTERS)?)?.try_fold(true, |held, row| {
            Ok::<_, StoreError>(held && sealed_of(row?.1.value())?.peek().expires > now)
        })?;
        match held {
            true => Ok(0),
            false => self.write(|tables| Ok(sweep(tables, now)?.0)),
        }
    }

    /// Writes a register of our own node, which no quota holds for.
    ///
    /// - result: [`RegisterFate::Known`] when it is not later than the last one.
    pub fn put_register(
        &self,
        sealed: &SealedRegister,
        now: Timestamp,
    ) -> Result<RegisterFate, StoreError> {
        if let Err(refusal) = check(sealed, now) {
            return Ok(RegisterFate::Refused(refusal));
        }
        self.write(|tables| {
            put(&mut tables.meta, META_NODE, sealed.peek().node.as_bytes())?;
            keep(tables, sealed, None)
        })
    }

    /// The registers of this name that hold at `now`, by node.
    pub fn registers(
        &self,
        name: &RegisterName,
        now: Timestamp,
    ) -> Result<Vec<Register>, StoreError> {
        let rows = self.read()?.rows(REGISTERS)?;
        let mut found = Vec::new();
        for row in with_prefix(&rows, &name_prefix(name))? {
            let (_, row) = row?;
            let register = sealed_of(row.value())?.peek().clone();
            if register.expires > now {
                found.push(register);
            }
        }
        Ok(found)
    }

    /// The register of this name of one node, whether it has expired or not: so that its own next
    /// one is stamped later.
    pub fn register(
        &self,
        name: &RegisterName,
        node: &NodeId,
    ) -> Result<Option<Register>, StoreError> {
        let row = get(&self.read()?.rows(REGISTERS)?, &register_key(name, node))?;
        row.map(|row| Ok(sealed_of(&row)?.peek().clone())).transpose()
    }
}

/// The registers that hold at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRegisters {
    /// Their items, ascending.
    pub items: Vec<ItemId>,
    /// When the first of them expires, if there are any.
    pub until: Option<Timestamp>,
}

impl Snapshot {
    /// The registers that hold at `now`: those that others are told of.
    pub fn held_registers(&self, now: Timestamp) -> Result<HeldRegisters, StoreError> {
        let mut held = HeldRegisters { items: Vec::new(), until: None };
        for row in all(self.registers())? {
            let sealed = sealed_of(row?.1.value())?;
            let expires = sealed.peek().expires;
            if expires > now {
                held.items.push(sealed.item());
                held.until = Some(held.until.map_or(expires, |until| until.min(expires)));
            }
        }
        held.items.sort_unstable();
        Ok(held)
    }
}

/// Whether a register may be taken in at all.
fn check(sealed: &SealedRegister, now: Timestamp) -> Result<(), RegisterRefusal> {
    let register = sealed.peek();
    let stamped = register.hlc.time();
    if stamped.since(now) > AHEAD_MAX {
        return Err(RegisterRefusal::Ahead);
    }
    if register.expires <= now {
        return Err(RegisterRefusal::Expired);
    }
    if register.expires.since(stamped) > LIFE_MAX {
        return Err(RegisterRefusal::TooLong);
    }
    sealed.open().map(drop).map_err(|_| RegisterRefusal::Forged)
}

/// Key, node and stamp of a register.
type Row = (Vec<u8>, NodeId, Hlc);

/// Drops what has expired: how many that were, and those that are left.
fn sweep(tables: &mut Tables<'_>, now: Timestamp) -> Result<(usize, Vec<Row>), StoreError> {
    let (mut expired, mut left) = (Vec::new(), Vec::new());
    for row in all(&tables.registers)? {
        let (key, row) = row?;
        let sealed = sealed_of(row.value())?;
        match sealed.peek().expires <= now {
            true => expired.push((key.value().to_vec(), sealed)),
            false => left.push((key.value().to_vec(), sealed.peek().node, sealed.peek().hlc)),
        }
    }
    for (key, sealed) in &expired {
        forget(tables, key, sealed)?;
    }
    Ok((expired.len(), left))
}

/// Who keeps how many registers.
struct Room {
    held: HashMap<NodeId, usize>,
    /// Who is a peer, or ourselves.
    peers: HashMap<NodeId, bool>,
    /// Those of strangers, the oldest first.
    strangers: BTreeMap<(u64, Vec<u8>), NodeId>,
}

impl Room {
    /// Drops what has expired and counts the rest.
    fn count(tables: &mut Tables<'_>, now: Timestamp) -> Result<Self, StoreError> {
        let own = get(&tables.meta, META_NODE)?.and_then(|node| node.try_into().ok());
        let peers = own.map(|node| (NodeId::from_bytes(node), true)).into_iter().collect();
        let mut room = Self { held: HashMap::new(), peers, strangers: BTreeMap::new() };
        for (key, node, hlc) in sweep(tables, now)?.1 {
            room.add(tables, &key, node, hlc.to_bits())?;
        }
        Ok(room)
    }

    fn add(
        &mut self,
        tables: &Tables<'_>,
        key: &[u8],
        node: NodeId,
        hlc: u64,
    ) -> Result<(), StoreError> {
        *self.held.entry(node).or_default() += 1;
        if !self.is_peer(tables, &node)? {
            self.strangers.insert((hlc, key.to_vec()), node);
        }
        Ok(())
    }

    fn is_peer(&mut self, tables: &Tables<'_>, node: &NodeId) -> Result<bool, StoreError> {
        if let Some(known) = self.peers.get(node) {
            return Ok(*known);
        }
        let known = get(&tables.peers, node.as_bytes())?.is_some();
        self.peers.insert(*node, known);
        Ok(known)
    }

    /// Makes room for one more register of a node, if it may have one.
    fn make(&mut self, tables: &mut Tables<'_>, register: &Register) -> Result<bool, StoreError> {
        let held = self.held.get(&register.node).copied().unwrap_or_default();
        if self.is_peer(tables, &register.node)? {
            return Ok(held < PEER_MAX);
        }
        if held >= STRANGER_MAX {
            return Ok(false);
        }
        if self.strangers.len() < STRANGERS_MAX {
            return Ok(true);
        }
        let Some(((hlc, key), node)) = self.strangers.first_key_value() else { return Ok(false) };
        if *hlc >= register.hlc.to_bits() {
            return Ok(false);
        }
        let (key, node) = (key.clone(), *node);
        if let Some(row) = get(&tables.registers, &key)? {
            forget(tables, &key, &sealed_of(&row)?)?;
        }
        self.strangers.pop_first();
        self.held.entry(node).and_modify(|held| *held -= 1);
        Ok(true)
    }
}

/// - `room`: `None` for a register of our own.
fn keep(
    tables: &mut Tables<'_>,
    sealed: &SealedRegister,
    room: Option<&mut Room>,
) -> Result<RegisterFate, StoreError> {
    let register = sealed.peek();
    let key = register_key(&register.name, &register.node);
    let old = get(&tables.registers, &key)?.map(|row| sealed_of(&row)).transpose()?;
    match &old {
        Some(old) if !sealed.supersedes(old) => return Ok(RegisterFate::Known),
        Some(old) => {
            forget(tables, &key, old)?;
            if let Some(room) = room {
                let hlc = (old.peek().hlc.to_bits(), key.clone());
                if let Some(node) = room.strangers.remove(&hlc) {
                    room.strangers.insert((register.hlc.to_bits(), key.clone()), node);
                }
            }
        }
        None => {
            if let Some(room) = room {
                if !room.make(tables, register)? {
                    return Ok(RegisterFate::Refused(RegisterRefusal::NoRoom));
                }
                room.add(tables, &key, register.node, register.hlc.to_bits())?;
            }
        }
    }
    put(&mut tables.register_items, sealed.item().as_bytes(), &key)?;
    put(&mut tables.registers, &key, &sealed.encode())?;
    count_change(tables)?;
    Ok(RegisterFate::New)
}

fn forget(tables: &mut Tables<'_>, key: &[u8], sealed: &SealedRegister) -> Result<(), StoreError> {
    remove(&mut tables.registers, key)?;
    remove(&mut tables.register_items, sealed.item().as_bytes())?;
    count_change(tables)
}

/// Notes that the registers are others than before.
fn count_change(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    let count = get_number(&tables.meta, META_REGISTERS)?.unwrap_or_default();
    put(&mut tables.meta, META_REGISTERS, &count.wrapping_add(1).to_be_bytes())
}

pub(super) fn sealed_of(row: &[u8]) -> Result<SealedRegister, StoreError> {
    SealedRegister::decode(row).map_err(|_| StoreError::damaged("a register"))
}

fn name_prefix(name: &RegisterName) -> Vec<u8> {
    let mut key = Vec::with_capacity(97);
    push_name(&mut key, name.as_str());
    key
}

/// Name, node.
pub(super) fn register_key(name: &RegisterName, node: &NodeId) -> Vec<u8> {
    let mut key = name_prefix(name);
    key.extend_from_slice(node.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, store};
    use super::super::{ItemSet, PeerRow};
    use super::*;
    use crate::signature::SecretKey;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis().strict_add_signed(millis))
    }

    fn secret(number: u64) -> [u8; 32] {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        secret
    }

    fn node(number: u64) -> NodeId {
        NodeId::from_bytes(*SecretKey::from_bytes(&secret(number)).public().as_bytes())
    }

    /// A register that is stamped `millis` from now and holds for an hour.
    fn sealed(number: u64, name: &str, value: &str, millis: i64) -> SealedRegister {
        let hlc = Hlc::after(Hlc::default(), at(millis));
        let expires = at(millis + 3_600_000);
        let register = Register {
            node: node(number),
            name: name.parse().unwrap(),
            value: value.into(),
            hlc,
            expires,
        };
        SealedRegister::seal(&register, &secret(number)).unwrap()
    }

    fn values(store: &Store, name: &str, now: Timestamp) -> Vec<String> {
        let registers = store.registers(&name.parse().unwrap(), now).unwrap();
        registers.into_iter().map(|one| String::from_utf8(one.value).unwrap()).collect()
    }

    fn ids(store: &Store) -> Vec<crate::ItemId> {
        store.snapshot().unwrap().ids(ItemSet::Registers, &[0; 32], 0, usize::MAX).unwrap()
    }

    #[test]
    fn the_latest_register_holds_in_whatever_order_they_come() {
        let all = [
            sealed(1, "peer", "old", -5000),
            sealed(1, "peer", "new", -1000),
            sealed(1, "peer", "rival", -1000),
            sealed(1, "usage", "much", -3000),
            sealed(2, "peer", "other", -9000),
        ];
        let mut outcomes = Vec::new();
        for turn in 0..all.len() {
            let (store, mut sent) = (store(), all.to_vec());
            sent.rotate_left(turn);
            for sealed in &sent {
                store.accept_registers(vec![sealed.clone()], NOW).unwrap();
            }
            assert_eq!(store.verify().unwrap(), []);
            let snapshot = store.snapshot().unwrap();
            for id in ids(&store) {
                assert_eq!(snapshot.register(&id).unwrap().unwrap().item(), id);
            }
            outcomes.push((ids(&store), values(&store, "peer", NOW)));
            let again = store.accept_registers(sent, NOW).unwrap();
            assert_eq!(again, [RegisterFate::Known; 5]);
        }
        assert_eq!(outcomes[0].0.len(), 3);
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    }

    /// Threat row 35: a clock that is wrong, ours or another's, never makes a register immortal.
    #[test]
    fn stamps_of_the_future_are_refused_and_what_expired_is_dropped() {
        let store = store();
        let fate =
            |sealed: SealedRegister, now| store.accept_registers(vec![sealed], now).unwrap()[0];
        let refused = RegisterFate::Refused;
        let ten_years: i64 = 10 * 365 * 24 * 3_600_000;
        for ahead in [601_000, 3_600_000, ten_years] {
            let fate = fate(sealed(1, "peer", "x", ahead), NOW);
            assert_eq!(fate, refused(RegisterRefusal::Ahead));
        }
        assert_eq!(
            fate(sealed(1, "peer", "x", -ten_years), NOW),
            refused(RegisterRefusal::Expired)
        );
        assert_eq!(fate(sealed(1, "peer", "soon", 599_000), NOW), RegisterFate::New);
        let mut immortal = sealed(2, "peer", "x", 0).peek().clone();
        immortal.expires = Timestamp::from_millis(u64::MAX);
        let immortal = SealedRegister::seal(&immortal, &secret(2)).unwrap();
        assert_eq!(fate(immortal, NOW), refused(RegisterRefusal::TooLong));
        assert_eq!(values(&store, "peer", NOW), ["soon"]);
        assert_eq!(values(&store, "peer", at(4_300_000)), Vec::<String>::new());
        // Our clock jumped and came back: nothing is lost for good, nodes stamp anew.
        assert_eq!(fate(sealed(2, "peer", "later", ten_years), at(ten_years)), RegisterFate::New);
        assert_eq!(ids(&store).len(), 1);
        assert_eq!(fate(sealed(1, "peer", "again", 0), NOW), RegisterFate::New);
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn what_expired_is_shown_to_nobody_and_swept() {
        let store = store();
        let [short, long] = [sealed(1, "peer", "x", -3_000_000), sealed(2, "peer", "y", 0)];
        store.accept_registers(vec![short.clone(), long.clone()], NOW).unwrap();
        let held = |now| store.snapshot().unwrap().held_registers(now).unwrap();
        let version = || store.snapshot().unwrap().registers_version();
        let mut both = vec![short.item(), long.item()];
        both.sort_unstable();
        assert_eq!(held(NOW), HeldRegisters { items: both, until: Some(at(600_000)) });
        let before = version();
        assert_eq!(held(at(600_000)).items, [long.item()]);
        assert_eq!((store.sweep_registers(at(599_999)).unwrap(), version()), (0, before));
        assert_eq!(store.sweep_registers(at(600_000)).unwrap(), 1);
        assert!(version() != before && ids(&store) == [long.item()]);
        assert_eq!(store.sweep_registers(at(9_000_000)).unwrap(), 1);
        assert_eq!(held(NOW), HeldRegisters { items: Vec::new(), until: None });
    }

    #[test]
    fn a_forged_register_is_refused() {
        let store = store();
        let honest = sealed(1, "peer", "here", 0).encode();
        let mut forged = honest.clone();
        let at = forged.windows(4).position(|bytes| bytes == b"here").unwrap();
        forged[at] = b'H';
        let forged = SealedRegister::decode(&forged).unwrap();
        let fates = store.accept_registers(vec![forged], NOW).unwrap();
        assert_eq!(fates, [RegisterFate::Refused(RegisterRefusal::Forged)]);
        assert_eq!(ids(&store), []);
    }

    /// Threat row 34: node keys cost nothing, so what they may keep here is little.
    #[test]
    fn strangers_keep_few_registers_and_push_no_peer_out() {
        let store = store();
        let peer = PeerRow {
            node: node(1),
            addrs: Vec::new(),
            alias: None,
            added: NOW,
            last_seen: None,
            cursor: None,
        };
        store.add_peer(&peer).unwrap();
        let mine = sealed(0, "peer", "mine", -100_000);
        assert_eq!(store.put_register(&mine, NOW).unwrap(), RegisterFate::New);
        store.accept_registers(vec![sealed(1, "peer", "peer", -99_000)], NOW).unwrap();
        let many = (0..40).map(|name| sealed(2, &format!("n{name}"), "", 0)).collect();
        let fates = store.accept_registers(many, NOW).unwrap();
        let refused = RegisterFate::Refused(RegisterRefusal::NoRoom);
        assert_eq!(fates.iter().filter(|fate| **fate == refused).count(), 40 - STRANGER_MAX);
        let strangers = |numbers: std::ops::Range<u64>, millis| -> Vec<_> {
            numbers.map(|number| sealed(number, "peer", "stranger", millis)).collect()
        };
        store.accept_registers(strangers(10..4106, 1), NOW).unwrap();
        let before = ids(&store).len();
        assert!(before <= STRANGERS_MAX + 2, "{before}");
        let fates = store.accept_registers(strangers(5000..5010, -50_000), NOW).unwrap();
        assert_eq!(fates, [refused; 10], "older than all that is here");
        let fates = store.accept_registers(strangers(5000..5010, 2), NOW).unwrap();
        assert_eq!((fates, ids(&store).len()), (vec![RegisterFate::New; 10], before));
        for number in [0, 1] {
            assert!(store.register(&"peer".parse().unwrap(), &node(number)).unwrap().is_some());
        }
        assert_eq!(store.verify().unwrap(), []);
    }

    #[test]
    fn a_stranger_that_is_a_mirror_is_heard_in_full() {
        let store = store();
        let pages = (0..16).map(|page| format!("mirror/holds/{page:x}"));
        let others = ["announcement", "mirror/demand", "mirror/filter", "mirror/lease", "receipts"];
        let names = pages.chain(others.map(str::to_owned));
        let said = names.map(|name| sealed(3, &name, "", 0)).collect();
        let fates = store.accept_registers(said, NOW).unwrap();
        assert_eq!(fates, [RegisterFate::New; 21]);
    }

    #[test]
    fn a_registers_key_has_these_bytes() {
        let name = "peer".parse().unwrap();
        let key = register_key(&name, &NodeId::from_bytes([0xab; 32]));
        assert_eq!(hex::encode(key), format!("0470656572{}", "ab".repeat(32)));
    }
}
