//! The one encoding of a view: a byte that says which it is, then four lists.
//!
//! A list is how many values there are (two bytes, big-endian), then the values, ascending: a byte of
//! length and the bytes of each.
//! They stand in the order publishers, kinds, tags, platforms.

use std::str::FromStr;

use catalog::{Digest, PublisherId};

use super::{Selection, View};

/// The longest encoding: a few dozen values. A view is part of a stranger's first message.
pub const VIEW_BYTES_MAX: usize = 2048;

const URGENT: u8 = 0;
const ALL: u8 = 1;
const REGISTERS: u8 = 2;
const RELEASES: u8 = 3;

/// Why there is no such view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// More than an encoding may have.
    #[error("a selection of {bytes} bytes, {VIEW_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many bytes it takes.
        bytes: usize,
    },
    /// Not the one encoding of a view.
    #[error("bytes that are not a view")]
    Malformed,
}

impl View {
    /// A view of the releases that `selection` admits.
    ///
    /// # Errors
    /// [`ViewError::TooLarge`] when it names more than a peer would listen to.
    pub fn of(selection: Selection) -> Result<Self, ViewError> {
        let view = Self::Releases(selection);
        match view.encode().len() {
            bytes if bytes > VIEW_BYTES_MAX => Err(ViewError::TooLarge { bytes }),
            _ => Ok(view),
        }
    }

    /// Writes the view.
    pub fn encode(&self) -> Vec<u8> {
        let selection = match self {
            Self::Urgent => return vec![URGENT],
            Self::All => return vec![ALL],
            Self::Registers => return vec![REGISTERS],
            Self::Releases(selection) => selection,
        };
        let mut bytes = vec![RELEASES];
        let Selection { publishers, kinds, tags, fits } = selection;
        put_list(&mut bytes, publishers.iter().map(|publisher| publisher.as_bytes().to_vec()));
        put_list(&mut bytes, kinds.iter().map(|kind| kind.as_str().into()));
        put_list(&mut bytes, tags.iter().map(|tag| tag.as_str().into()));
        put_list(&mut bytes, fits.iter().map(|platform| platform.to_string().into_bytes()));
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, and no other spelling of it.
    ///
    /// # Errors
    /// [`ViewError`]; a peer can cause it.
    pub fn decode(bytes: &[u8]) -> Result<Self, ViewError> {
        if bytes.len() > VIEW_BYTES_MAX {
            return Err(ViewError::TooLarge { bytes: bytes.len() });
        }
        let view = match bytes {
            [URGENT] => Self::Urgent,
            [ALL] => Self::All,
            [REGISTERS] => Self::Registers,
            [RELEASES, rest @ ..] => {
                Self::Releases(read_selection(rest).ok_or(ViewError::Malformed)?)
            }
            _ => return Err(ViewError::Malformed),
        };
        // Order, repeats and trailing bytes all show here.
        if view.encode() == bytes { Ok(view) } else { Err(ViewError::Malformed) }
    }
}

/// Appends a list; its values in the order of their bytes.
fn put_list(bytes: &mut Vec<u8>, values: impl Iterator<Item = Vec<u8>>) {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    // So many would be far beyond the longest encoding, which `View::of` and `decode` check.
    bytes.extend(u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes());
    for value in values {
        bytes.push(u8::try_from(value.len()).expect("no value has more than 129 bytes"));
        bytes.extend(value);
    }
}

fn read_selection(mut bytes: &[u8]) -> Option<Selection> {
    let publisher =
        |bytes: &[u8]| Some(PublisherId::from_digest(Digest::from_bytes(bytes.try_into().ok()?)));
    Some(Selection {
        publishers: read_list(&mut bytes)?.map(publisher).collect::<Option<_>>()?,
        kinds: read_list(&mut bytes)?.map(parsed).collect::<Option<_>>()?,
        tags: read_list(&mut bytes)?.map(parsed).collect::<Option<_>>()?,
        fits: read_list(&mut bytes)?.map(parsed).collect::<Option<_>>()?,
    })
}

fn parsed<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Takes a list off the front of `bytes`.
fn read_list<'b>(bytes: &mut &'b [u8]) -> Option<impl Iterator<Item = &'b [u8]> + use<'b>> {
    let mut values = Vec::new();
    let count = bytes.split_off(..2)?.try_into().expect("two bytes were taken");
    for _ in 0..u16::from_be_bytes(count) {
        let length = *bytes.split_off_first()?;
        values.push(bytes.split_off(..length.into())?);
    }
    Some(values.into_iter())
}
