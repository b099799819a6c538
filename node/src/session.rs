//! What a provider and those it serves say to each other while contents move: `catalog/session/1`.
//!
//! A transfer is a session. The client keeps its shard map, which says who brings what, and numbers
//! its versions; nobody else ever sees more of it than the number. A provider reports its load, says
//! that it will leave ([`Drain`](wire::Drain)), or asks to be relieved for a while
//! ([`Handoff`](wire::Handoff)). [`Client`](client::Client) and [`Host`](host::Host) are the two
//! sides, without I/O.
//!
//! Guarantees: whoever speaks can only change how much it is asked itself: a handoff counts only
//! when it comes from the provider that it takes work from, and is newer than the map. What is
//! accepted as content is decided elsewhere, by its hash. A node that does not speak this protocol
//! is used as before.
//! Not here: the connections (`sessions`), and who gets what instead (`transfer`).

pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod wire;

/// The name under which a connection speaks this protocol; its number is the layout of frames.
pub(crate) const ALPN: &[u8] = b"catalog/session/1";

catalog::defences! {
    /// A handoff comes from the provider that it takes work from.
    HandoffOwner,
    /// A handoff is newer than the map.
    HandoffVersion,
}
