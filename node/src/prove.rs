//! Proves to somebody without a store that a publisher released a version.
//!
//! The proof is one text with everything needed to check it; [`verify_proof`] does so without a
//! store and without a network. What it says and what it does not is described at [`Proof`].

use catalog::identity::{KeyState, PublisherId};
use catalog::reference::Reference;
use catalog::release::ReleaseId;
use catalog::statement::{SealedStatement, StatementId};
use catalog::store::{LogId, LookupError, Store, StoreError};
use serde::{Deserialize, Serialize};

pub use catalog_sync::proof::{PROOF_BYTES_MAX, Proof, ProofError, Proven, verify_proof};

use crate::blocking::blocking;
use crate::node::Node;
use crate::shown;

/// Why a release cannot be proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The reference means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// No head that is here covers it, so its log may still become anything.
    #[error("no head of its publisher vouches for {reference} yet")]
    Unvouched {
        /// The release.
        reference: String,
    },
    /// The log that is here does not hold it where it says that it stands.
    #[error("{reference} cannot be proved")]
    Untrue {
        /// The release.
        reference: String,
        /// What does not hold.
        source: ProofError,
    },
}

impl From<StoreError> for ProveError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

/// A proof, and what it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// The release, as it is called here.
    pub reference: String,
    /// Its exact name.
    pub release: ReleaseId,
    /// Who signed it.
    pub publisher: PublisherId,
    /// Whether only some nodes may read it; the proof tells whoever gets it all of it.
    pub restricted: bool,
    /// The proof: text in the form of a C2SP `tlog-proof`.
    pub proof: String,
}

impl Node {
    /// Proves that the release that `reference` means was signed into its publisher's log.
    ///
    /// - cost: the leaf hashes of the log, 32 bytes and one hash for each.
    ///
    /// # Errors
    /// [`ProveError`].
    pub async fn prove(&self, reference: &Reference) -> Result<Proved, ProveError> {
        let found = self.find(reference).await?;
        let release = self.0.release(&found.row.id)?;
        let shown = shown::release(&self.0.store, &found.package, &found.row.version)?;
        let (store, id, publisher) = (self.0.store.clone(), found.row.id, release.publisher);
        let (reference, proof) = blocking(move || {
            let proof = prove(&store, publisher, &id, &shown)?;
            Ok::<_, ProveError>((shown, proof))
        })
        .await?;
        Ok(Proved {
            reference,
            release: id,
            publisher,
            restricted: !release.permission.is_open(),
            proof: proof.text(),
        })
    }
}

fn prove(
    store: &Store,
    publisher: PublisherId,
    id: &StatementId,
    shown: &str,
) -> Result<Proof, ProveError> {
    let inception = record(store, &StatementId::from_digest(*publisher.digest()))?;
    let statement = record(store, id)?;
    let damaged = |_| StoreError::Damaged { what: "a record" };
    let state = KeyState::of(&inception.open_inception().map_err(damaged)?);
    let log = LogId { publisher, key: statement.log_key(&state) };
    let head = store.log(&log)?.and_then(|state| state.head);
    let seq = statement.peek().map_err(|_| StoreError::Damaged { what: "a record" })?.seq;
    let head = head.filter(|head| seq < head.peek().size);
    let head = head.ok_or_else(|| ProveError::Unvouched { reference: shown.to_owned() })?;
    let leaves = store.leaf_hashes(&log, head.peek().size)?;
    Proof::make(inception, statement, head, &leaves)
        .map_err(|source| ProveError::Untrue { reference: shown.to_owned(), source })
}

fn record(store: &Store, id: &StatementId) -> Result<SealedStatement, StoreError> {
    store.statement(id)?.ok_or(StoreError::Damaged { what: "a missing record" })
}
