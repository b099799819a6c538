//! Fields that postcard would read one by one, or take memory for before the bytes are there.
//!
//! A list of values of one size travels as bytes: postcard compares the announced length with what
//! has arrived before anything is copied.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Makes something of bytes that lie in the frame.
struct Borrowed<T, F>(F, PhantomData<T>);

impl<'de, T, F: FnOnce(&'de [u8]) -> Option<T>> Visitor<'de> for Borrowed<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in order")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<T, E> {
        (self.0)(bytes).ok_or_else(|| E::custom("bytes out of order"))
    }
}

fn bytes<'de, D: Deserializer<'de>, T>(
    from: D,
    read: impl FnOnce(&'de [u8]) -> Option<T>,
) -> Result<T, D::Error> {
    from.deserialize_bytes(Borrowed(read, PhantomData))
}

/// A list of values that have `N` bytes each.
pub(super) mod fixed {
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(
        list: &[[u8; N]],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(list.as_flattened())
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<Vec<[u8; N]>, D::Error> {
        super::bytes(from, |bytes| match bytes.as_chunks() {
            (list, []) => Some(list.to_vec()),
            _ => None,
        })
    }
}

/// Bytes as they are.
pub(super) mod blob {
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        super::bytes(from, |bytes| Some(bytes.to_vec()))
    }
}

/// A view, as its one encoding.
pub(super) mod view {
    use crate::view::View;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(view: &View, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&view.encode())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<View, D::Error> {
        super::bytes(from, |bytes| View::decode(bytes).ok())
    }
}

/// Records: how many, then the bytes of each.
pub(super) mod records {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use super::super::RECORDS_MAX;

    pub fn serialize<S: Serializer>(records: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(records.iter().map(Vec::as_slice))
    }

    struct Records;

    impl<'de> Visitor<'de> for Records {
        type Value = Vec<Vec<u8>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {RECORDS_MAX} records")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut records = Vec::new();
            while let Some(record) = list.next_element::<&'de [u8]>()? {
                if records.len() == RECORDS_MAX {
                    return Err(A::Error::custom("too many records"));
                }
                records.push(record.to_vec());
            }
            Ok(records)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
        from.deserialize_seq(Records)
    }
}

/// Bytes of a fixed number, without a length. Serde reads arrays of up to 32 by itself.
pub(super) mod raw {
    use std::borrow::Borrow;
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(
        bytes: &impl Borrow<[u8; N]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = to.serialize_tuple(N)?;
        bytes.borrow().iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }

    struct Raw<T, const N: usize>(PhantomData<T>);

    impl<'de, T: From<[u8; N]>, const N: usize> Visitor<'de> for Raw<T, N> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
            let mut bytes = [0; N];
            for byte in &mut bytes {
                *byte = list.next_element()?.ok_or_else(|| A::Error::custom("too few bytes"))?;
            }
            Ok(bytes.into())
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T: From<[u8; N]>, const N: usize>(
        from: D,
    ) -> Result<T, D::Error> {
        from.deserialize_tuple(N, Raw(PhantomData))
    }
}
