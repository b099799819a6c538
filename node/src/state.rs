//! States what has become of a release: a channel points to it, or it is withdrawn.

use std::collections::BTreeMap;

use catalog::name::{ChannelName, PackageName};
use catalog::release::PackageId;
use catalog::statement::{ChannelMove, Statement, StatementId, Yank};
use catalog::store::{AppendError, StoreError};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::blocking::blocking;
use crate::node::{Node, now};

/// Why nothing was stated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is nobody to state it.
    #[error("this node has no publisher identity")]
    NoIdentity,
    /// We never published that version.
    #[error("{package}@{version} is not published here")]
    UnknownVersion {
        /// The package.
        package: PackageId,
        /// The version.
        version: Version,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Append(Box<AppendError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for StateError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::UnknownVersion { package, version } => {
                Self::UnknownVersion { package, version }
            }
            AppendError::Store(error) => Self::Store(error),
            other => Self::Append(Box::new(other)),
        }
    }
}

/// A statement in our log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// The statement.
    pub id: StatementId,
    /// Its place in the log.
    pub seq: u64,
    /// Whether the log said so already.
    pub already: bool,
}

/// Whether a version is to be picked by ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Yanking {
    /// Not any more.
    Yank {
        /// Why, for people.
        reason: String,
    },
    /// Again.
    Restore,
}

impl Node {
    /// Points a channel of one of our packages to a version.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn set_channel(
        &self,
        package: &PackageName,
        channel: &ChannelName,
        version: &Version,
    ) -> Result<Stated, StateError> {
        let (name, channel, version) = (package.clone(), channel.clone(), version.clone());
        self.state(move |publisher, seq| {
            // An identity of ours has one key, so there is no other log to have seen.
            let (time, after) = (now(), BTreeMap::new());
            Statement::Channel(ChannelMove { publisher, seq, time, name, channel, version, after })
        })
        .await
    }

    /// Withdraws a version of one of our packages, or takes that back. Whoever has it keeps it.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn yank(
        &self,
        package: &PackageName,
        version: &Version,
        yanking: Yanking,
    ) -> Result<Stated, StateError> {
        let (name, version) = (package.clone(), version.clone());
        let (yanked, reason) = match yanking {
            Yanking::Yank { reason } => (true, reason),
            Yanking::Restore => (false, String::new()),
        };
        self.state(move |publisher, seq| {
            Statement::Yank(Yank { publisher, seq, time: now(), name, version, yanked, reason })
        })
        .await
    }

    pub(crate) async fn state(
        &self,
        build: impl FnOnce(catalog::identity::PublisherId, u64) -> Statement + Send + 'static,
    ) -> Result<Stated, StateError> {
        let identity = self.0.identity().ok_or(StateError::NoIdentity)?;
        let store = self.0.store.clone();
        let appended = blocking(move || {
            let publisher = identity.publisher();
            let appended = store.append(&identity, now(), |seq| build(publisher, seq));
            appended.map_err(StateError::from)
        })
        .await?;
        self.0.changed();
        let (id, seq, already) = (appended.id, appended.seq, appended.already);
        Ok(Stated { id, seq, already })
    }
}
