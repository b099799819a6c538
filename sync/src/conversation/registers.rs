//! What is particular about registers: which is sent first, and what becomes of those that come.

use std::cmp::Reverse;

use catalog::ItemId;
use catalog::register::SealedRegister;
use catalog::store::{REGISTERS_AT_ONCE_MAX, RegisterFate, RegisterRefusal, StoreError};
use catalog::time::Timestamp;

use super::Conversation;
use crate::exchange::Kept;
use crate::message::RECORDS_MAX;

/// What one frame brings is kept in one go.
const _: () = assert!(RECORDS_MAX <= REGISTERS_AT_ONCE_MAX);

impl Conversation {
    /// The newest first: of those that do not all fit, they are the likeliest to be of use.
    pub(super) fn newest_first(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>, StoreError> {
        let mut stamped = Vec::with_capacity(ids.len());
        for id in ids {
            let sealed = self.snapshot.register(&id)?;
            stamped.extend(sealed.map(|sealed| (Reverse(sealed.peek().hlc), id)));
        }
        stamped.sort_unstable();
        Ok(stamped.into_iter().map(|(_, id)| id).collect())
    }

    /// Verifies registers and keeps those that are later than what is here. One that we do not
    /// want, or not yet, is nobody's fault: clocks differ, and so does the room that nodes have.
    ///
    /// - `sent`: with the places in `fates` where what became of them is noted.
    pub(super) fn keep_registers(
        &mut self,
        sent: Vec<(usize, SealedRegister)>,
        fates: &mut [Kept],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (places, sent): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
        let became = self.store.accept_registers(sent.clone(), now)?;
        for ((place, sealed), fate) in places.into_iter().zip(&sent).zip(became) {
            fates[place] = match fate {
                RegisterFate::New => {
                    self.report.new += 1;
                    Kept::Good(sealed.item())
                }
                RegisterFate::Known => {
                    self.report.known += 1;
                    Kept::Unwanted(sealed.item())
                }
                RegisterFate::Refused(why) => self.refused(sealed, why),
            };
        }
        Ok(())
    }

    fn refused(&mut self, sealed: &SealedRegister, why: RegisterRefusal) -> Kept {
        match why {
            RegisterRefusal::Forged => {
                self.blame(&why.to_string());
                return Kept::Bad;
            }
            // Nobody has to know.
            RegisterRefusal::Expired | RegisterRefusal::NoRoom => {}
            // A clock is wrong, here or there.
            _ => self.refuse(&why.to_string()),
        }
        Kept::Unwanted(sealed.item())
    }
}
