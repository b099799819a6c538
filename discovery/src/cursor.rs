//! How far in a store's changes an index has read.

use std::fmt;
use std::str::FromStr;

use crate::schema::VERSION;

/// A place in the change log of one store. Its text form is kept inside each commit of the index:
/// `catalog-index/6 <store id, 32 hex digits> <sequence number>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Which store: after a restore from backup, or with another store, the index starts over.
    pub store: [u8; 16],
    /// The last change that is in the index; 0 before the first.
    pub change: u64,
}

/// Text that is not a cursor of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this index version")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "catalog-index/{VERSION} {:032x} {}",
            u128::from_be_bytes(self.store),
            self.change
        )
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let read = || {
            let rest = text.strip_prefix(&format!("catalog-index/{VERSION} "))?;
            let (store, change) = rest.split_once(' ')?;
            let store = u128::from_str_radix(store, 16).ok()?.to_be_bytes();
            Some(Self { store, change: change.parse().ok()? })
        };
        // Only the one spelling that we write ourselves.
        read().filter(|cursor| cursor.to_string() == text).ok_or(CursorError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_stored_as_this_text() {
        let cursor = Cursor { store: *b"0123456789abcdef", change: 42 };
        let text = "catalog-index/6 30313233343536373839616263646566 42";
        assert_eq!(cursor.to_string(), text);
        assert_eq!(text.parse(), Ok(cursor));
    }

    #[test]
    fn other_versions_and_spellings_are_refused() {
        for text in [
            "",
            "catalog-index/5 30313233343536373839616263646566 42",
            "catalog-index/6 30313233343536373839616263646566",
            "catalog-index/6 30313233343536373839616263646566 042",
            "catalog-index/6 3031 1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}
