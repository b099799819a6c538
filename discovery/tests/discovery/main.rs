//! The index from outside: what is found, and what becomes of the files.

#![allow(clippy::unwrap_used)]

mod common;
mod facets;
mod fits;
mod follow;
mod hostile;
mod index;
mod language;
mod mend;
mod popular;
mod search;
