//! Says things about this node that others should know, under its own key.
//!
//! What is said under a name takes the place of what was said before, travels with every sync and
//! is dropped everywhere when it expires. Guarantees: what was said later is stamped later, even
//! if the clock went back, and never expires earlier: a node that shows again what this one said
//! long ago convinces nobody.

use std::time::Duration;

use catalog::register::{Hlc, LIFE_MAX, Register, RegisterError, RegisterName, SealedRegister};
use catalog::store::{RegisterFate, RegisterRefusal, StoreError};
use catalog::time::Timestamp;

use crate::blocking::blocking;
use crate::node::{Inner, Node, now};

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// It is too large.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The clock went back by much, or it was to hold for too long.
    #[error(transparent)]
    Refused(#[from] RegisterRefusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Says `value` under `name` to whoever this node syncs with, and whoever they do.
    ///
    /// - `life`: after this nobody shows it any more.
    ///
    /// # Errors
    /// [`SayError`].
    pub async fn say(
        &self,
        name: &RegisterName,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<(), SayError> {
        self.0.say(name, value, life).await
    }
}

impl Inner {
    pub(crate) async fn say(
        &self,
        name: &RegisterName,
        value: Vec<u8>,
        life: Duration,
    ) -> Result<(), SayError> {
        let (store, node, key, name) = (self.store.clone(), self.id, self.key, name.clone());
        blocking(move || {
            loop {
                let (now, last) = (now(), store.register(&name, &node)?);
                let hlc = Hlc::after(last.as_ref().map(|last| last.hlc).unwrap_or_default(), now);
                let before = last.map(|last| last.expires).unwrap_or_default();
                let expires = later(now, life).max(before).min(later(hlc.time(), LIFE_MAX));
                let (name, value) = (name.clone(), value.clone());
                let register = Register { node, name, value, hlc, expires };
                match store.put_register(&SealedRegister::seal(&register, &key)?, now)? {
                    RegisterFate::New => return Ok(()),
                    RegisterFate::Refused(why) => return Err(why.into()),
                    // Somebody said something in the same moment.
                    RegisterFate::Known => {}
                }
            }
        })
        .await
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(by))
}
