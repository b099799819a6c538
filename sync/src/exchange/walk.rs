//! Walks two tries from the top down, to the ids in which they differ.
//!
//! The sides take turns. A side sends groups: the fingerprints of the subtrees below a prefix, or
//! the shortened ids there. The other answers each group in order, with a bit for each subtree
//! that differs or the places in the list of the ids that it lacks, and goes on with a group of
//! its own for each subtree that differs. Groups follow from the answers, so no prefix is sent.
//!
//! The first group is at the root. A side that may not send more leaves the last of its groups
//! out; what they would have shown is for another exchange.
//!
//! Layout of a group: a byte of width and 2^width fingerprints; or 0, a count and the list. Only
//! the first may have more than [`WIDTH_MAX`] bits, and only it may be the lists of 2^width
//! subtrees: [`LISTS`] and the width, then the lists.

use std::collections::BTreeMap;

use catalog::ItemId;

use super::fingerprint::{Fingerprint, WalkKey};
use super::ours::Ours;
use super::size::{Beginning, WIDTH_FIRST_MAX};
use super::violation::Violation;
use crate::items::{Items, Prefix};
use crate::message::{FRAME_BYTES_MAX, Root};

/// The widest group after the first.
const WIDTH_MAX: usize = 8;
/// The longest list.
const LIST_MAX: usize = 4096;
/// So many ids are listed rather than divided further.
const LIST_IDS: u64 = 24;
/// Divided so far that about this many ids are in each subtree.
const PART_IDS: u64 = 8;
/// So much deeper than an even tree has to be, somebody chose the ids: list them.
const CROOKED_BITS: usize = 8;
/// Marks the first group as lists.
const LISTS: u8 = 0x80;
/// What a frame has besides groups, and some room for the end of the conversation.
const FRAME_REST_BYTES: usize = 32;
/// The most ids that one walk finds on one side; 8 MiB of them.
const FOUND_MAX: usize = 1 << 18;

/// What we wait to have answered.
enum Asked {
    Fingerprints { below: Prefix, width: usize },
    List(Vec<ItemId>),
}

/// One walk, as one side sees it.
pub struct Walk {
    key: WalkKey,
    asked: Vec<Asked>,
    /// How many ids of ours the other lacks.
    found: usize,
    /// Those that were found since they were last taken.
    pub gone: Vec<ItemId>,
    /// Something was left out, by whichever side.
    pub cut: bool,
}

impl Walk {
    /// A walk between sets with these roots that the side with `nonce` begins.
    pub fn new(nonce: &[u8; 16], opener: &Root, answerer: &Root) -> Self {
        let key = WalkKey::new(nonce, opener, answerer);
        Self { key, asked: Vec::new(), found: 0, gone: Vec::new(), cut: false }
    }

    /// The first group.
    pub fn begin(
        &mut self,
        beginning: Beginning,
        ours: &Ours<impl Items>,
    ) -> Result<Vec<u8>, Violation> {
        let mut body = Vec::new();
        match beginning {
            Beginning::Fingerprints { width } => {
                self.put_fingerprints(Prefix::ROOT, width, ours, &mut body)?;
            }
            Beginning::Lists { width } => {
                body.push(LISTS | width as u8);
                for index in 0..1 << width {
                    let prefix = Prefix::ROOT.descendant(width, index).expect("a few bits");
                    if ours.summary.trie().count(&prefix, &ours.items)? > LIST_MAX as u64 {
                        // Somebody chose these ids to lie close together.
                        self.asked.clear();
                        return self.begin(Beginning::Fingerprints { width }, ours);
                    }
                    self.put_list(prefix, ours, &mut body)?;
                }
            }
        }
        Ok(body)
    }

    /// Reads the first group of the other side and answers it. As [`step`](Self::step).
    pub fn enter(
        &mut self,
        body: &[u8],
        allowance: u64,
        ours: &Ours<impl Items>,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let mut body = Body(body);
        let mut reply = Reply::default();
        match body.byte()? {
            first if first & LISTS != 0 => {
                let width = usize::from(first & !LISTS);
                check(width <= WIDTH_FIRST_MAX)?;
                for index in 0..1 << width {
                    let prefix = Prefix::ROOT.descendant(width, index).expect("a few bits");
                    self.read_list(prefix, &mut body, ours, &mut reply)?;
                }
            }
            0 => self.read_list(Prefix::ROOT, &mut body, ours, &mut reply)?,
            width => {
                let width = width.into();
                check(width <= WIDTH_FIRST_MAX)?;
                self.read_fingerprints(Prefix::ROOT, width, &mut body, ours, &mut reply)?;
            }
        }
        check(body.0.is_empty())?;
        self.go_on(reply, allowance, ours)
    }

    /// Reads the answers to our groups and the groups that follow from them; returns our answers
    /// and groups, `None` when there is nothing to say.
    ///
    /// - `allowance`: the bytes that we may send; answers are always smaller than what they answer,
    ///   so they are sent in any case, and groups as far as there is room.
    pub fn step(
        &mut self,
        body: &[u8],
        allowance: u64,
        ours: &Ours<impl Items>,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let mut body = Body(body);
        let mut subjects = Vec::new();
        for asked in std::mem::take(&mut self.asked) {
            match asked {
                Asked::Fingerprints { below, width } => {
                    let marks = body.take((1usize << width).div_ceil(8))?;
                    for index in (0..1u64 << width).filter(|&index| is_marked(marks, index)) {
                        subjects.push(below.descendant(width, index).ok_or(Violation::Groups)?);
                    }
                }
                Asked::List(ids) => {
                    let mut at = 0;
                    for _ in 0..body.number()? {
                        at += body.number()?;
                        let id = usize::try_from(at).ok().and_then(|at| ids.get(at));
                        self.found(*id.ok_or(Violation::Groups)?);
                        at += 1;
                    }
                }
            }
        }
        let mut reply = Reply::default();
        for subject in subjects {
            if body.0.is_empty() {
                self.cut = true;
                break;
            }
            match body.byte()? {
                0 => self.read_list(subject, &mut body, ours, &mut reply)?,
                width => {
                    let width = width.into();
                    check(width <= WIDTH_MAX)?;
                    self.read_fingerprints(subject, width, &mut body, ours, &mut reply)?;
                }
            }
        }
        check(body.0.is_empty())?;
        self.go_on(reply, allowance, ours)
    }

    /// Appends a group for each prefix in which we differ, as long as there is room.
    fn go_on(
        &mut self,
        reply: Reply,
        allowance: u64,
        ours: &Ours<impl Items>,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let Reply { mut body, differing } = reply;
        if body.is_empty() {
            return Ok(None);
        }
        let room = usize::try_from(allowance).unwrap_or(FRAME_BYTES_MAX).min(FRAME_BYTES_MAX);
        let room = room.saturating_sub(FRAME_REST_BYTES);
        for prefix in differing {
            let (bytes, asked) = (body.len(), self.asked.len());
            self.put_group(prefix, ours, &mut body)?;
            if body.len() > room {
                body.truncate(bytes);
                self.asked.truncate(asked);
                self.cut = true;
                break;
            }
        }
        Ok(Some(body))
    }

    fn put_group(
        &mut self,
        prefix: Prefix,
        ours: &Ours<impl Items>,
        body: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let count = ours.summary.trie().count(&prefix, &ours.items)?;
        let even = ours.count().max(1).ilog2() as usize;
        let crooked = prefix.bits() > even + CROOKED_BITS && count <= LIST_MAX as u64;
        if count <= LIST_IDS || crooked {
            body.push(0);
            return self.put_list(prefix, ours, body);
        }
        let width = ((count / PART_IDS).ilog2() as usize).min(4);
        self.put_fingerprints(prefix, width, ours, body)
    }

    fn put_fingerprints(
        &mut self,
        below: Prefix,
        width: usize,
        ours: &Ours<impl Items>,
        body: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        body.push(width as u8);
        let key = &self.key;
        ours.summary.trie().roots(&below, width, &ours.items, |root| body.extend(key.of(root)))?;
        self.asked.push(Asked::Fingerprints { below, width });
        Ok(())
    }

    fn put_list(
        &mut self,
        prefix: Prefix,
        ours: &Ours<impl Items>,
        body: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let ids = ours.items.scan(&prefix, LIST_MAX)?;
        put_number(body, ids.len() as u64);
        body.extend(ids.iter().flat_map(|id| self.key.of(id.as_bytes())));
        self.asked.push(Asked::List(ids));
        Ok(())
    }

    /// Compares the subtrees below `below`; marks those that differ.
    fn read_fingerprints(
        &mut self,
        below: Prefix,
        width: usize,
        body: &mut Body,
        ours: &Ours<impl Items>,
        reply: &mut Reply,
    ) -> Result<(), Violation> {
        let (theirs, _) = body.take(4 << width)?.as_chunks::<4>();
        // Where ids end, nothing is left to divide.
        check(below.descendant(width, 0).is_some())?;
        let from = reply.body.len();
        reply.body.resize(from + theirs.len().div_ceil(8), 0);
        let (marks, differing) = (&mut reply.body[from..], &mut reply.differing);
        let (key, mut index) = (&self.key, 0);
        ours.summary.trie().roots(&below, width, &ours.items, |root| {
            if key.of(root) != theirs[index] {
                marks[index / 8] |= 1 << (index % 8);
                differing.extend(below.descendant(width, index as u64));
            }
            index += 1;
        })?;
        Ok(())
    }

    /// Compares a list with our ids below `prefix`; answers with the places of what we lack.
    fn read_list(
        &mut self,
        prefix: Prefix,
        body: &mut Body,
        ours: &Ours<impl Items>,
        reply: &mut Reply,
    ) -> Result<(), Violation> {
        let count = usize::try_from(body.number()?).ok().filter(|&count| count <= LIST_MAX);
        let (theirs, _) = body.take(4 * count.ok_or(Violation::Groups)?)?.as_chunks::<4>();
        let room = FOUND_MAX.saturating_sub(self.found) + theirs.len();
        let mine = ours.items.scan(&prefix, room + 1)?;
        self.cut |= mine.len() > room;
        // Two of our ids may look alike, so each place is matched once.
        let mut places: BTreeMap<Fingerprint, Vec<usize>> = BTreeMap::new();
        for (at, theirs) in theirs.iter().enumerate().rev() {
            places.entry(*theirs).or_default().push(at);
        }
        for id in mine {
            if places.get_mut(&self.key.of(id.as_bytes())).and_then(Vec::pop).is_none() {
                self.found(id);
            }
        }
        let mut lacking: Vec<usize> = places.into_values().flatten().collect();
        lacking.sort_unstable();
        put_number(&mut reply.body, lacking.len() as u64);
        let mut next = 0;
        for at in lacking {
            put_number(&mut reply.body, (at - next) as u64);
            next = at + 1;
        }
        Ok(())
    }

    /// Notes that the other side lacks `id`.
    fn found(&mut self, id: ItemId) {
        if self.found == FOUND_MAX {
            self.cut = true;
            return;
        }
        self.found += 1;
        self.gone.push(id);
    }
}

/// What is being written: answers, and where our groups go.
#[derive(Default)]
struct Reply {
    body: Vec<u8>,
    differing: Vec<Prefix>,
}

fn is_marked(marks: &[u8], index: u64) -> bool {
    let index = index as usize;
    marks[index / 8] >> (index % 8) & 1 == 1
}

fn check(fine: bool) -> Result<(), Violation> {
    fine.then_some(()).ok_or(Violation::Groups)
}

/// Appends a number as postcard does: 7 bits to a byte, the lowest first.
fn put_number(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// What is left to be read.
struct Body<'b>(&'b [u8]);

impl<'b> Body<'b> {
    fn take(&mut self, bytes: usize) -> Result<&'b [u8], Violation> {
        self.0.split_off(..bytes).ok_or(Violation::Groups)
    }

    fn byte(&mut self) -> Result<u8, Violation> {
        self.0.split_off_first().copied().ok_or(Violation::Groups)
    }

    /// A number of up to 28 bits; nothing that is counted here is larger.
    fn number(&mut self) -> Result<u64, Violation> {
        let mut number = 0;
        for at in 0..4 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Violation::Groups)
    }
}
