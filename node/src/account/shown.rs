//! Shows others what was signed for this node, and reads what they show.
//!
//! Both travel as registers: one with the newest receipts that this node was given, one with the
//! proofs it found of nodes that contradict themselves. Whoever sent shows what was signed for it:
//! it wants that known, and nobody can hide what it took by keeping silent.
//!
//! Guarantees: what is read counts only if its client signed it; a node shows what was signed for
//! itself and for nobody else, so that one register has no more room than its node deserves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::register::{Hlc, Register, RegisterName, VALUE_BYTES_MAX};
use catalog::store::StoreError;
use catalog::time::Timestamp;
use catalog_mirror::fraud::Fraud;
use catalog_mirror::ledger::Taken;
use catalog_mirror::receipt::SealedReceipt;

use crate::blocking::blocking;
use crate::meter::Count;
use crate::node::{Inner, now};
use crate::registers::SayError;

/// The register with receipts.
const RECEIPTS: &str = "receipts";
/// The register with proofs.
const FRAUDS: &str = "frauds";
/// What registers hold, and for how long: a receipt of that age has faded to half.
const LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// It is said anew when it holds for less than this.
const LIFE_LEFT_MIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How often receipts are shown anew while they grow. Others need them to know whom to trust, which
/// does not change by the minute.
const SHOWN_EVERY: Duration = Duration::from_secs(10 * 60);
/// The most receipts in a register.
const RECEIPTS_MAX: usize = 16;
/// The version of the layout of both registers.
const VERSION: u8 = 1;

/// Which registers were read already, by their stamps.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<(NodeId, &'static str), Hlc>>);

impl Heard {
    /// Whether this one was not read before.
    fn is_news(&self, what: &'static str, register: &Register) -> bool {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert((register.node, what), register.hlc) != Some(register.hlc)
    }

    /// Forgets those that are gone.
    fn keep(&self, what: &'static str, registers: &[Register]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|(node, of), _| *of != what || registers.iter().any(|one| one.node == *node));
    }
}

/// Some things side by side, each behind its length: as many as fit.
fn pack<'a>(items: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for item in items {
        if bytes.len() + 2 + item.len() > VALUE_BYTES_MAX {
            break;
        }
        bytes.extend((item.len() as u16).to_be_bytes());
        bytes.extend(item);
    }
    bytes
}

/// What [`pack`] packed; nothing of what this version cannot read.
fn unpack(bytes: &[u8]) -> Vec<&[u8]> {
    let Some((&VERSION, mut rest)) = bytes.split_first() else { return Vec::new() };
    let mut items = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let Some((item, behind)) = behind.split_at_checked(u16::from_be_bytes(*length).into())
        else {
            return Vec::new();
        };
        items.push(item);
        rest = behind;
    }
    items
}

fn named(name: &str) -> RegisterName {
    name.parse().expect("the name has the form of one")
}

impl Inner {
    /// Shows what was signed for this node, if others do not know it, and reads what they show.
    pub(crate) async fn exchange_receipts(&self) -> Result<(), SayError> {
        self.read_receipts().await?;
        if self.config.is_announced() {
            self.show_receipts(SHOWN_EVERY).await?;
        }
        Ok(())
    }

    /// Shows what was signed for this node, and not again within so much time.
    pub(crate) async fn show_receipts(&self, every: Duration) -> Result<(), SayError> {
        let (receipts, frauds) = {
            let books = self.account.books();
            let given = books.ledger.rows().filter(|(_, server, _)| **server == self.id);
            let mut given: Vec<_> = given.filter_map(|(.., row)| row.newest().cloned()).collect();
            given.sort_by_key(|sealed| std::cmp::Reverse(sealed.receipt().hlc));
            given.truncate(RECEIPTS_MAX);
            let frauds: Vec<_> = books.ledger.frauds().map(|(_, fraud)| fraud.encode()).collect();
            (given, frauds)
        };
        if !receipts.is_empty() {
            let value = pack(receipts.iter().map(SealedReceipt::as_bytes));
            self.show(RECEIPTS, value, every).await?;
        }
        if !frauds.is_empty() {
            let value = pack(frauds.iter().map(Vec::as_slice));
            self.show(FRAUDS, value, Duration::ZERO).await?;
        }
        Ok(())
    }

    async fn show(&self, name: &str, value: Vec<u8>, every: Duration) -> Result<(), SayError> {
        let (name, now) = (named(name), now());
        let is_due = |last: Register| {
            let is_old = last.expires.since(now) < LIFE_LEFT_MIN;
            is_old || (last.value != value && now.since(last.hlc.time()) >= every)
        };
        match self.store.register(&name, &self.id)?.is_none_or(is_due) {
            true => self.say(&name, value, LIFE).await,
            false => Ok(()),
        }
    }

    /// Takes in what other nodes show.
    pub(crate) async fn read_receipts(&self) -> Result<(), StoreError> {
        let (store, now) = (self.store.clone(), now());
        let read = move || -> Result<_, StoreError> {
            Ok((store.registers(&named(RECEIPTS), now)?, store.registers(&named(FRAUDS), now)?))
        };
        let (receipts, frauds) = blocking(read).await?;
        let heard = &self.account.heard;
        heard.keep(RECEIPTS, &receipts);
        heard.keep(FRAUDS, &frauds);
        let others = |register: &&Register| register.node != self.id;
        for register in receipts.iter().filter(others) {
            if heard.is_news(RECEIPTS, register) {
                self.hear_receipts(register, now);
            }
        }
        for register in frauds.iter().filter(others) {
            if heard.is_news(FRAUDS, register) {
                self.hear_frauds(register);
            }
        }
        Ok(())
    }

    fn hear_receipts(&self, register: &Register, now: Timestamp) {
        for bytes in unpack(&register.value).into_iter().take(RECEIPTS_MAX) {
            let sealed = SealedReceipt::open(bytes);
            let is_its_own = |sealed: &SealedReceipt| sealed.receipt().server == register.node;
            let Some(sealed) = sealed.ok().filter(is_its_own) else {
                self.meter.add(Count::ReceiptsRefused, 1);
                continue;
            };
            let mut books = self.account.books();
            match books.ledger.take(&sealed, now) {
                Taken::New { .. } => books.is_changed = true,
                Taken::Contradiction(_) => {
                    books.is_changed = true;
                    self.meter.add(Count::Frauds, 1);
                }
                Taken::Known | Taken::Ahead => continue,
            }
            self.account.changed.notify_one();
        }
    }

    fn hear_frauds(&self, register: &Register) {
        for bytes in unpack(&register.value) {
            let Ok(fraud) = Fraud::open(bytes) else {
                self.meter.add(Count::ReceiptsRefused, 1);
                continue;
            };
            let mut books = self.account.books();
            if books.ledger.accuse(fraud) {
                books.is_changed = true;
                self.meter.add(Count::Frauds, 1);
                self.account.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that are already running read these bytes.
    #[test]
    fn the_registers_have_these_bytes() {
        let items: [&[u8]; 2] = [&[0xaa, 0xbb], &[]];
        let bytes = pack(items.into_iter());
        assert_eq!(hex::encode(&bytes), "010002aabb0000");
        assert_eq!(unpack(&bytes), items);
        for wrong in [&[][..], &[2, 0, 1, 7], &[1, 0, 9, 7]] {
            assert_eq!(unpack(wrong), [&[0u8; 0]; 0], "{wrong:?}");
        }
    }

    #[test]
    fn no_more_is_said_than_fits() {
        let item = [7; 250];
        let bytes = pack(std::iter::repeat_n(&item[..], 100));
        assert!(bytes.len() <= VALUE_BYTES_MAX);
        assert_eq!(unpack(&bytes).len(), 16, "all the receipts that there may be");
    }
}
