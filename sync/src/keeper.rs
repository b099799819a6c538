//! Keeps the summaries of a store's sets up to date.
//!
//! A keeper follows the change log: it takes up what entered the sets since it last looked, so a
//! new record costs microseconds, and now and then saves its rows with its place in the log, in one
//! transaction. After a crash it is late, never wrong: rows that make no sense, or that do not add
//! up with what was told since, are given up and made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use catalog::signature::PublicKey;
use catalog::store::{HeldRegisters, ItemChange, ItemSet, LogId, Snapshot, Store, StoreError};
use catalog::{Digest, ItemId, PublisherId, Timestamp};

use crate::items::{Items, ItemsError, Prefix, SortedIds};
use crate::summary::{OpenError, Summary};
use crate::view::{Selection, View};

/// Our name among the followers of a store.
const FOLLOWER: &str = "sync";
/// Changes read at once.
const CHANGES_AT_ONCE: usize = 8192;
/// The rows are saved when so many changes were taken up since: the next start replays fewer.
const UNSAVED_MAX: u64 = 4096;
/// What the keys of heads begin with; those of summaries begin with the number of the set.
const HEADS_ROW: u8 = 2;

/// The items of one view of a store, as of one moment.
#[derive(Clone, Debug)]
pub enum ViewItems {
    /// A whole set.
    Set(Snapshot, ItemSet),
    /// Those that a selection admits, or that hold at some moment.
    Some(Arc<SortedIds>),
}

impl Items for ViewItems {
    fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
        match self {
            Self::Set(snapshot, set) => {
                Ok(snapshot.ids(*set, prefix.as_bytes(), prefix.bits(), limit)?)
            }
            Self::Some(ids) => ids.scan(prefix, limit),
        }
    }
}

/// What a store holds at one moment, summed up.
#[derive(Clone, Debug)]
pub struct Current {
    /// The moment.
    pub snapshot: Snapshot,
    urgent: Summary,
    log: Summary,
    registers: SharedRegisters,
}

/// The registers as they were summed up last.
type SharedRegisters = Arc<Mutex<Option<Registers>>>;

/// The registers that hold, summed up.
#[derive(Clone, Debug)]
struct Registers {
    /// Of the snapshot that they were read from.
    version: u64,
    /// The sum holds from here.
    from: Timestamp,
    /// Until the first of them expires.
    until: Option<Timestamp>,
    summary: Summary,
    ids: Arc<SortedIds>,
}

impl Registers {
    fn read(snapshot: &Snapshot, now: Timestamp) -> Result<Self, StoreError> {
        let HeldRegisters { items, until } = snapshot.held_registers(now)?;
        let ids: Arc<SortedIds> = Arc::new(items.into_iter().collect());
        let (version, summary) = (snapshot.registers_version(), Summary::build(&ids));
        Ok(Self { version, from: now, until, summary, ids })
    }

    fn is_of(&self, version: u64, now: Timestamp) -> bool {
        self.version == version && self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

impl Current {
    /// The summary of a view, and its items. Of a selection both are made now, of registers when
    /// they are others than last time.
    ///
    /// - `now`: registers that have expired by then are none.
    ///
    /// # Errors
    /// When the items cannot be read.
    pub fn of(&self, view: &View, now: Timestamp) -> Result<(Summary, ViewItems), StoreError> {
        let set = |set| ViewItems::Set(self.snapshot.clone(), set);
        Ok(match view {
            View::Urgent => (self.urgent.clone(), set(ItemSet::Urgent)),
            View::All => (self.log.clone(), set(ItemSet::Log)),
            View::Registers => {
                let Registers { summary, ids, .. } = self.registers(now)?;
                (summary, ViewItems::Some(ids))
            }
            View::Releases(selection) => {
                let ids = Arc::new(selected(&self.snapshot, selection)?);
                (Summary::build(&ids), ViewItems::Some(ids))
            }
        })
    }

    fn registers(&self, now: Timestamp) -> Result<Registers, StoreError> {
        let mut known = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.snapshot.registers_version();
        if let Some(registers) = known.as_ref().filter(|known| known.is_of(version, now)) {
            return Ok(registers.clone());
        }
        Ok(known.insert(Registers::read(&self.snapshot, now)?).clone())
    }

    /// The summary of what must not wait.
    pub fn urgent(&self) -> &Summary {
        &self.urgent
    }

    /// The summary of every position of every log.
    pub fn log(&self) -> &Summary {
        &self.log
    }

    /// One hash for everything that nodes keep equal.
    pub fn root(&self) -> Digest {
        Digest::of(&[self.urgent.root(), self.log.root()].concat())
    }
}

/// The items of the releases that a selection admits.
fn selected(snapshot: &Snapshot, selection: &Selection) -> Result<SortedIds, StoreError> {
    let mut wanted: Option<BTreeSet<ItemId>> = None;
    for field in selection.facets() {
        let mut held = BTreeSet::new();
        for facet in field {
            for id in snapshot.facet_ids(facet)? {
                let id = id?;
                if wanted.as_ref().is_none_or(|wanted| wanted.contains(&id)) {
                    held.insert(id);
                }
            }
        }
        wanted = Some(held);
    }
    Ok(wanted.unwrap_or_default().into_iter().collect())
}

/// Follows a store and sums up its sets. Clones are the same keeper.
#[derive(Clone, Debug)]
pub struct Keeper {
    store: Store,
    kept: Arc<Mutex<Option<Kept>>>,
    registers: SharedRegisters,
}

#[derive(Debug, Default)]
struct Kept {
    urgent: Summary,
    log: Summary,
    /// The heads of each log that are in the urgent set.
    heads: BTreeMap<LogId, Vec<ItemId>>,
    /// Logs whose heads are not saved as they are.
    changed: BTreeSet<LogId>,
    /// The last change that was taken up.
    seq: u64,
    /// The last change that is saved.
    saved: u64,
    /// Rows of an earlier life have to go before ours are written.
    clear: bool,
}

impl Keeper {
    /// A keeper of what `store` holds. Nothing is read before it is asked for.
    pub fn new(store: Store) -> Self {
        Self { store, kept: Arc::default(), registers: Arc::default() }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the store holds now.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn current(&self) -> Result<Current, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mine = match kept.take() {
            Some(mine) => mine,
            None => Kept::open(&self.store)?,
        };
        let snapshot = self.store.snapshot()?;
        mine.catch_up(&snapshot)?;
        if !mine.is_settled() {
            mine = Kept::anew();
            mine.catch_up(&snapshot)?;
        }
        if mine.seq - mine.saved >= UNSAVED_MAX {
            mine.save(&self.store)?;
        }
        let (urgent, log) = (mine.urgent.clone(), mine.log.clone());
        let current = Current { snapshot, urgent, log, registers: self.registers.clone() };
        *kept = Some(mine);
        Ok(current)
    }

    /// Saves what was taken up, so that the next start has nothing to replay.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&self) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_mut() {
            Some(kept) if kept.seq > kept.saved => kept.save(&self.store),
            _ => Ok(()),
        }
    }
}

/// Why saved rows are given up.
enum GivenUp {
    Store(StoreError),
    Rows,
}

impl From<StoreError> for GivenUp {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OpenError> for GivenUp {
    fn from(_: OpenError) -> Self {
        Self::Rows
    }
}

impl Kept {
    fn anew() -> Self {
        Self { clear: true, ..Self::default() }
    }

    fn open(store: &Store) -> Result<Self, StoreError> {
        if store.cursor(FOLLOWER)? == 0 {
            return Ok(Self::anew());
        }
        match Self::read(store) {
            Ok(kept) if kept.is_settled() => Ok(kept),
            Ok(_) | Err(GivenUp::Rows) => Ok(Self::anew()),
            Err(GivenUp::Store(error)) => Err(error),
        }
    }

    fn read(store: &Store) -> Result<Self, GivenUp> {
        let summary = |set: ItemSet| {
            let (summary, seq) = store.follower_rows(FOLLOWER, &[number(set)], |rows| {
                Summary::open(rows.map(|row| {
                    let (key, value) = row?;
                    Ok::<_, GivenUp>((key[1..].to_vec(), value))
                }))
            })?;
            Ok::<_, GivenUp>((summary?, seq))
        };
        let ((urgent, seq), (log, log_seq)) = (summary(ItemSet::Urgent)?, summary(ItemSet::Log)?);
        let (heads, heads_seq) = store.follower_rows(FOLLOWER, &[HEADS_ROW], |rows| {
            rows.map(|row| {
                let (key, value) = row?;
                heads_of_row(&key, &value).ok_or(GivenUp::Rows)
            })
            .collect::<Result<BTreeMap<_, _>, _>>()
        })?;
        if log_seq != seq || heads_seq != seq {
            return Err(GivenUp::Rows);
        }
        Ok(Self { urgent, log, heads: heads?, seq, saved: seq, ..Self::default() })
    }

    /// Takes up what was told since.
    fn catch_up(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        if snapshot.last_change() < self.seq {
            // The store is an older one than the rows speak of.
            *self = Self::anew();
        }
        loop {
            let changes = snapshot.item_changes(self.seq, CHANGES_AT_ONCE)?;
            let Some(last) = changes.last() else { break };
            let seq = last.seq();
            self.apply(changes, snapshot)?;
            self.seq = seq;
        }
        self.seq = snapshot.last_change();
        Ok(())
    }

    fn apply(&mut self, changes: Vec<ItemChange>, snapshot: &Snapshot) -> Result<(), StoreError> {
        let (mut urgent, mut log, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                ItemChange::Leaf { set: ItemSet::Urgent, item, .. } => urgent.push(item),
                ItemChange::Leaf { set: ItemSet::Log, item, .. } => log.push(item),
                // No change tells of a register.
                ItemChange::Leaf { set: ItemSet::Registers, .. } => {}
                ItemChange::Heads { log, items, .. } => {
                    let old = self.heads.insert(log, items.clone()).unwrap_or_default();
                    left.extend(old.iter().filter(|old| !items.contains(old)));
                    urgent.extend(items.into_iter().filter(|new| !old.contains(new)));
                    self.changed.insert(log);
                }
            }
        }
        let items = |set| ViewItems::Set(snapshot.clone(), set);
        // Errors of the items are those of the store.
        let store = |ItemsError::Store(error)| error;
        self.urgent.apply(&urgent, &left, &items(ItemSet::Urgent)).map_err(store)?;
        self.log.apply(&log, &[], &items(ItemSet::Log)).map_err(store)
    }

    fn is_settled(&self) -> bool {
        self.urgent.is_settled() && self.log.is_settled()
    }

    fn save(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.clear {
            store.unfollow(FOLLOWER)?;
        }
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        for (set, summary) in [(ItemSet::Urgent, &self.urgent), (ItemSet::Log, &self.log)] {
            let own = |key: Vec<u8>| [&[number(set)], key.as_slice()].concat();
            let checkpoint = summary.checkpoint();
            puts.extend(checkpoint.puts.into_iter().map(|(key, value)| (own(key), value)));
            deletes.extend(checkpoint.deletes.into_iter().map(own));
        }
        for log in &self.changed {
            let heads = self.heads.get(log).map(Vec::as_slice).unwrap_or_default();
            puts.push((heads_key(log), heads.iter().flat_map(|id| *id.as_bytes()).collect()));
        }
        store.follow(FOLLOWER, self.seq, puts, deletes)?;
        self.urgent.saved();
        self.log.saved();
        self.changed.clear();
        (self.saved, self.clear) = (self.seq, false);
        Ok(())
    }
}

const fn number(set: ItemSet) -> u8 {
    match set {
        ItemSet::Urgent => 0,
        _ => 1,
    }
}

/// Publisher and key of the log, after the kind of row.
fn heads_key(log: &LogId) -> Vec<u8> {
    [&[HEADS_ROW], log.publisher.as_bytes().as_slice(), log.key.as_bytes()].concat()
}

fn heads_of_row(key: &[u8], value: &[u8]) -> Option<(LogId, Vec<ItemId>)> {
    let (publisher, key) = key.get(1..)?.split_first_chunk::<32>()?;
    let publisher = PublisherId::from_digest(Digest::from_bytes(*publisher));
    let key = PublicKey::from_bytes(key.try_into().ok()?).ok()?;
    let (heads, rest) = value.as_chunks::<32>();
    let heads = heads.iter().map(|id| ItemId::from_bytes(*id)).collect();
    rest.is_empty().then_some((LogId { publisher, key }, heads))
}
