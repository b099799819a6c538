//! Gives a node's user a publisher identity.

use std::sync::Arc;

use catalog::identity::{Identity, IdentityError, PublisherId};
use catalog::name::Petname;
use catalog::store::{AppendError, StoreError};
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::{Node, now};

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// Its secret cannot be written, or is damaged.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its first statement cannot be recorded.
    #[error("cannot record the identity")]
    Record(#[source] Box<AppendError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who publishes at this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The publisher.
    pub publisher: PublisherId,
    /// For comparing by eye.
    pub fingerprint: String,
    /// What it is called here.
    pub alias: Option<Petname>,
    /// Whether it was made just now.
    pub created: bool,
}

impl Node {
    /// Makes a publisher identity, or answers the one that is there; it is never replaced.
    ///
    /// - `alias`: what it would like to be called by others.
    ///
    /// # Errors
    /// [`InitError`].
    pub async fn init(&self, alias: Option<Petname>) -> Result<Owner, InitError> {
        let (store, path) = (self.0.store.clone(), self.0.config.identity_path());
        let existing = self.0.identity();
        let (identity, owner) = blocking(move || {
            let created = existing.is_none();
            let identity = match existing {
                Some(identity) => identity,
                None => {
                    let identity = Identity::generate(alias, now());
                    identity.save(&path)?;
                    Arc::new(identity)
                }
            };
            store.adopt(&identity, now()).map_err(|error| InitError::Record(Box::new(error)))?;
            let publisher = identity.publisher();
            let alias = store.petname(&publisher)?;
            let fingerprint = publisher.fingerprint();
            Ok::<_, InitError>((identity, Owner { publisher, fingerprint, alias, created }))
        })
        .await?;
        self.0.set_identity(identity);
        self.0.changed();
        Ok(owner)
    }
}
