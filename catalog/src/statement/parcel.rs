//! Hands the sealed contents of a release to nodes: to read them, or only to carry them.
//!
//! Whoever reads gets the content key, sealed to that node's own key. Whoever carries gets to know
//! which contents there are, and no key. It is shown to the nodes that it names, and to those who
//! have the key already if it has no carriers: those who carry do not learn who reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor::{CodecError, Fields, Map, Value};
use crate::digest::Digest;
use crate::identity::PublisherId;
use crate::permission::NodeId;
use crate::release::VARIANTS_MAX;
use crate::sealed::{KeyId, WrappedKey, key_id_opt};
use crate::size::ByteSize;
use crate::time::Timestamp;
use crate::variant::Variant;

use super::body::{self, BodyError};
use super::{StatementHeader, StatementKind};

/// The most nodes of one parcel.
pub const PARCEL_NODES_MAX: usize = 256;

/// A publisher hands sealed contents over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Whose contents they are.
    pub publisher: PublisherId,
    /// Where this stands in the signing key's log; of two keys for a node the later holds.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// Which key the contents are sealed with.
    pub key: KeyId,
    /// Who is to read them: to each node the key, sealed for it alone.
    pub readers: BTreeMap<NodeId, WrappedKey>,
    /// Who is to carry them.
    pub carriers: BTreeSet<NodeId>,
    /// What is to be carried; nothing unless there are carriers.
    pub contents: Vec<Content>,
}

/// The contents of one variant, as whoever carries them sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Content {
    /// The content root.
    pub root: Digest,
    /// The tree of numbered files.
    pub tree: Digest,
    /// The sum of their sizes.
    pub size: ByteSize,
    /// How many there are.
    pub files: u64,
}

impl Content {
    /// What of a variant is carried.
    pub fn of(variant: &Variant) -> Self {
        let Variant { root, tree, size, files, .. } = *variant;
        Self { root, tree, size, files }
    }

    fn to_value(self) -> Value {
        let mut map = Map::new();
        map.insert("root", self.root.as_bytes().as_slice());
        map.insert("tree", self.tree.as_bytes().as_slice());
        map.insert("size", self.size.as_u64());
        map.insert("n", self.files);
        Value::Map(map)
    }

    fn from_value(value: Value) -> Result<Self, CodecError> {
        let mut fields = Fields::of(value)?;
        let content = Self {
            root: fields.digest("root")?,
            tree: fields.digest("tree")?,
            size: ByteSize::bytes(fields.uint("size")?),
            files: fields.uint("n")?,
        };
        fields.finish()?;
        Ok(content)
    }
}

impl Parcel {
    /// Whether it is meant for a node.
    pub fn names(&self, node: &NodeId) -> bool {
        self.readers.contains_key(node) || self.carriers.contains(node)
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when it is for nobody or too many, for readers and carriers at once, or carriers
    /// and contents do not go together.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, key, readers, carriers, contents } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Parcel, header);
        map.insert("key", *key);
        let pair = |(node, wrapped): (&NodeId, &WrappedKey)| -> Value {
            [node.as_bytes().as_slice(), wrapped.as_bytes().as_slice()]
                .into_iter()
                .map(Value::from)
                .collect()
        };
        map.insert_some("readers", list(readers.iter().map(pair)));
        let carrier = |node: &NodeId| Value::from(node.as_bytes().as_slice());
        map.insert_some("carriers", list(carriers.iter().map(carrier)));
        map.insert_some("contents", list(contents.iter().map(|content| content.to_value())));
        let bytes = body::finish(map)?;
        // Whatever we would refuse from others, we refuse to sign.
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Reads a body strictly.
    ///
    /// # Errors
    /// [`BodyError`] names the field that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = body::open(StatementKind::Parcel, bytes)?;
        let StatementHeader { publisher, seq, time } = body::header(&mut fields)?;
        let key = key_id_opt(&mut fields, "key")?.ok_or(CodecError::Missing { field: "key" })?;
        let readers = body::list(&mut fields, "readers", PARCEL_NODES_MAX, |value| {
            let wrong =
                CodecError::WrongType { field: "readers", expected: "a list of node and key" };
            let Value::Array(pair) = value else { return Err(wrong) };
            let Ok([Value::Bytes(node), Value::Bytes(wrapped)]) = <[Value; 2]>::try_from(pair)
            else {
                return Err(wrong);
            };
            let wrapped = wrapped.try_into().map_err(|_| wrong.clone())?;
            Ok((node_of(node, wrong)?, WrappedKey::from_bytes(wrapped)))
        })?;
        ascending("readers", readers.iter().map(|(node, _)| node))?;
        let carriers = body::list(&mut fields, "carriers", PARCEL_NODES_MAX, |value| {
            let wrong = CodecError::WrongType { field: "carriers", expected: "a list of nodes" };
            let Value::Bytes(node) = value else { return Err(wrong) };
            node_of(node, wrong)
        })?;
        ascending("carriers", carriers.iter())?;
        let contents = body::list(&mut fields, "contents", VARIANTS_MAX, Content::from_value)?;
        fields.finish()?;
        if readers.is_empty() && carriers.is_empty() {
            return Err(CodecError::invalid("readers", "it is for nobody").into());
        }
        if !readers.is_empty() && !carriers.is_empty() {
            let what = "who carries does not learn who reads";
            return Err(CodecError::invalid("carriers", what).into());
        }
        if carriers.is_empty() != contents.is_empty() {
            let what = "what is carried and by whom go together";
            return Err(CodecError::invalid("contents", what).into());
        }
        let (readers, carriers) = (readers.into_iter().collect(), carriers.into_iter().collect());
        Ok(Self { publisher, seq, time, key, readers, carriers, contents })
    }
}

fn list(items: impl Iterator<Item = Value>) -> Option<Value> {
    let items: Vec<Value> = items.collect();
    (!items.is_empty()).then(|| items.into_iter().collect())
}

fn node_of(bytes: Vec<u8>, wrong: CodecError) -> Result<NodeId, CodecError> {
    Ok(NodeId::from_bytes(bytes.try_into().map_err(|_| wrong)?))
}

fn ascending<'n>(
    field: &'static str,
    nodes: impl Iterator<Item = &'n NodeId>,
) -> Result<(), CodecError> {
    match nodes.is_sorted_by(|one, next| one < next) {
        true => Ok(()),
        false => Err(CodecError::invalid(field, "not ascending, or one is listed twice")),
    }
}
