//! The values of the tables, byte by byte. Each layout is pinned by a test on its exact bytes.

use super::StoreError;
use super::items::item_of_head;
use super::tables::{LogId, leaf_key, number, of_leaf_key};
use crate::digest::Sha256Digest;
use crate::head::SealedHead;
use crate::log::LogTree;
use crate::name::Petname;
use crate::statement::StatementId;
use crate::time::Timestamp;

/// At most this many leaves are in one row of `leaves`, more in `rivals`; and at most this many
/// releases are named for one version: two already prove that the publisher contradicts itself.
pub(super) const RIVALS_MAX: usize = 2;

/// What stands at one position of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub hash: Sha256Digest,
    /// `None` for a statement that we may not read: only its hash is known.
    pub statement: Option<StatementId>,
}

const LEAF_BYTES: usize = 64;

impl Leaf {
    pub fn encode_all(leaves: &[Self]) -> Vec<u8> {
        let mut row = Vec::with_capacity(leaves.len() * LEAF_BYTES);
        for leaf in leaves {
            row.extend_from_slice(leaf.hash.as_bytes());
            row.extend_from_slice(
                leaf.statement.as_ref().map_or(&[0; 32], StatementId::as_bytes).as_slice(),
            );
        }
        row
    }

    pub fn decode_all(row: &[u8]) -> Result<Vec<Self>, StoreError> {
        let damaged = || StoreError::damaged("a leaf");
        let (leaves, rest) = row.as_chunks::<LEAF_BYTES>();
        if leaves.is_empty() || leaves.len() > RIVALS_MAX || !rest.is_empty() {
            return Err(damaged());
        }
        let leaf = |bytes: &[u8; LEAF_BYTES]| {
            let (hash, id) = (bytes.first_chunk()?, bytes.last_chunk::<32>()?);
            let statement = (*id != [0; 32]).then(|| statement_id(id));
            Some(Self { hash: Sha256Digest::from_bytes(*hash), statement })
        };
        leaves.iter().map(leaf).collect::<Option<_>>().ok_or_else(damaged)
    }
}

/// Whether the publisher contradicts itself about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Sound,
    Contested,
}

/// The releases of a version: how it stands, then the current one first.
pub(super) fn encode_ids(ids: &[StatementId], standing: Standing) -> Vec<u8> {
    let mut row = vec![u8::from(standing == Standing::Contested)];
    row.extend(ids.iter().flat_map(StatementId::as_bytes));
    row
}

pub(super) fn decode_ids(row: &[u8]) -> Result<(Vec<StatementId>, Standing), StoreError> {
    let damaged = || StoreError::damaged("a version");
    let (&standing, ids) = row.split_first().ok_or_else(damaged)?;
    let (ids, rest) = ids.as_chunks::<32>();
    if ids.is_empty() || ids.len() > RIVALS_MAX || !rest.is_empty() {
        return Err(damaged());
    }
    let standing = match standing {
        0 => Standing::Sound,
        1 => Standing::Contested,
        _ => return Err(damaged()),
    };
    Ok((ids.iter().map(statement_id).collect(), standing))
}

pub(super) fn statement_id(bytes: &[u8; 32]) -> StatementId {
    StatementId::from_digest(crate::Digest::from_bytes(*bytes))
}

/// What we know about a whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogRow {
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
pub(super) enum Merged {
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
pub(super) fn head_of(note: &[u8]) -> Result<Option<SealedHead>, StoreError> {
    if note.is_empty() {
        return Ok(None);
    }
    SealedHead::decode(note).map(Some).map_err(|_| StoreError::damaged("a head"))
}

/// Whether a version is withdrawn, and which statement says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct YankRow {
    pub seq: u64,
    pub yanked: bool,
    pub statement: StatementId,
}

impl YankRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.seq.to_be_bytes().to_vec();
        row.push(self.yanked.into());
        row.extend_from_slice(self.statement.as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let read = Self {
            seq: row.number()?,
            yanked: row.byte()? != 0,
            statement: statement_id(row.array()?),
        };
        row.end()?;
        Ok(read)
    }
}

/// Where a channel points, and which statement says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChannelRow {
    pub seq: u64,
    pub statement: StatementId,
    pub version: semver::Version,
}

impl ChannelRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.seq.to_be_bytes().to_vec();
        row.extend_from_slice(self.statement.as_bytes());
        row.extend_from_slice(self.version.to_string().as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let (seq, statement) = (row.number()?, statement_id(row.array()?));
        Ok(Self { seq, statement, version: version_of(row.0)? })
    }
}

/// A version as keys and rows spell it.
pub(super) fn version_of(bytes: &[u8]) -> Result<semver::Version, StoreError> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or(StoreError::damaged("a version"))
}

/// What changed, and which sets of items an item entered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChangeRow {
    pub entered: Entered,
    pub told: Told,
}

/// What a change tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A statement came in, at this position.
    Statement { id: StatementId, log: LogId, seq: u64 },
    /// A bare hash is vouched for.
    Leaf { log: LogId, seq: u64 },
    /// There is a newer head, or one that contradicts another.
    Head(LogId),
    /// A head vouches for a statement that not everybody may read.
    Vouched { log: LogId, seq: u64 },
    /// A person decided something about a statement that was told of before.
    Decided { id: StatementId, log: LogId, seq: u64 },
}

/// The sets of items that an item entered by a change; what entered none was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entered {
    pub log: bool,
    pub urgent: bool,
}

impl Entered {
    pub const URGENT: Self = Self { log: false, urgent: true };
    pub const LOG: Self = Self { log: true, urgent: false };
}

impl ChangeRow {
    pub fn encode(&self) -> Vec<u8> {
        let entered = u8::from(self.entered.log) | u8::from(self.entered.urgent) << 1;
        match &self.told {
            Told::Statement { id, log, seq } => {
                [&[1, entered], id.as_bytes().as_slice(), &leaf_key(log, *seq)].concat()
            }
            Told::Leaf { log, seq } => [&[2, entered], leaf_key(log, *seq).as_slice()].concat(),
            Told::Head(log) => [&[3, entered], log.row_key().as_slice()].concat(),
            Told::Vouched { log, seq } => [&[4, entered], leaf_key(log, *seq).as_slice()].concat(),
            Told::Decided { id, log, seq } => {
                [&[5, entered], id.as_bytes().as_slice(), &leaf_key(log, *seq)].concat()
            }
        }
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut row = Reader(row);
        let (kind, entered) = (row.byte()?, Self::entered(row.byte()?)?);
        let told = match kind {
            1 | 5 => {
                let id = statement_id(row.array()?);
                let (log, seq) = of_leaf_key(row.0)?;
                match kind {
                    1 => Told::Statement { id, log, seq },
                    _ => Told::Decided { id, log, seq },
                }
            }
            2 => of_leaf_key(row.0).map(|(log, seq)| Told::Leaf { log, seq })?,
            3 => LogId::of_row_key(row.0).map(Told::Head)?,
            4 => of_leaf_key(row.0).map(|(log, seq)| Told::Vouched { log, seq })?,
            _ => return Err(StoreError::damaged("a change")),
        };
        Ok(Self { entered, told })
    }

    /// Which sets of items an item entered, without reading the rest of the row.
    pub fn peek(row: &[u8]) -> Result<Entered, StoreError> {
        let entered = row.get(1).ok_or(StoreError::damaged("a change"))?;
        Self::entered(*entered)
    }

    fn entered(byte: u8) -> Result<Entered, StoreError> {
        match byte {
            0..4 => Ok(Entered { log: byte & 1 != 0, urgent: byte & 2 != 0 }),
            _ => Err(StoreError::damaged("a change")),
        }
    }
}

/// How we came to know a publisher; later ones include the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Its records came from a peer.
    Seen,
    /// A person named it: by a ticket, or with `key pin`.
    Pinned,
    /// We hold its secret key.
    Own,
}

/// What we know about a publisher; its inception is the record with its own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublisherRow {
    pub since: Timestamp,
    pub trust: Trust,
    pub petname: Option<Petname>,
}

impl PublisherRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut row = self.since.as_millis().to_be_bytes().to_vec();
        row.push(match self.trust {
            Trust::Seen => 0,
            Trust::Pinned => 1,
            Trust::Own => 2,
        });
        row.extend_from_slice(self.petname.as_ref().map_or("", Petname::as_str).as_bytes());
        row
    }

    pub fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged("a publisher");
        let mut row = Reader(row);
        let since = Timestamp::from_millis(row.number()?);
        let trust = match row.byte()? {
            0 => Trust::Seen,
            1 => Trust::Pinned,
            2 => Trust::Own,
            _ => return Err(damaged()),
        };
        let petname = match std::str::from_utf8(row.0).map_err(|_| damaged())? {
            "" => None,
            name => Some(name.parse().map_err(|_| damaged())?),
        };
        Ok(Self { since, trust, petname })
    }
}

/// Takes a row apart from its front.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(StoreError::damaged("a row"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| StoreError::damaged("a row"))
    }

    pub fn byte(&mut self) -> Result<u8, StoreError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn number(&mut self) -> Result<u64, StoreError> {
        number(self.take(8)?)
    }

    pub fn sized(&mut self) -> Result<&'a [u8], StoreError> {
        let length = u32::from_be_bytes(*self.array()?);
        self.take(length as usize)
    }

    /// Up to two notes, each of which may be empty.
    pub fn notes(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let notes = [self.sized()?.to_vec(), self.sized()?.to_vec()];
        Ok(notes.into_iter().filter(|note| !note.is_empty()).collect())
    }

    pub fn end(&self) -> Result<(), StoreError> {
        if self.0.is_empty() { Ok(()) } else { Err(StoreError::damaged("a row")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PublisherId;
    use crate::signature::SecretKey;

    fn id(byte: u8) -> StatementId {
        statement_id(&[byte; 32])
    }

    fn log() -> LogId {
        let publisher = PublisherId::from_digest(crate::Digest::from_bytes([0xaa; 32]));
        LogId { publisher, key: SecretKey::from_bytes(&[1; 32]).public() }
    }

    /// The public key of the secret key of 32 ones.
    const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    #[test]
    fn leaves_have_these_bytes() {
        let known = Leaf { hash: Sha256Digest::from_bytes([0x11; 32]), statement: Some(id(0x22)) };
        let bare = Leaf { hash: Sha256Digest::from_bytes([0x33; 32]), statement: None };
        let row = Leaf::encode_all(&[known, bare]);
        let expected = ["11", "22", "33", "00"].map(|byte| byte.repeat(32)).concat();
        assert_eq!(hex::encode(&row), expected);
        assert_eq!(Leaf::decode_all(&row).unwrap(), [known, bare]);
        for broken in [&row[..0], &row[..63], &[row.as_slice(), &row].concat()] {
            Leaf::decode_all(broken).unwrap_err();
        }
    }

    #[test]
    fn the_releases_of_a_version_have_these_bytes() {
        let row = encode_ids(&[id(0x11), id(0x22)], Standing::Contested);
        assert_eq!(hex::encode(&row), ["01", &"11".repeat(32), &"22".repeat(32)].concat());
        assert_eq!(decode_ids(&row).unwrap(), (vec![id(0x11), id(0x22)], Standing::Contested));
        assert_eq!(encode_ids(&[id(1)], Standing::Sound)[0], 0);
        for broken in [&row[..0], &row[..1], &row[..40], &[[2].as_slice(), &row[1..]].concat()] {
            decode_ids(broken).unwrap_err();
        }
    }

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

    #[test]
    fn yanks_and_channels_have_these_bytes() {
        let yank = YankRow { seq: 5, yanked: true, statement: id(0x22) };
        let expected = ["0000000000000005", "01", &"22".repeat(32)].concat();
        assert_eq!(hex::encode(yank.encode()), expected);
        assert_eq!(YankRow::decode(&yank.encode()).unwrap(), yank);
        let version = "1.2.0".parse().unwrap();
        let channel = ChannelRow { seq: 5, statement: id(0x22), version };
        let expected = ["0000000000000005", &"22".repeat(32), "312e322e30"].concat();
        assert_eq!(hex::encode(channel.encode()), expected);
        assert_eq!(ChannelRow::decode(&channel.encode()).unwrap(), channel);
    }

    #[test]
    fn changes_have_these_bytes() {
        let (log, seq) = (log(), 3);
        let position = ["aa".repeat(32).as_str(), KEY].concat();
        for (told, entered, expected) in [
            (
                Told::Statement { id: id(0x22), log, seq },
                Entered { log: true, urgent: true },
                ["0103", &"22".repeat(32), &position, "0000000000000003"].concat(),
            ),
            (
                Told::Leaf { log, seq },
                Entered::LOG,
                ["0201", &position, "0000000000000003"].concat(),
            ),
            (Told::Head(log), Entered::URGENT, ["0302", &position].concat()),
            (Told::Head(log), Entered::default(), ["0300", &position].concat()),
            (
                Told::Vouched { log, seq },
                Entered::LOG,
                ["0401", &position, "0000000000000003"].concat(),
            ),
            (
                Told::Decided { id: id(0x22), log, seq },
                Entered::default(),
                ["0500", &"22".repeat(32), &position, "0000000000000003"].concat(),
            ),
        ] {
            let row = ChangeRow { entered, told };
            assert_eq!(hex::encode(row.encode()), expected);
            assert_eq!(ChangeRow::decode(&row.encode()).unwrap(), row);
            assert_eq!(ChangeRow::peek(&row.encode()).unwrap(), entered);
        }
        ChangeRow::decode(&[]).unwrap_err();
        ChangeRow::decode(&[9; 66]).unwrap_err();
        ChangeRow::peek(&[1]).unwrap_err();
        ChangeRow::peek(&[1, 4]).unwrap_err();
    }

    #[test]
    fn a_publisher_has_these_bytes() {
        let row = PublisherRow {
            since: Timestamp::from_millis(1),
            trust: Trust::Own,
            petname: Some("acme".parse().unwrap()),
        };
        assert_eq!(hex::encode(row.encode()), "00000000000000010261636d65");
        assert_eq!(PublisherRow::decode(&row.encode()).unwrap(), row);
        let bare = PublisherRow { trust: Trust::Seen, petname: None, ..row };
        assert_eq!(hex::encode(bare.encode()), "000000000000000100");
        assert_eq!(PublisherRow::decode(&bare.encode()).unwrap(), bare);
    }
}
