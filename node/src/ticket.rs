//! Writes down how to reach a node, as one line that people can paste: `catalog1…`.
//!
//! A ticket is bech32m (a mistyped letter is noticed) of a version byte and postcard: node id,
//! addresses, and, as hints, the publisher that lives there and what it would like to be called.
//! It is not signed and need not be: dialling a node id proves the node, and a publisher's
//! statements prove the publisher.
//!
//! Guarantees: reading never takes more memory than the text is long; what is read is written
//! back as the same text.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use catalog::digest::Digest;
use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::permission::NodeId;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "catalog";
/// The layout of [`Body`]. A reader that finds another number asks for a newer version.
const VERSION: u8 = 1;
/// bech32m notices mistakes reliably up to this length.
const TEXT_BYTES_MAX: usize = 1023;
/// A machine has a handful of addresses; more would not fit the text.
const ADDRS_MAX: usize = 12;

/// How to reach a node, and who publishes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    node: NodeId,
    addrs: Vec<SocketAddr>,
    publisher: Option<PublisherId>,
    alias: Option<Petname>,
}

/// Why a text is not a ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// It is too long to be one.
    #[error("a ticket has at most {TEXT_BYTES_MAX} characters, found {bytes}")]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// It does not start with `catalog1`.
    #[error("a ticket starts with catalog1")]
    Prefix,
    /// A letter is wrong, missing or doubled.
    #[error("the ticket is damaged: a letter is wrong, missing or too many")]
    Checksum,
    /// Made by a newer catalog.
    #[error("the ticket has version {found}, this catalog reads version {VERSION}")]
    Version {
        /// Its version.
        found: u8,
    },
    /// The letters are right but what they say is not a ticket.
    #[error("the ticket is malformed")]
    Malformed,
}

/// What a ticket carries, in wire order. Changing it takes a new [`VERSION`].
#[derive(Serialize, Deserialize)]
struct Body {
    node: [u8; 32],
    addrs: Vec<SocketAddr>,
    publisher: Option<[u8; 32]>,
    alias: Option<String>,
}

impl Ticket {
    /// A ticket for `node` at `addrs`; only the first twelve addresses are kept.
    pub fn new(node: NodeId, mut addrs: Vec<SocketAddr>) -> Self {
        addrs.truncate(ADDRS_MAX);
        Self { node, addrs, publisher: None, alias: None }
    }

    /// Adds who publishes there and what it would like to be called.
    pub fn with_publisher(mut self, publisher: PublisherId, alias: Option<Petname>) -> Self {
        self.publisher = Some(publisher);
        self.alias = alias;
        self
    }

    /// The node to dial; the connection proves that it is this one.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where it was reachable when the ticket was made.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Who publishes there, if anybody.
    pub fn publisher(&self) -> Option<PublisherId> {
        self.publisher
    }

    /// What that publisher would like to be called.
    pub fn alias(&self) -> Option<&Petname> {
        self.alias.as_ref()
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = Body {
            node: *self.node.as_bytes(),
            addrs: self.addrs.clone(),
            publisher: self.publisher.map(|publisher| *publisher.as_bytes()),
            alias: self.alias.as_ref().map(ToString::to_string),
        };
        let bytes = postcard::to_extend(&body, vec![VERSION]).map_err(|_| fmt::Error)?;
        let text = bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &bytes)
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(TicketError::Length { bytes: text.len() });
        }
        if !text.starts_with("catalog1") {
            return Err(TicketError::Prefix);
        }
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|_| TicketError::Checksum)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let (&version, body) = bytes.split_first().ok_or(TicketError::Malformed)?;
        if version != VERSION {
            return Err(TicketError::Version { found: version });
        }
        let ticket = Self::from_body(body).ok_or(TicketError::Malformed)?;
        // One ticket, one text: padding bits and overlong numbers are refused.
        if ticket.to_string() == text { Ok(ticket) } else { Err(TicketError::Malformed) }
    }
}

impl Ticket {
    fn from_body(bytes: &[u8]) -> Option<Self> {
        let (body, rest) = postcard::take_from_bytes::<Body>(bytes).ok()?;
        if !rest.is_empty() || body.addrs.len() > ADDRS_MAX {
            return None;
        }
        Some(Self {
            node: NodeId::from_bytes(body.node),
            addrs: body.addrs,
            publisher: body
                .publisher
                .map(|bytes| PublisherId::from_digest(Digest::from_bytes(bytes))),
            alias: body.alias.map(|alias| alias.parse()).transpose().ok()?,
        })
    }
}

impl Serialize for Ticket {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let addrs = vec!["127.0.0.1:4433".parse().unwrap(), "[::1]:9".parse().unwrap()];
        let publisher = PublisherId::from_digest(Digest::from_bytes([9; 32]));
        Ticket::new(NodeId::from_bytes([7; 32]), addrs)
            .with_publisher(publisher, Some("acme".parse().unwrap()))
    }

    /// Tickets in mails and wikis are older than the program that reads them.
    #[test]
    fn a_ticket_is_this_text() {
        let text = "catalog1qyrswpc8qurswpc8qurswpc8qurswpc8qurswpc8qurswpc8qurswqsq0uqqqq\
                    w3ygqsqqqqqqqqqqqqqqqqqqqqqqqqzzgppyysjzgfpyysjzgfpyysjzgfpyysjzgfpyys\
                    jzgfpyysjzgfpyyszprpvdkk2k0luqn";
        assert_eq!(ticket().to_string(), text);
        assert_eq!(text.parse(), Ok(ticket()));
    }

    #[test]
    fn a_ticket_survives_being_copied_with_spaces_around_it() {
        assert_eq!(format!("\n  {} ", ticket()).parse(), Ok(ticket()));
    }

    #[test]
    fn any_wrong_letter_is_noticed() {
        let text = ticket().to_string();
        for at in "catalog1".len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'q' { b'p' } else { b'q' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(wrong.parse::<Ticket>(), Err(TicketError::Checksum));
        }
    }

    #[test]
    fn what_is_not_a_ticket_is_named() {
        let encode =
            |bytes: &[u8]| bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), bytes).unwrap();
        assert_eq!("https://x".parse::<Ticket>(), Err(TicketError::Prefix));
        assert_eq!("c".repeat(2000).parse::<Ticket>(), Err(TicketError::Length { bytes: 2000 }));
        assert_eq!(encode(&[2, 1]).parse::<Ticket>(), Err(TicketError::Version { found: 2 }));
        assert_eq!(encode(&[1; 20]).parse::<Ticket>(), Err(TicketError::Malformed));
        assert_eq!(encode(&[]).parse::<Ticket>(), Err(TicketError::Malformed));
        let mut trailing = postcard::to_allocvec(&(1u8, [7u8; 32])).unwrap();
        trailing.extend([0, 0, 0, 0]);
        assert_eq!(encode(&trailing).parse::<Ticket>(), Err(TicketError::Malformed));
    }

    #[test]
    fn only_as_many_addresses_are_kept_as_fit() {
        let addrs = vec!["[2001:db8::1]:65535".parse().unwrap(); 100];
        let ticket = Ticket::new(NodeId::from_bytes([7; 32]), addrs).with_publisher(
            PublisherId::from_digest(Digest::from_bytes([9; 32])),
            "a".repeat(64).parse().ok(),
        );
        assert!(ticket.to_string().len() <= TEXT_BYTES_MAX);
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
}
