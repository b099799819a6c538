//! `iroh-docs`: two replicas of one document in memory, whose messages are handed over.

use std::time::Duration;

use catalog::ItemId;
use catalog_benches::measure::timed;
use iroh_blobs_of_docs::Hash;
use iroh_docs::store::Store;
use iroh_docs::sync::{ContentStatus, Entry, ProtocolMessage, Record, RecordIdentifier};
use iroh_docs::{Author, NamespaceId, NamespaceSecret, SignedEntry, SyncOutcome};
use tokio::runtime::Runtime;

use crate::Cost;
use crate::sets::Case;

/// Any moment will do, as long as it is the same in every run; in microseconds.
const NOW: u64 = 1_780_000_000_000_000;
/// Who the other side says it is.
const PEER: [u8; 32] = [1; 32];

/// Two replicas that grow from case to case.
pub struct Docs {
    stores: [Store; 2],
    document: NamespaceSecret,
    author: Author,
    runtime: Runtime,
}

impl Docs {
    /// Two replicas that hold entries with these ids as keys.
    pub fn holding(ids: &[ItemId]) -> Self {
        let mut docs = Self {
            stores: [Store::memory(), Store::memory()],
            document: NamespaceSecret::from_bytes(&[7; 32]),
            author: Author::from_bytes(&[9; 32]),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        };
        docs.insert(0, ids);
        docs.insert(1, ids);
        docs
    }

    fn namespace(&self) -> NamespaceId {
        self.document.id()
    }

    fn entry(&self, id: &ItemId) -> SignedEntry {
        let name = RecordIdentifier::new(self.namespace(), self.author.id(), id.as_bytes());
        let record = Record::new(Hash::from_bytes(*id.as_bytes()), 1, NOW);
        SignedEntry::from_entry(Entry::new(name, record), &self.document, &self.author)
    }

    fn insert(&mut self, side: usize, ids: &[ItemId]) {
        let entries: Vec<SignedEntry> = ids.iter().map(|id| self.entry(id)).collect();
        let (document, namespace) = (self.document.clone(), self.namespace());
        let store = &mut self.stores[side];
        let mut replica = match store.open_replica(&namespace) {
            Ok(replica) => replica,
            Err(_) => store.new_replica(document).unwrap(),
        };
        for entry in entries {
            let inserted = replica.insert_remote_entry(entry, PEER, ContentStatus::Complete);
            self.runtime.block_on(inserted).unwrap();
        }
        drop(replica);
        store.close_replica(namespace);
        store.flush().unwrap();
    }

    /// What it costs until both are equal. The time includes that each side verifies and stores
    /// the entries that come, which cannot be told apart.
    pub fn reconcile(&mut self, case: &Case) -> Cost {
        self.insert(0, &case.ours);
        self.insert(1, &case.theirs);
        let entry_bytes =
            postcard::to_stdvec(&self.entry(&case.common[0])).unwrap().len() as u64 + 1;
        let namespace = self.namespace();
        let [first, second] = &mut self.stores;
        let mut replicas =
            [first.open_replica(&namespace).unwrap(), second.open_replica(&namespace).unwrap()];
        let mut outcomes = [SyncOutcome::default(), SyncOutcome::default()];
        // A frame's length and kind; the first names the document.
        let size =
            |message: &ProtocolMessage| 5 + postcard::to_stdvec(message).unwrap().len() as u64;
        let (mut time, mut flights, mut bytes) = (Duration::ZERO, 0, 32);
        let mut next = Some(timed(&mut time, || replicas[0].sync_initial_message().unwrap()));
        while let Some(message) = next {
            bytes += size(&message);
            flights += 1;
            let side = flights as usize % 2;
            let heard = replicas[side].sync_process_message(message, PEER, &mut outcomes[side]);
            next = timed(&mut time, || self.runtime.block_on(heard).unwrap());
        }
        let ends = replicas.map(|mut replica| replica.sync_initial_message().unwrap());
        assert_eq!(ends[0], ends[1], "both hold the same");
        let [first, second] = &mut self.stores;
        first.close_replica(namespace);
        second.close_replica(namespace);
        Cost { bytes: bytes - case.difference() * entry_bytes, flights, time }
    }
}
