//! Lets nodes read what not everybody may, or takes that back.
//!
//! A revocation stops what is published and sent from then on; it cannot take back what somebody
//! has. Only the nodes that it names, and those that may read what it is about, are shown it.

use std::collections::BTreeSet;

use crate::cbor::CodecError;
use crate::identity::PublisherId;
use crate::permission::{NodeId, Scope, Word, read_nodes, write_nodes};
use crate::time::Timestamp;

use super::body::{self, BodyError};
use super::{StatementHeader, StatementKind};

/// The most nodes of one grant.
pub const GRANT_NODES_MAX: usize = 64;

/// A publisher lets nodes read, or does not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose releases they are.
    pub publisher: PublisherId,
    /// Where this stands in the signing key's log; the highest position holds.
    pub seq: u64,
    /// When it was made, by the publisher's clock.
    pub time: Timestamp,
    /// Whether it grants; `false` revokes.
    pub granted: bool,
    /// Which releases it is about.
    pub scope: Scope,
    /// Whom it is about: one at least.
    pub nodes: BTreeSet<NodeId>,
    /// From when on a grant does not hold any more. A revocation has none.
    pub until: Option<Timestamp>,
}

impl Grant {
    /// What it says about each of its nodes.
    pub fn word(&self) -> Word {
        let Self { seq, granted, scope, until, .. } = self;
        Word { seq: *seq, granted: *granted, scope: scope.clone(), until: *until }
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`BodyError`] when it names nobody or more than [`GRANT_NODES_MAX`], or a revocation ends.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        let Self { publisher, seq, time, granted, scope, nodes, until } = self;
        let header = StatementHeader { publisher: *publisher, seq: *seq, time: *time };
        let mut map = body::start(StatementKind::Grant, header);
        map.insert("granted", *granted);
        map.insert("scope", scope.to_string());
        map.insert("nodes", write_nodes(nodes));
        map.insert_some("until", until.map(Timestamp::as_millis));
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
        let mut fields = body::open(StatementKind::Grant, bytes)?;
        let StatementHeader { publisher, seq, time } = body::header(&mut fields)?;
        let grant = Self {
            publisher,
            seq,
            time,
            granted: fields.bool("granted")?,
            scope: body::canonical(&mut fields, "scope")?,
            nodes: read_nodes(fields.array("nodes")?, GRANT_NODES_MAX)?,
            until: fields.uint_opt("until")?.map(Timestamp::from_millis),
        };
        if grant.nodes.is_empty() {
            return Err(CodecError::invalid("nodes", "it is about nobody").into());
        }
        if grant.until.is_some() && !grant.granted {
            return Err(CodecError::invalid("until", "a revocation does not expire").into());
        }
        fields.finish()?;
        Ok(grant)
    }
}
