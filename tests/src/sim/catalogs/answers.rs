//! What a node knows that everybody may know, and what it makes of it, in a form to compare.

use std::collections::BTreeSet;
use std::rc::Rc;

use catalog::store::{ChangeItem, LogId, LogState};
use catalog::{
    ChannelName, PackageId, ReleaseId, SealedStatement, Sha256Digest, StatementId, Store,
    StoreError,
};

use super::people;

/// What came in so far, followed change by change.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    last: u64,
    statements: BTreeSet<StatementId>,
    restricted: BTreeSet<StatementId>,
    fresh: Vec<SealedStatement>,
    logs: Rc<Vec<LogState>>,
}

impl Seen {
    /// Takes in what changed in `store` since the last call.
    pub fn follow(&mut self, store: &Store) -> Result<(), StoreError> {
        let last = store.last_change()?;
        self.fresh.clear();
        if last == self.last {
            return Ok(());
        }
        for change in store.changes(self.last, usize::MAX)? {
            let ChangeItem::Statement(sealed) = change.item else { continue };
            match people::names_secret(sealed.body()) {
                true => self.restricted.insert(sealed.id()),
                false => self.statements.insert(sealed.id()),
            };
            self.fresh.push(sealed);
        }
        self.logs = Rc::new(store.logs()?);
        self.last = last;
        Ok(())
    }

    /// What came in the last time, oldest first.
    pub fn fresh(&self) -> &[SealedStatement] {
        &self.fresh
    }

    /// The statements that only members may read.
    pub fn restricted(&self) -> &BTreeSet<StatementId> {
        &self.restricted
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
    logs: BTreeSet<LogView>,
    made: Vec<Made>,
}

/// What a node knows of a log. Of one that contradicts itself it does not matter which of its heads
/// came first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LogView {
    log: LogId,
    leaves: u64,
    is_forked: bool,
    head: Option<(u64, Sha256Digest)>,
}

impl LogView {
    fn of(state: &LogState) -> Self {
        let head = state.head.as_ref().map(|head| (head.peek().size, head.peek().root));
        let is_forked = state.is_forked();
        let head = head.filter(|_| !is_forked);
        Self { log: state.log, leaves: state.leaves, is_forked, head }
    }
}

/// Something that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Made {
    /// Of a contested version, which of its releases came first does not matter.
    Version(PackageId, semver::Version, Option<ReleaseId>, Option<String>),
    Channel(PackageId, ChannelName, semver::Version),
}

impl Answers {
    /// What `store` makes of what it knows, apart from what only members may know.
    pub fn of(store: &Store, seen: &Seen) -> Result<Self, StoreError> {
        let mut made = Vec::new();
        for package in store.packages()? {
            if people::names_secret(package.name.as_str().as_bytes()) {
                continue;
            }
            for row in store.versions(&package)? {
                let id = (!row.contested).then_some(row.id);
                made.push(Made::Version(package.clone(), row.version, id, row.yanked));
            }
            for (channel, version) in store.channels(&package)? {
                made.push(Made::Channel(package.clone(), channel, version));
            }
        }
        let logs = seen.logs.iter().map(LogView::of).collect();
        Ok(Self { statements: seen.statements.clone(), logs, made })
    }

    /// Whether both follow from the same.
    pub fn has_same_cause(&self, other: &Self) -> bool {
        self.statements == other.statements && self.logs == other.logs
    }

    /// The first few lines that tell it from `other`.
    pub fn difference(&self, other: &Self) -> String {
        let statements: Vec<&StatementId> =
            self.statements.symmetric_difference(&other.statements).take(4).collect();
        let logs: Vec<&LogView> = self.logs.symmetric_difference(&other.logs).take(4).collect();
        let made = self.made.iter().filter(|line| !other.made.contains(line));
        let theirs = other.made.iter().filter(|line| !self.made.contains(line));
        let made: Vec<&Made> = made.chain(theirs).take(4).collect();
        format!("{statements:?} {logs:?} {made:?}")
    }
}
