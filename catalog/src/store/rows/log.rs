//! What is known about one log: its tree, its pinned head, and the heads that have to spread.

use super::Reader;
use crate::head::SealedHead;
use crate::log::LogTree;
use crate::store::StoreError;
use crate::store::items::item_of_head;

/// What we know about a whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRow {
    /// Leaves 0 up to here are all present.
    pub contiguous: u64,
    /// How many of the leaves that no head vouches for yet are bare hashes, signed by nobody.
    pub unvouched: u64,
    /// The tree of the leaves that the pinned head vouches for.
    pub tree: LogTree,
    /// The pinned head, as it was signed; empty when there is none.
    pub head: Vec<u8>,
    /// The heads of the largest size that was signed, if these are others than the pinned one: one,
    /// or of several the two with the smallest items. So all who saw the same heads have the same.
    pub newest: Vec<Vec<u8>>,
    /// The largest head that vouches for positions which nobody disputes, when the pinned one goes
    /// further; empty otherwise.
    pub sure: Vec<u8>,
    /// Heads that prove a fork: one that the leaves contradict, else two of one size. Of several
    /// proofs the smallest; see [`prove`](Self::prove).
    pub evidence: Vec<Vec<u8>>,
    /// One more than the first position that was given to two statements; 0 when there is none.
    pub contested: u64,
    /// The sequence number of the change that tells of the heads.
    pub head_change: u64,
}

/// What became of a head among the newest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It is one of them now.
    New,
    /// It was one of them.
    Known,
    /// Others are larger, or of its size and before it.
    Other,
}

impl LogRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = Vec::new();
        for number in [self.contiguous, self.unvouched, self.head_change, self.contested] {
            row.extend_from_slice(&number.to_be_bytes());
        }
        let note = |notes: &[Vec<u8>], at: usize| notes.get(at).cloned().unwrap_or_default();
        for bytes in [
            self.tree.encode(),
            self.head.clone(),
            note(&self.newest, 0),
            note(&self.newest, 1),
            self.sure.clone(),
            note(&self.evidence, 0),
            note(&self.evidence, 1),
        ] {
            // Trees and heads are at most some 2 KiB.
            row.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            row.extend_from_slice(&bytes);
        }
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let [contiguous, unvouched, head_change, contested] =
            [row.number()?, row.number()?, row.number()?, row.number()?];
        let tree =
            LogTree::decode(row.sized()?).map_err(|_| StoreError::damaged("a log's tree"))?;
        let head = row.sized()?.to_vec();
        let newest = row.notes()?;
        let sure = row.sized()?.to_vec();
        let evidence = row.notes()?;
        row.end()?;
        Ok(Self {
            contiguous,
            unvouched,
            tree,
            head,
            newest,
            sure,
            evidence,
            contested,
            head_change,
        })
    }

    /// The largest heads that were signed, which may be ahead of what is here; two when they
    /// exclude each other.
    pub fn largest(&self) -> Result<Vec<SealedHead>, StoreError> {
        match self.newest.as_slice() {
            [] => Ok(head_of(&self.head)?.into_iter().collect()),
            newest => heads_of(newest),
        }
    }

    /// The heads that everybody should see: the [`largest`](Self::largest), and of a forked log the
    /// one that can be relied on, and those that prove the fork. Each once.
    ///
    /// Of a sound log a smaller one would be news to nobody who has more of it, and who follows
    /// only a part of it would offer it to everybody for ever.
    pub fn heads(&self) -> Result<Vec<SealedHead>, StoreError> {
        let mut heads = self.largest()?;
        let sure = if self.is_forked() { self.sure_head()? } else { None };
        for head in sure.into_iter().chain(heads_of(&self.evidence)?) {
            if !heads.iter().any(|there| there.same_as(&head)) {
                heads.push(head);
            }
        }
        Ok(heads)
    }

    /// The size of the largest head that was signed; 0 without one.
    pub fn promised(&self) -> Result<u64, StoreError> {
        Ok(self.largest()?.first().map_or(0, |head| head.peek().size))
    }

    /// How many positions, from the first on, nobody disputes: each was given to one statement.
    pub fn undisputed(&self) -> u64 {
        self.contested.checked_sub(1).unwrap_or(u64::MAX)
    }

    /// The largest known head that vouches for what is here, and for nothing that is disputed.
    ///
    /// Of a forked log, what is pinned depends on the branch that came first. This does not.
    pub fn sure_head(&self) -> Result<Option<SealedHead>, StoreError> {
        match self.tree.size() <= self.undisputed() {
            true => head_of(&self.head),
            false => head_of(&self.sure),
        }
    }

    /// Notes that a position was given to two statements: what reached beyond it is not sure any
    /// more, and no proof, since it is true of one of the branches.
    pub fn contest(&mut self, seq: u64) -> Result<(), StoreError> {
        if seq >= self.undisputed() {
            return Ok(());
        }
        let sure = self.sure_head()?.filter(|head| head.peek().size <= seq);
        self.contested = seq + 1;
        self.sure = match self.tree.size() <= seq {
            true => Vec::new(),
            false => sure.map(|head| head.encode().to_vec()).unwrap_or_default(),
        };
        if let [bad] = heads_of(&self.evidence)?.as_slice()
            && bad.peek().size > seq
        {
            self.evidence.clear();
        }
        Ok(())
    }

    /// Pins a head: the leaves here give its root, and `tree` is theirs.
    pub fn pin(&mut self, sealed: &SealedHead, tree: LogTree) -> Result<(), StoreError> {
        let before = self.sure_head()?;
        self.tree = tree;
        self.head = sealed.encode().to_vec();
        self.sure = match self.tree.size() <= self.undisputed() {
            true => Vec::new(),
            false => before.map(|head| head.encode().to_vec()).unwrap_or_default(),
        };
        // What was the newest may have been the old pinned one, which is not written twice.
        self.merge(sealed)?;
        self.settle_newest()
    }

    /// Takes up a head, smaller than the pinned one, that the leaves here give the root of.
    pub fn rely_on(&mut self, sealed: &SealedHead) -> Result<(), StoreError> {
        let size = sealed.peek().size;
        let sure = self.sure_head()?.map_or(0, |head| head.peek().size);
        if size > sure && size <= self.undisputed() {
            self.sure = sealed.encode().to_vec();
        }
        Ok(())
    }

    /// Counts a head, which its publisher signed, among the newest if it is one of them.
    pub fn merge(&mut self, sealed: &SealedHead) -> Result<Merged, StoreError> {
        let mut heads = self.largest()?;
        let size = sealed.peek().size;
        let largest = heads.first().map_or(0, |head| head.peek().size);
        if let Some(there) = heads.iter_mut().find(|there| there.same_as(sealed)) {
            if sealed.is_better_than(there) {
                *there = sealed.clone();
                self.set_newest(&heads)?;
            }
            return Ok(Merged::Known);
        }
        if !heads.is_empty() && size < largest {
            return Ok(Merged::Other);
        }
        if size > largest {
            if heads.len() > 1 {
                // They spread no more as the newest, and still have to.
                self.prove(&heads)?;
            }
            heads.clear();
        }
        heads.push(sealed.clone());
        heads.sort_by_key(item_of_head);
        heads.truncate(2);
        self.set_newest(&heads)?;
        let is_there = heads.iter().any(|head| head.same_as(sealed));
        Ok(if is_there { Merged::New } else { Merged::Other })
    }

    fn set_newest(&mut self, heads: &[SealedHead]) -> Result<(), StoreError> {
        self.newest = heads.iter().map(|head| head.encode().to_vec()).collect();
        self.settle_newest()
    }

    /// Writes the newest head once where it is the pinned one.
    fn settle_newest(&mut self) -> Result<(), StoreError> {
        if let ([newest], Some(pinned)) = (self.newest.as_slice(), head_of(&self.head)?)
            && let Some(newest) = head_of(newest)?
            && newest.same_as(&pinned)
        {
            if newest.is_better_than(&pinned) {
                self.head = newest.encode().to_vec();
            }
            self.newest.clear();
        }
        Ok(())
    }

    /// Keeps a proof that the log was forked, if it is before the one that is kept: one head that
    /// the leaves contradict before two of one size, then the smaller head, then the smaller item.
    ///
    /// So all who were shown the same proofs keep the same one.
    ///
    /// - `heads`: one, or two of one size in the order of their items.
    pub fn prove(&mut self, heads: &[SealedHead]) -> Result<(), StoreError> {
        let rank = |heads: &[SealedHead]| {
            let size = heads.first().map_or(0, |head| head.peek().size);
            (heads.len(), size, heads.iter().map(item_of_head).collect::<Vec<_>>())
        };
        if self.evidence.is_empty() || rank(heads) < rank(&heads_of(&self.evidence)?) {
            self.evidence = heads.iter().map(|head| head.encode().to_vec()).collect();
        }
        Ok(())
    }

    /// Whether the leaves said already what they can say about a head of ours.
    pub fn is_weighed(&self, sealed: &SealedHead) -> Result<bool, StoreError> {
        let there = |head: &SealedHead| head.same_as(sealed);
        Ok(match heads_of(&self.evidence)?.as_slice() {
            // It is what they contradict.
            [bad] if there(bad) => true,
            // Two of one size: which of them is true is to be seen.
            [one, other] if there(one) || there(other) => sealed.peek().size > self.undisputed(),
            _ if sealed.peek().size == self.tree.size() => {
                head_of(&self.head)?.is_some_and(|pinned| there(&pinned))
            }
            _ => sealed.peek().size < self.tree.size(),
        })
    }

    /// The heads that prove to anybody that the log was forked; none when there is no such proof.
    pub fn proof(&self) -> Result<Vec<SealedHead>, StoreError> {
        match (self.evidence.as_slice(), self.newest.as_slice()) {
            ([], [_, _]) => heads_of(&self.newest),
            (evidence, _) => heads_of(evidence),
        }
    }

    /// Whether its publisher signed what cannot all be true.
    pub fn is_forked(&self) -> bool {
        !self.evidence.is_empty() || self.newest.len() > 1 || self.contested > 0
    }
}

fn heads_of(notes: &[Vec<u8>]) -> Result<Vec<SealedHead>, StoreError> {
    notes.iter().filter_map(|note| head_of(note).transpose()).collect()
}

/// A head as a row has it: nothing for none.
pub fn head_of(note: &[u8]) -> Result<Option<SealedHead>, StoreError> {
    if note.is_empty() {
        return Ok(None);
    }
    SealedHead::decode(note).map(Some).map_err(|_| StoreError::damaged("a head"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;

    #[test]
    fn a_log_has_these_bytes() {
        let mut tree = LogTree::new();
        tree.append(Sha256Digest::from_bytes([0x44; 32]));
        let row = LogRow {
            contiguous: 2,
            unvouched: 1,
            tree,
            head: b"head".to_vec(),
            newest: vec![b"next".to_vec()],
            sure: b"sure".to_vec(),
            evidence: vec![b"one".to_vec(), b"other".to_vec()],
            contested: 3,
            head_change: 9,
        };
        let expected = [
            "0000000000000002",
            "0000000000000001",
            "0000000000000009",
            "0000000000000003",
            "00000029",
            "010000000000000001",
            &"44".repeat(32),
            "00000004",
            "68656164",
            "00000004",
            "6e657874",
            "00000000",
            "00000004",
            "73757265",
            "00000003",
            "6f6e65",
            "00000005",
            "6f74686572",
        ];
        assert_eq!(hex::encode(row.encode()), expected.concat());
        assert_eq!(LogRow::decode(&row.encode()).unwrap(), row);
        LogRow::decode(&[row.encode().as_slice(), &[0]].concat()).unwrap_err();
    }
}
