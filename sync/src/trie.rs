//! A hash tree over a set of ids whose shape is a function of the set.
//!
//! A binary trie by the bits of the ids: a node with at most [`BUCKET_IDS`] ids below it is a
//! bucket and hashes them; every other node hashes its two halves. However a set came about, its
//! trie is the same, so two nodes hold equal sets exactly if their roots are equal, and can walk
//! down from there to what differs. Only hashes are kept (40 bytes a node, some 4 for each id);
//! the ids themselves are read from [`Items`] when a bucket changes or is looked into.
//!
//! Guarantees: changing one id reads one bucket and hashes the path above it. A clone shares all
//! nodes until one of the two changes, and then only copies what it changes. A bucket's hash binds
//! where it is and how many ids it holds, and never passes for that of an inner node.
//! Not here: what is said on the wire about it, and when its rows are written ([`rows`]).

mod arena;
pub mod rows;

use std::fmt;

use arena::{Arena, Node, ROOT};
use catalog::{Digest, ItemId};
use rows::{Bucket, Changed};

use crate::items::{ID_BITS, Items, ItemsError, Prefix, SortedIds, bit_of};

/// The most ids in a bucket. More of them makes fewer rows and larger reads.
pub const BUCKET_IDS: usize = 32;

/// Ids read at once where a whole subtree is built, so that memory does not follow the set.
const PAGE_IDS: usize = 4096;

/// The root of a set without ids.
pub const EMPTY_ROOT: [u8; 32] = [0; 32];

/// What buckets are hashed under.
const BUCKET_KEY: &[u8; 32] = b"catalog 2026-11 sync trie leaf 1";

/// What inner nodes are hashed under.
const INNER_KEY: &[u8; 32] = b"catalog 2026-11 sync trie node 1";

/// The hash tree of one set of ids.
#[derive(Clone)]
pub struct Trie {
    arena: Arena,
    changed: Changed,
}

impl Default for Trie {
    fn default() -> Self {
        Self::new()
    }
}

impl Trie {
    /// The trie of the empty set, of which no rows are written yet.
    pub fn new() -> Self {
        Self { arena: Arena::new(), changed: Changed::default() }
    }

    /// The trie of `ids`. All of its rows are new.
    pub fn build(ids: &SortedIds) -> Self {
        Self::of(ids).expect("ids in memory can be read")
    }

    /// The trie of everything in `items`, read a few thousand at a time. All of its rows are new.
    ///
    /// # Errors
    /// When the ids cannot be read.
    pub fn of(items: &impl Items) -> Result<Self, ItemsError> {
        let mut trie = Self { arena: Arena::new(), changed: Changed::All };
        let root = trie.grown(Prefix::ROOT, items)?;
        trie.arena.set(ROOT, root);
        Ok(trie)
    }

    /// The hash of the whole set: equal for equal sets, whatever happened to them before.
    pub fn root(&self) -> [u8; 32] {
        self.arena.get(ROOT).root
    }

    /// The number of ids in the set.
    pub fn len(&self) -> u64 {
        self.arena.get(ROOT).count.into()
    }

    /// Whether the set has no ids.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up that `id` is in `items` now. As [`refresh`](Self::refresh).
    pub fn insert(&mut self, id: &ItemId, items: &impl Items) -> Result<(), ItemsError> {
        self.refresh(std::slice::from_ref(id), items)
    }

    /// Takes up that `id` is no longer in `items`. As [`refresh`](Self::refresh).
    pub fn remove(&mut self, id: &ItemId, items: &impl Items) -> Result<(), ItemsError> {
        self.refresh(std::slice::from_ref(id), items)
    }

    /// Takes up what `items` now says about `ids`, which came, went, or stayed as they were.
    ///
    /// Each bucket that one of them falls into is read once and each node above it hashed once,
    /// so many ids together cost less than one by one. `items` may already hold later changes;
    /// once the ids of those have been named as well, the trie is that of `items`.
    ///
    /// # Errors
    /// When the ids cannot be read. Some of the buckets are then as they were; naming the same ids
    /// again makes up for it.
    pub fn refresh(&mut self, ids: &[ItemId], items: &impl Items) -> Result<(), ItemsError> {
        if ids.is_sorted() {
            return self.refresh_at(ROOT, Prefix::ROOT, ids, items);
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        self.refresh_at(ROOT, Prefix::ROOT, &sorted, items)
    }

    fn refresh_at(
        &mut self,
        at: u32,
        prefix: Prefix,
        ids: &[ItemId],
        items: &impl Items,
    ) -> Result<(), ItemsError> {
        if ids.is_empty() {
            return Ok(());
        }
        let Some(pair) = self.arena.get(at).pair() else {
            return self.regrow(at, prefix, items);
        };
        let halves = halves(&prefix);
        let (low, high) = split(&prefix, ids);
        let done = self
            .refresh_at(pair, halves[0], low, items)
            .and_then(|()| self.refresh_at(pair + 1, halves[1], high, items));
        // What was reached before an error counts: the tree is sound after every return.
        let joined = self.arena.joined(pair);
        self.arena.set(at, joined);
        done?;
        if joined.count as usize <= BUCKET_IDS {
            return self.regrow(at, prefix, items);
        }
        Ok(())
    }

    /// Puts at `at` what `items` holds below `prefix`, in place of whatever was there.
    fn regrow(&mut self, at: u32, prefix: Prefix, items: &impl Items) -> Result<(), ItemsError> {
        let new = self.grown(prefix, items)?;
        let old = self.arena.get(at);
        if new.root != old.root {
            self.mark(old, prefix);
            self.mark(new, prefix);
        }
        self.drop_below(old);
        self.arena.set(at, new);
        Ok(())
    }

    /// Makes the nodes of what `items` holds below `prefix`; the topmost is returned, not placed.
    fn grown(&mut self, prefix: Prefix, items: &impl Items) -> Result<Node, ItemsError> {
        let ids = items.scan(&prefix, PAGE_IDS)?;
        let Some([low, high]) = prefix.halves().filter(|_| ids.len() >= PAGE_IDS) else {
            return Ok(self.planted(prefix, &ids));
        };
        let pair = self.arena.take_pair();
        for (half, prefix) in [(pair, low), (pair + 1, high)] {
            match self.grown(prefix, items) {
                Ok(node) => self.arena.set(half, node),
                Err(error) => {
                    self.drop_below(Node::inner([0; 32], 0, pair));
                    return Err(error);
                }
            }
        }
        Ok(self.arena.joined(pair))
    }

    /// Makes the nodes of `ids`, which are all below `prefix`; the topmost is not placed yet.
    fn planted(&mut self, prefix: Prefix, ids: &[ItemId]) -> Node {
        let Some([low, high]) = prefix.halves().filter(|_| ids.len() > BUCKET_IDS) else {
            return Node::bucket(bucket_root(&prefix, ids), ids.len() as u32);
        };
        let pair = self.arena.take_pair();
        let (below_low, below_high) = split(&prefix, ids);
        let node = self.planted(low, below_low);
        self.arena.set(pair, node);
        let node = self.planted(high, below_high);
        self.arena.set(pair + 1, node);
        self.arena.joined(pair)
    }

    /// Gives back every node below `node`.
    fn drop_below(&mut self, node: Node) {
        let mut open = Vec::from_iter(node.pair());
        while let Some(pair) = open.pop() {
            for half in [pair, pair + 1] {
                open.extend(self.arena.get(half).pair());
            }
            self.arena.give_pair(pair);
        }
    }

    /// Notes the rows of all buckets below `node`, which covers `prefix`.
    fn mark(&mut self, node: Node, prefix: Prefix) {
        let Changed::Some(changed) = &mut self.changed else { return };
        changed.extend(Buckets::below(&self.arena, node, prefix).map(|bucket| bucket.prefix));
    }

    /// The number of ids below `prefix`.
    ///
    /// # Errors
    /// When the ids cannot be read, which is done only below a bucket.
    pub fn count(&self, below: &Prefix, items: &impl Items) -> Result<u64, ItemsError> {
        let (node, at) = self.find(below);
        if at == *below || node.count == 0 {
            return Ok(node.count.into());
        }
        Ok(items.scan(below, PAGE_IDS)?.len() as u64)
    }

    /// Calls `each` with the root of every prefix that is `width` bits longer than `below`, in
    /// order: 2^`width` roots, fewer only where ids have no more bits than that.
    ///
    /// The root of a prefix is what [`root`](Self::root) is for the ids below it alone; it does
    /// not matter whether the trie goes as deep. Costs what it says, and one read for each bucket
    /// on the way; `width` is the caller's to bound.
    ///
    /// # Errors
    /// When the ids cannot be read, which is done only below a bucket.
    pub fn roots(
        &self,
        below: &Prefix,
        width: usize,
        items: &impl Items,
        mut each: impl FnMut(&[u8; 32]),
    ) -> Result<(), ItemsError> {
        let width = width.min(ID_BITS - below.bits());
        let (node, at) = self.find(below);
        if at == *below || node.count == 0 {
            return self.roots_at(node, *below, width, items, &mut each);
        }
        roots_of(below, width, &items.scan(below, PAGE_IDS)?, &mut each);
        Ok(())
    }

    fn roots_at(
        &self,
        node: Node,
        prefix: Prefix,
        width: usize,
        items: &impl Items,
        each: &mut impl FnMut(&[u8; 32]),
    ) -> Result<(), ItemsError> {
        let Some(pair) = node.pair().filter(|_| width > 0) else {
            // The root of the node itself needs no ids, nor does an empty one.
            if width == 0 {
                each(&node.root);
            } else if node.count == 0 {
                roots_of(&prefix, width, &[], each);
            } else {
                roots_of(&prefix, width, &items.scan(&prefix, PAGE_IDS)?, each);
            }
            return Ok(());
        };
        let [low, high] = halves(&prefix);
        self.roots_at(self.arena.get(pair), low, width - 1, items, each)?;
        self.roots_at(self.arena.get(pair + 1), high, width - 1, items, each)
    }

    /// The node at `prefix`, or the bucket that it lies in; with the prefix of what was found.
    fn find(&self, prefix: &Prefix) -> (Node, Prefix) {
        let (mut node, mut bits) = (self.arena.get(ROOT), 0);
        while bits < prefix.bits()
            && let Some(pair) = node.pair()
        {
            node = self.arena.get(pair + u32::from(bit_of(prefix.as_bytes(), bits)));
            bits += 1;
        }
        (node, Prefix::cut(*prefix.as_bytes(), bits))
    }

    /// Every bucket that holds an id, in the order of the ids.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        Buckets::below(&self.arena, self.arena.get(ROOT), Prefix::ROOT)
    }
}

impl fmt::Debug for Trie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = Digest::from_bytes(self.root()).short();
        f.debug_struct("Trie").field("root", &root).field("len", &self.len()).finish()
    }
}

/// Walks the buckets below a node that are not empty, in order.
struct Buckets<'t> {
    arena: &'t Arena,
    /// What is still to be walked, the next one last.
    open: Vec<(Node, Prefix)>,
}

impl<'t> Buckets<'t> {
    fn below(arena: &'t Arena, node: Node, prefix: Prefix) -> Self {
        Self { arena, open: vec![(node, prefix)] }
    }
}

impl Iterator for Buckets<'_> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        while let Some((node, prefix)) = self.open.pop() {
            if let Some(pair) = node.pair() {
                let [low, high] = halves(&prefix);
                self.open.push((self.arena.get(pair + 1), high));
                self.open.push((self.arena.get(pair), low));
            } else if node.count > 0 {
                return Some(Bucket { prefix, root: node.root, count: node.count as u8 });
            }
        }
        None
    }
}

/// The halves of the prefix of an inner node.
fn halves(prefix: &Prefix) -> [Prefix; 2] {
    prefix.halves().expect("only a prefix that has halves is given children")
}

/// The ids below `prefix` by the bit that follows it.
fn split<'i>(prefix: &Prefix, ids: &'i [ItemId]) -> (&'i [ItemId], &'i [ItemId]) {
    ids.split_at(ids.partition_point(|id| !bit_of(id.as_bytes(), prefix.bits())))
}

/// Calls `each` with the roots of the prefixes `width` bits below `prefix`, whose ids are `ids`.
fn roots_of(prefix: &Prefix, width: usize, ids: &[ItemId], each: &mut impl FnMut(&[u8; 32])) {
    if ids.is_empty() {
        (0..1_u64 << width).for_each(|_| each(&EMPTY_ROOT));
    } else if width == 0 {
        each(&root_of(prefix, ids));
    } else {
        let ([low, high], (below_low, below_high)) = (halves(prefix), split(prefix, ids));
        roots_of(&low, width - 1, below_low, each);
        roots_of(&high, width - 1, below_high, each);
    }
}

/// The root of `ids`, all of which are below `prefix`, as a trie has it.
fn root_of(prefix: &Prefix, ids: &[ItemId]) -> [u8; 32] {
    let Some([low, high]) = prefix.halves().filter(|_| ids.len() > BUCKET_IDS) else {
        return bucket_root(prefix, ids);
    };
    let (below_low, below_high) = split(prefix, ids);
    inner_root(&root_of(&low, below_low), &root_of(&high, below_high))
}

/// The hash of a bucket: of the length and the bits of its prefix, how many ids it has, and these.
fn bucket_root(prefix: &Prefix, ids: &[ItemId]) -> [u8; 32] {
    if ids.is_empty() {
        return EMPTY_ROOT;
    }
    let mut bytes = Vec::with_capacity(38 + 32 * ids.len());
    bytes.extend_from_slice(&(prefix.bits() as u16).to_be_bytes());
    bytes.extend_from_slice(prefix.as_bytes());
    bytes.extend_from_slice(&(ids.len() as u32).to_be_bytes());
    ids.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
    *Digest::keyed(BUCKET_KEY, &bytes).as_bytes()
}

/// The hash of an inner node: one block, its two halves.
fn inner_root(low: &[u8; 32], high: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(low);
    bytes[32..].copy_from_slice(high);
    *Digest::keyed(INNER_KEY, &bytes).as_bytes()
}

#[cfg(test)]
mod tests;
