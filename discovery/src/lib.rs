//! The search index of a package catalog: what is in it, and what a query finds.
//!
//! The index is made from verified releases only and follows the store at its own pace: it can be
//! late, it can be deleted, and it is never the truth. [`Index::follow`] brings it up to date,
//! [`Index::search`] asks it a [`Query`], [`Index::find`] does both and mends it when it is damaged.
//!
//! A query forgives typing errors, order, joined and split words; any text is a valid one, and its
//! cost has a ceiling. Not here: asking other nodes, and the network.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod conditions;
mod cursor;
mod doc;
mod evidence;
mod follow;
mod index;
mod letters;
mod query;
mod ranking;
mod schema;
mod search;
mod silent;
mod typed;
mod typo;
mod weights;
mod words;

pub use cursor::{Cursor, CursorError};
pub use doc::Doc;
pub use evidence::{Clue, Evidence, Reads};
pub use follow::FollowError;
pub use index::{Index, IndexError};
pub use query::{
    CANDIDATES_MAX, Found, Hit, LIMIT_MAX, Query, Sort, SortError, TERMS_MAX, TEXT_BYTES_MAX,
    Typing,
};
