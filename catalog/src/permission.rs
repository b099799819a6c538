//! Decides who may read a release, in one place for every kind of request: [`may_read`].
//!
//! In: the [`Permission`] that a release signs, the [`Word`]s that its publisher signed about the
//! one who asks since, the [`Reader`] and the time. Out: yes or no.
//!
//! Guarantees: a permission that this version does not know is refused when it is read, never
//! taken for public. Not here: asking on every request and answering "denied" and "absent" alike
//! (`node`), and hiding the bytes from the mirrors that hold them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::cbor::{CodecError, Fields, Map, Value};

mod decision;
mod scope;
#[cfg(test)]
mod tests;

pub use decision::{Word, may_read};
pub use scope::{PackagePattern, Scope, ScopeError};

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
    /// Nobody but the publisher, until it grants it to somebody.
    Private,
    /// These nodes, and those it is granted to.
    Restricted(BTreeSet<NodeId>),
    /// The publisher's friends, and those it is granted to.
    Friends,
    /// Everybody, and who fetches it does so under a key that is used once and keeps no count.
    Anonymous,
    /// Everybody; it is installed only where enough publishers that are trusted there attest it.
    Verified,
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
    /// Whether everybody may read what carries this permission, and know that it exists.
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Public | Self::Anonymous | Self::Verified => true,
            Self::Private | Self::Restricted(_) | Self::Friends => false,
        }
    }

    /// The word that stands in releases and manifests.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Restricted(_) => "restricted",
            Self::Friends => "friends",
            Self::Anonymous => "anonymous",
            Self::Verified => "verified",
        }
    }

    /// How it stands in a release: `{"kind": "public"}`; a restricted one has the nodes, ascending.
    pub(crate) fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("kind", self.as_str());
        if let Self::Restricted(nodes) = self {
            map.insert(NODES, write_nodes(nodes));
        }
        Value::Map(map)
    }

    /// Reads what [`to_value`](Self::to_value) wrote.
    pub(crate) fn from_value(map: Map) -> Result<Self, CodecError> {
        let mut fields = Fields::of(Value::Map(map))?;
        let kind = fields.text("kind")?;
        let permission = match kind.as_str() {
            "public" => Self::Public,
            "private" => Self::Private,
            "restricted" => Self::Restricted(read_nodes(fields.array(NODES)?, NODES_MAX)?),
            "friends" => Self::Friends,
            "anonymous" => Self::Anonymous,
            "verified" => Self::Verified,
            _ => return Err(CodecError::invalid("permission", "a kind unknown to this version")),
        };
        if fields.array_opt(NODES)?.is_some() {
            return Err(CodecError::invalid(NODES, format!("{kind} names nobody")));
        }
        fields.finish()?;
        Ok(permission)
    }
}

const NODES: &str = "nodes";

/// Nodes as a statement lists them: ascending.
pub(crate) fn write_nodes(nodes: &BTreeSet<NodeId>) -> Value {
    nodes.iter().map(|node| Value::from(node.0.as_slice())).collect()
}

/// Reads what [`write_nodes`] wrote: at most `max` nodes.
pub(crate) fn read_nodes(items: Vec<Value>, max: usize) -> Result<BTreeSet<NodeId>, CodecError> {
    if items.len() > max {
        return Err(CodecError::invalid(NODES, format!("{} nodes, at most {max}", items.len())));
    }
    let mut nodes = BTreeSet::new();
    for item in items {
        let wrong = CodecError::WrongType { field: NODES, expected: "a list of 32 bytes each" };
        let Value::Bytes(bytes) = item else { return Err(wrong) };
        let node = NodeId(bytes.try_into().map_err(|_| wrong)?);
        if nodes.last().is_some_and(|last| *last >= node) {
            return Err(CodecError::invalid(NODES, "not ascending, or one is listed twice"));
        }
        nodes.insert(node);
    }
    Ok(nodes)
}
