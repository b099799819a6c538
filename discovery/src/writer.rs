//! Adds documents to the files of the index, in bounded memory.
//!
//! In: documents and removals, one after the other. Out: files, which a commit makes count. One
//! thread of the library turns documents into files while the next ones are being made.
//!
//! Guarantees: what waits for that thread has a ceiling in bytes, and whoever writes faster waits;
//! a removal costs memory only when there is something to remove.
//! Not here: what searches see, and when ([`index`](crate::index)).

mod erased;
mod queue;

use std::collections::HashSet;

use tantivy::IndexWriter;
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, MergePolicy};

use crate::cursor::Cursor;
use crate::doc::{Doc, PackageKey};
use crate::index::sound;
use crate::opened::Opened;
use erased::Erased;
use queue::{Queue, Waiting};

/// Memory for the words of documents that are not in a file yet; the least that the library takes
/// is 15 million. Larger files are fewer, and cheaper to join.
const WORDS_BYTES: usize = 15 << 20;

/// Documents that wait to be indexed: enough to keep the thread busy.
const QUEUE_BYTES: usize = 512 << 10;

/// Packages between two commits that make them a load, as after a rebuild or a long absence.
const LOAD: usize = 2_000;
/// Sets of files of one size that are joined into one. While a load is written, joining a few of
/// them would only mean that they are joined again with the rest.
const JOINED: usize = 8;
const JOINED_IN_A_LOAD: usize = 64;

/// Deleted documents still count in word statistics, so segments are rewritten early.
const DELETED_SHARE_MAX: f32 = 0.3;

/// The one writer of an index.
pub(crate) struct Writer {
    library: IndexWriter<Waiting>,
    queue: Queue,
    /// Packages that were put since the last commit, which a view does not show.
    fresh: HashSet<PackageKey>,
}

impl Writer {
    /// Locks out other writers of `index`, in this process and others.
    pub fn open(index: &tantivy::Index) -> tantivy::Result<Self> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(WORDS_BYTES)
            .num_merge_threads(1)
            .build();
        let library = index.writer_with_options(options)?;
        library.set_merge_policy(joining(JOINED));
        Ok(Self { library, queue: Queue::new(QUEUE_BYTES), fresh: HashSet::new() })
    }

    /// Adds a package, or replaces what was known of it; `opened` is the last commit.
    pub fn put(&mut self, opened: &Opened, doc: &Doc) -> tantivy::Result<()> {
        self.remove(opened, &doc.package)?;
        self.fresh.insert(doc.package);
        if self.fresh.len() == LOAD {
            self.library.set_merge_policy(joining(JOINED_IN_A_LOAD));
        }
        let waiting = self.queue.enter(opened.fields.document(doc), doc.bytes());
        self.library.add_document(waiting).map(drop)
    }

    /// Forgets a package; `opened` is the last commit.
    pub fn remove(&mut self, opened: &Opened, package: &PackageKey) -> tantivy::Result<()> {
        let term = opened.fields.package_term(package);
        if self.fresh.remove(package) || sound(|| opened.has(&term))? {
            self.library.delete_query(Box::new(Erased(term)))?;
        }
        Ok(())
    }

    /// Makes everything so far durable, as of `cursor`.
    pub fn commit(&mut self, cursor: Cursor) -> tantivy::Result<()> {
        let mut prepared = self.library.prepare_commit()?;
        prepared.set_payload(&cursor.to_string());
        prepared.commit()?;
        // A load comes in parts: it is over with the first small one.
        if self.fresh.len() < LOAD {
            self.library.set_merge_policy(joining(JOINED));
        }
        self.fresh.clear();
        Ok(())
    }

    /// Joins sets of files that were committed into one.
    pub fn join(&mut self, segments: &[SegmentId]) -> tantivy::Result<()> {
        self.library.merge(segments).wait().map(drop)
    }

    /// Ends it, when what it began is done; what was not committed is lost.
    pub fn close(self) -> tantivy::Result<()> {
        self.library.wait_merging_threads()
    }
}

/// When sets of files are joined: as soon as there are so many of about one size.
fn joining(sets: usize) -> Box<dyn MergePolicy> {
    let mut joining = LogMergePolicy::default();
    joining.set_min_num_segments(sets);
    joining.set_del_docs_ratio_before_merge(DELETED_SHARE_MAX);
    Box::new(joining)
}
