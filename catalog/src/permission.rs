//! Decides who may read a release: everybody, or the nodes that its publisher lists.
//!
//! In: the [`Permission`] that a release signs and the [`Reader`] that asks. Out: yes or no.
//!
//! Guarantees: a permission that this version does not know is refused when it is read, never
//! taken for public. Not here: asking on every request and answering "denied" and "absent" alike
//! (`node`), and hiding the bytes from the mirrors that hold them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::cbor::{CodecError, Fields, Map, Value};

/// The most nodes that one release may list.
pub const NODES_MAX: usize = 1024;

/// The key by which a node proves who it is on a connection. It never signs statements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

/// Text that is not a node id of 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 64 hex digits, found {found:?}")]
pub struct NodeIdError {
    found: Box<str>,
}

impl NodeId {
    /// Wraps the 32 bytes of a node's public key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the node's public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first ten hex digits, for people; never accepted as a name.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..5])
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let mut bytes = [0; 32];
        let canonical = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if canonical => Ok(Self(bytes)),
            _ => Err(NodeIdError { found: text.chars().take(80).collect() }),
        }
    }
}

impl serde::Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who may read a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", content = "nodes", rename_all = "lowercase")]
pub enum Permission {
    /// Everybody.
    #[default]
    Public,
    /// These nodes, and whoever holds the store it lies in.
    Restricted(BTreeSet<NodeId>),
}

/// Somebody who asks for a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The owner of this store, on this machine.
    Local,
    /// A node at the other end of an authenticated connection.
    Node(NodeId),
}

impl Permission {
    /// How it stands in a release: `{"kind": "public"}`, or with the nodes ascending.
    pub(crate) fn to_value(&self) -> Value {
        let mut map = Map::new();
        match self {
            Self::Public => map.insert("kind", "public"),
            Self::Restricted(nodes) => {
                map.insert("kind", "restricted");
                let nodes = nodes.iter().map(|node| Value::from(node.0.as_slice()));
                map.insert("nodes", nodes.collect::<Value>());
            }
        }
        Value::Map(map)
    }

    /// Reads what [`to_value`](Self::to_value) wrote.
    pub(crate) fn from_value(map: Map) -> Result<Self, CodecError> {
        let mut fields = Fields::of(Value::Map(map))?;
        let permission = match fields.text("kind")?.as_str() {
            "public" if fields.array_opt("nodes")?.is_none() => Self::Public,
            "public" => return Err(CodecError::invalid("nodes", "everybody may read it")),
            "restricted" => Self::Restricted(read_nodes(fields.array("nodes")?)?),
            _ => return Err(CodecError::invalid("permission", "a kind unknown to this version")),
        };
        fields.finish()?;
        Ok(permission)
    }

    /// Whether `who` may read what carries this permission.
    pub fn may_read(&self, who: Reader) -> bool {
        match (self, who) {
            (Self::Public, _) | (_, Reader::Local) => true,
            (Self::Restricted(nodes), Reader::Node(node)) => nodes.contains(&node),
        }
    }
}

fn read_nodes(items: Vec<Value>) -> Result<BTreeSet<NodeId>, CodecError> {
    const FIELD: &str = "nodes";
    if items.len() > NODES_MAX {
        let reason = format!("{} nodes, at most {NODES_MAX}", items.len());
        return Err(CodecError::invalid(FIELD, reason));
    }
    let mut nodes = BTreeSet::new();
    for item in items {
        let wrong = CodecError::WrongType { field: FIELD, expected: "a list of 32 bytes each" };
        let Value::Bytes(bytes) = item else { return Err(wrong) };
        let node = NodeId(bytes.try_into().map_err(|_| wrong)?);
        if nodes.last().is_some_and(|last| *last >= node) {
            return Err(CodecError::invalid(FIELD, "not ascending, or one is listed twice"));
        }
        nodes.insert(node);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests;
