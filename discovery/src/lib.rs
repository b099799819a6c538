//! The search index of a package catalog: what is in it, and what a query finds.
//!
//! The index is made from verified releases only and follows the store at its own pace: it can be
//! late, it can be deleted, and it is never the truth. [`Index::follow`] brings it up to date,
//! [`Index::search`] asks it a [`Query`], [`Index::find`] does both and mends it when it is damaged;
//! [`Index::rebuild`] throws it away and starts over.
//!
//! A query forgives typing errors, order, joined and split words; any text is a valid one, and its
//! cost has a ceiling. What other nodes have is asked for with [`federation`], which decides whom to
//! ask and what to believe. Not here: the network.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod asking;
mod conditions;
mod cursor;
mod defence;
mod doc;
mod evidence;
mod facets;
pub mod federation;
#[cfg(test)]
mod fixture;
mod follow;
mod index;
mod letters;
mod marks;
mod meets;
mod mend;
mod neighbours;
mod opened;
mod order;
mod popular;
mod query;
mod ranking;
mod recommend;
mod schema;
mod search;
mod silent;
mod typed;
mod typo;
mod usage;
mod weights;
mod words;
mod writer;

pub use asking::Response;
pub use cursor::{Cursor, CursorError};
pub use doc::Doc;
pub use evidence::{Clue, Evidence, Reads};
pub use facets::{Count, FACET_VALUES_MAX, Facets};
pub use follow::{FollowError, Progress};
pub use index::{Index, IndexError};
pub use marks::{Marked, Marks};
pub use mend::{Anew, Rebuilt};
pub use neighbours::{Neighbour, Neighbours};
pub use query::{
    CANDIDATES_MAX, Found, Hit, LIMIT_MAX, Query, Sort, SortError, TERMS_MAX, TEXT_BYTES_MAX,
    Typing,
};
pub use ranking::Weigher;
pub use recommend::{NEIGHBOURS_MAX, Recommended, Voter, recommend};
pub use typed::{Condition, What};
pub use usage::{HALF_LIFE, PACKAGES_MAX, USAGE_BYTES_MAX, Usage, Use};
