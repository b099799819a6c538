//! What a node knows that everybody may know, and what it makes of it, in a form to compare.

use std::collections::BTreeSet;
use std::rc::Rc;

use catalog::store::{ChangeItem, LogState, VersionRow};
use catalog::{ChannelName, PackageId, StatementId, Store, StoreError};

use super::people;

/// What came in so far, followed change by change.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    seen: u64,
    statements: BTreeSet<StatementId>,
    logs: Rc<Vec<LogState>>,
}

impl Known {
    /// Takes in what changed in `store` since the last call.
    pub fn follow(&mut self, store: &Store) -> Result<(), StoreError> {
        let last = store.last_change()?;
        if last == self.seen {
            return Ok(());
        }
        for change in store.changes(self.seen, usize::MAX)? {
            if let ChangeItem::Statement(sealed) = change.item
                && !people::names_secret(sealed.body())
            {
                self.statements.insert(sealed.id());
            }
        }
        self.logs = Rc::new(store.logs()?);
        self.seen = last;
        Ok(())
    }

    /// Every log, as of the last change.
    pub fn logs(&self) -> &Rc<Vec<LogState>> {
        &self.logs
    }
}

/// What a node knows, and what follows from that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    statements: BTreeSet<StatementId>,
    logs: Rc<Vec<LogState>>,
    made: Vec<Made>,
}

/// Something that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Made {
    Version(PackageId, VersionRow),
    Channel(PackageId, ChannelName, semver::Version),
}

impl Answers {
    /// What `store` makes of what it knows, apart from what only members may know.
    pub fn of(store: &Store, known: &Known) -> Result<Self, StoreError> {
        let mut made = Vec::new();
        for package in store.packages()? {
            if people::names_secret(package.name.as_str().as_bytes()) {
                continue;
            }
            for row in store.versions(&package)? {
                made.push(Made::Version(package.clone(), row));
            }
            for (channel, version) in store.channels(&package)? {
                made.push(Made::Channel(package.clone(), channel, version));
            }
        }
        Ok(Self { statements: known.statements.clone(), logs: known.logs.clone(), made })
    }

    /// Whether both follow from the same.
    pub fn has_same_cause(&self, other: &Self) -> bool {
        self.statements == other.statements && self.logs == other.logs
    }

    /// The first few lines that tell it from `other`.
    pub fn difference(&self, other: &Self) -> String {
        let statements: Vec<&StatementId> =
            self.statements.symmetric_difference(&other.statements).take(4).collect();
        let logs = self.logs.iter().filter(|log| !other.logs.contains(log)).take(2);
        let logs: Vec<&LogState> = logs.collect();
        let made = self.made.iter().filter(|line| !other.made.contains(line));
        let theirs = other.made.iter().filter(|line| !self.made.contains(line));
        let made: Vec<&Made> = made.chain(theirs).take(4).collect();
        format!("{statements:?} {logs:?} {made:?}")
    }
}
