//! The values of the tables, byte by byte. Each layout is pinned by a test on its exact bytes.

mod change;
mod grant;
mod leaf;
mod log;
mod publisher;
mod version;

use super::StoreError;
use super::tables::number;
use crate::statement::StatementId;

pub use publisher::Trust;

pub(super) use change::{ChangeRow, Entered, Told};
pub(super) use grant::{AttestationRow, decode_word, encode_word};
pub(super) use leaf::Leaf;
pub(super) use log::{LogRow, Merged, head_of};
pub(super) use publisher::PublisherRow;
pub(super) use version::{ChannelRow, Standing, YankRow, decode_ids, encode_ids};

/// At most this many leaves are in one row of `leaves`, more in `rivals`; and at most this many
/// releases are named for one version: two already prove that the publisher contradicts itself.
pub(super) const RIVALS_MAX: usize = 2;

pub(super) fn statement_id(bytes: &[u8; 32]) -> StatementId {
    StatementId::from_digest(crate::Digest::from_bytes(*bytes))
}

/// A version as keys and rows spell it.
pub(super) fn version_of(bytes: &[u8]) -> Result<semver::Version, StoreError> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or(StoreError::damaged("a version"))
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
