//! Builds the search index anew.

use catalog_discovery::Rebuilt as Done;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::blocking::blocking;
use crate::node::{Inner, Node};
use crate::search::SearchError;

/// How far a search index is that is built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexProgress {
    /// Changes of the store that were read.
    pub done: u64,
    /// Changes that are to be read.
    pub total: u64,
}

/// A search index that was built anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Why.
    pub why: String,
    /// How many packages it holds.
    pub packages: u64,
}

impl From<Done> for Rebuilt {
    fn from(done: Done) -> Self {
        Self { why: done.why.to_string(), packages: done.packages }
    }
}

impl Node {
    /// Throws the search index away and makes it again from the store. Searches wait for it.
    ///
    /// # Errors
    /// [`SearchError`] when the store cannot be read or the disk refuses.
    pub async fn rebuild_index(
        &self,
        mut tell: impl FnMut(IndexProgress) + Send + 'static,
    ) -> Result<Rebuilt, SearchError> {
        let index = self.0.index().await?.clone();
        let inner = self.0.clone();
        blocking(move || {
            let done = index.rebuild(&inner.store, |progress| {
                tell(IndexProgress { done: progress.done, total: progress.total });
            });
            Ok(done?.into())
        })
        .await
    }
}

impl Inner {
    /// Brings the search index up to date.
    pub(crate) async fn follow_index(self: &std::sync::Arc<Self>) -> Result<(), SearchError> {
        let index = self.index().await?.clone();
        let inner = self.clone();
        blocking(move || {
            if let Some(done) = index.keep_up(&inner.store)? {
                let Rebuilt { why, packages } = done.into();
                warn!("the search index was built anew, {packages} packages: {why}");
            }
            Ok(())
        })
        .await
    }
}
