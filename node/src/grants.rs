//! Lets other nodes read what not everybody may, takes that back, and vouches for releases of others.
//!
//! What is decided by it stands in [`catalog::permission`]; here it is signed and listed.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::identity::PublisherId;
use catalog::permission::{NodeId, Scope};
use catalog::reference::Reference;
use catalog::release::{Release, ReleaseId};
use catalog::statement::{Attestation, Grant, Statement, StatementId};
use catalog::store::{LookupError, StoreError, Trust};
use catalog::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::node::{Inner, Node, now};
use crate::state::{StateError, Stated};
use crate::{parcels, shown};

/// Why nothing was attested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The reference means nothing, or nothing certain.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// It could not be stated.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What was granted or revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The statement.
    pub stated: Stated,
    /// Which releases it is about.
    pub scope: Scope,
    /// Whom it is about.
    pub nodes: BTreeSet<NodeId>,
    /// From when on a grant does not hold any more.
    pub until: Option<Timestamp>,
    /// Releases here that it is about, as far as not everybody may read them.
    pub releases: u64,
}

/// What was said last about one node and one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantInfo {
    /// The node.
    pub node: NodeId,
    /// Which releases it is about.
    pub scope: Scope,
    /// What holds now.
    pub standing: GrantStanding,
    /// From when on a grant does not hold any more.
    pub until: Option<Timestamp>,
    /// The statement.
    pub statement: StatementId,
    /// Its place in the log.
    pub seq: u64,
}

/// Whether a node is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantStanding {
    /// It is.
    Granted,
    /// It was, until its time was over.
    Expired,
    /// It is not.
    Revoked,
}

/// Who vouches for a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// Who.
    pub publisher: PublisherId,
    /// What they are called here.
    pub shown: String,
    /// Whether their word counts here: they are pinned, or our own.
    pub counts: bool,
    /// What they looked at.
    pub note: String,
}

impl Node {
    /// Lets nodes read releases of ours that are not for everybody.
    ///
    /// - `life`: how long the grant holds; for good when there is none.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn grant(
        &self,
        scope: &Scope,
        nodes: BTreeSet<NodeId>,
        life: Option<Duration>,
    ) -> Result<Granted, StateError> {
        let until = life.map(|life| {
            let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
            Timestamp::from_millis(now().as_millis().saturating_add(millis))
        });
        self.say_of(scope, nodes, true, until).await
    }

    /// Does not let nodes read any more what is published and sent from now on. What they have,
    /// they keep: nobody can take back a copy.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn revoke(
        &self,
        scope: &Scope,
        nodes: BTreeSet<NodeId>,
    ) -> Result<Granted, StateError> {
        self.say_of(scope, nodes, false, None).await
    }

    async fn say_of(
        &self,
        scope: &Scope,
        nodes: BTreeSet<NodeId>,
        granted: bool,
        until: Option<Timestamp>,
    ) -> Result<Granted, StateError> {
        let (of, named) = (scope.clone(), nodes.clone());
        let stated = self.state(move |publisher, seq| {
            let (scope, nodes) = (of, named);
            Statement::Grant(Grant { publisher, seq, time: now(), granted, scope, nodes, until })
        });
        let stated = stated.await?;
        if granted {
            parcels::hand_what_is_granted(&self.0, scope, &nodes).await?;
        }
        let releases = self.0.closed_releases(scope)?.len() as u64;
        Ok(Granted { stated, scope: scope.clone(), nodes, until, releases })
    }

    /// What was said last about every node and scope, by node, then by scope.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn grants(&self) -> Result<Vec<GrantInfo>, StateError> {
        let publisher = self.publisher().ok_or(StateError::NoIdentity)?;
        let time = now();
        let mut list: Vec<GrantInfo> = Vec::new();
        // By position, so that what was said last takes the place of the rest.
        for row in self.0.store.grants(&publisher)? {
            let standing = match (row.word.granted, row.word.holds(time)) {
                (true, true) => GrantStanding::Granted,
                (true, false) => GrantStanding::Expired,
                (false, _) => GrantStanding::Revoked,
            };
            let (node, statement, word) = (row.node, row.statement, row.word);
            list.retain(|there| there.node != node || there.scope != word.scope);
            let (scope, until, seq) = (word.scope, word.until, word.seq);
            list.push(GrantInfo { node, scope, standing, until, statement, seq });
        }
        list.sort_by(|one, other| (one.node, &one.scope).cmp(&(other.node, &other.scope)));
        Ok(list)
    }

    /// Vouches for a release of somebody else, or does not any more.
    ///
    /// - `note`: what was looked at, in one line; `None` takes the attestation back.
    ///
    /// # Errors
    /// [`AttestError`].
    pub async fn attest(
        &self,
        reference: &Reference,
        note: Option<String>,
    ) -> Result<(String, Stated), AttestError> {
        let found = self.find(reference).await?;
        let release = found.row.id;
        let shown = shown::release(&self.0.store, &found.package, &found.row.version)
            .map_err(LookupError::from)?;
        let stated = self.state(move |publisher, seq| {
            let (attested, note) = (note.is_some(), note.unwrap_or_default());
            let time = now();
            Statement::Attestation(Attestation { publisher, seq, time, release, attested, note })
        });
        Ok((shown, stated.await?))
    }

    /// Who vouches for a release: those whose word counts here first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn attestations(&self, release: &ReleaseId) -> Result<Vec<Vouched>, StoreError> {
        let store = &self.0.store;
        let mut vouched = Vec::new();
        for one in store.attestations(release)? {
            let petname = store.petname(&one.publisher)?;
            let shown = petname.map_or_else(|| one.publisher.short(), |name| name.to_string());
            let counts = one.trust >= Trust::Pinned;
            vouched.push(Vouched { publisher: one.publisher, shown, counts, note: one.note });
        }
        vouched.sort_by_key(|one| (!one.counts, one.publisher));
        Ok(vouched)
    }
}

impl Inner {
    /// Those of our releases that are meant and that not everybody may read.
    pub(crate) fn closed_releases(&self, scope: &Scope) -> Result<Vec<Release>, StoreError> {
        let Some(identity) = self.identity() else { return Ok(Vec::new()) };
        let mut closed = Vec::new();
        for package in self.store.packages()? {
            if package.publisher != identity.publisher() {
                continue;
            }
            for row in self.store.versions(&package)? {
                let release = self.release(&row.id)?;
                if !release.permission.is_open() && scope.covers(&release) {
                    closed.push(release);
                }
            }
        }
        Ok(closed)
    }
}
