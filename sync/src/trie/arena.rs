//! The nodes of a trie by number, in blocks that clones share until one of them writes.

use std::sync::Arc;

use super::{EMPTY_ROOT, inner_root};

/// Nodes in a block: what one write to a shared trie copies (10 kB).
const BLOCK_NODES: usize = 256;

/// The number of the topmost node.
pub const ROOT: u32 = 0;

/// One node: a bucket, or two halves.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub root: [u8; 32],
    /// Ids below it.
    pub count: u32,
    /// The number of its first half, which the other follows; 0 in a bucket.
    pair: u32,
}

impl Node {
    /// A bucket without ids.
    pub const EMPTY: Self = Self::bucket(EMPTY_ROOT, 0);

    /// A bucket of `count` ids.
    pub const fn bucket(root: [u8; 32], count: u32) -> Self {
        Self { root, count, pair: 0 }
    }

    /// A node above the two from `pair` on.
    pub const fn inner(root: [u8; 32], count: u32, pair: u32) -> Self {
        Self { root, count, pair }
    }

    /// The number of its first half; `None` for a bucket.
    pub fn pair(&self) -> Option<u32> {
        Some(self.pair).filter(|&pair| pair != 0)
    }
}

/// Nodes by number. The topmost is always there; the others come and go in pairs.
#[derive(Clone)]
pub struct Arena {
    blocks: Vec<Arc<[Node; BLOCK_NODES]>>,
    /// Numbers that were given out so far.
    used: u32,
    /// Pairs that were given back.
    free: Vec<u32>,
}

impl Arena {
    /// One empty bucket.
    pub fn new() -> Self {
        Self { blocks: vec![Arc::new([Node::EMPTY; BLOCK_NODES])], used: 1, free: Vec::new() }
    }

    /// The node with this number.
    pub fn get(&self, at: u32) -> Node {
        let at = at as usize;
        self.blocks[at / BLOCK_NODES][at % BLOCK_NODES]
    }

    /// Changes the node with this number.
    pub fn set(&mut self, at: u32, node: Node) {
        let at = at as usize;
        Arc::make_mut(&mut self.blocks[at / BLOCK_NODES])[at % BLOCK_NODES] = node;
    }

    /// The node above two that are in place.
    pub fn joined(&self, pair: u32) -> Node {
        let (low, high) = (self.get(pair), self.get(pair + 1));
        let root = inner_root(&low.root, &high.root);
        Node::inner(root, low.count.saturating_add(high.count), pair)
    }

    /// Two nodes with numbers that follow each other; both are empty buckets.
    pub fn take_pair(&mut self) -> u32 {
        let pair = self.free.pop().unwrap_or_else(|| {
            let pair = self.used;
            self.used = pair.checked_add(2).expect("two thousand million nodes fit no memory");
            pair
        });
        for at in [pair, pair + 1] {
            if at as usize / BLOCK_NODES == self.blocks.len() {
                self.blocks.push(Arc::new([Node::EMPTY; BLOCK_NODES]));
            }
            self.set(at, Node::EMPTY);
        }
        pair
    }

    /// Takes back two nodes that nothing refers to any more.
    pub fn give_pair(&mut self, pair: u32) {
        self.free.push(pair);
    }

    /// The number of nodes in use.
    #[cfg(test)]
    pub fn nodes(&self) -> usize {
        self.used as usize - 2 * self.free.len()
    }
}
