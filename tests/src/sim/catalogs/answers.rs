//! What a node knows that everybody may know, and what it makes of it, in a form to compare.

use std::collections::BTreeSet;
use std::rc::Rc;

use catalog::store::{ChangeItem, LogId, LogState};
use catalog::{
    ChannelName, PackageId, Reader, ReleaseId, SealedHead, SealedStatement, Sha256Digest,
    StatementId, Store, StoreError,
};

use super::people;

/// More statements than a publisher that contradicts itself makes.
const FORKED_STATEMENTS_MAX: u64 = 8;

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

/// What a node knows that it can show to everybody, and what follows from that. A yank whose release
/// never came could name something restricted: it stays with whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    statements: BTreeSet<StatementId>,
    logs: BTreeSet<LogView>,
    made: Vec<Made>,
}

/// What a node knows of a log. Of one that contradicts itself it does not matter which of its heads
/// is pinned, but which one nobody disputes does. Nor does it matter as long as a larger one is only
/// promised: whoever saw a smaller one before has that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LogView {
    log: LogId,
    is_forked: bool,
    pinned: Option<HeadView>,
    sure: Option<HeadView>,
    proof: Vec<HeadView>,
}

type HeadView = (u64, Sha256Digest);

impl LogView {
    /// - `statements`: those that everybody may see.
    fn of(
        store: &Store,
        state: &LogState,
        statements: &BTreeSet<StatementId>,
    ) -> Result<Self, StoreError> {
        let view = |head: &SealedHead| (head.peek().size, head.peek().root);
        let is_forked = !state.proof.is_empty() || is_contested(store, state, statements)?;
        let is_settled = !is_forked && state.promised.is_none();
        let pinned = state.head.as_ref().map(view).filter(|_| is_settled);
        let sure = state.sure.as_ref().map(view).filter(|_| is_forked);
        let proof = state.proof.iter().map(view).collect();
        Ok(Self { log: state.log, is_forked, pinned, sure, proof })
    }
}

/// Whether everybody may see two statements at one position of a log.
fn is_contested(
    store: &Store,
    state: &LogState,
    statements: &BTreeSet<StatementId>,
) -> Result<bool, StoreError> {
    for seq in state.contested.map_or(0..0, |first| first..FORKED_STATEMENTS_MAX) {
        let rivals = store.statements_at(&state.log, seq)?.into_iter();
        if rivals.filter(|one| statements.contains(&one.id())).count() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
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
            let rows = store.versions(&package)?;
            let versions: BTreeSet<_> = rows.iter().map(|row| row.version.clone()).collect();
            for row in rows {
                let id = (!row.contested).then_some(row.id);
                made.push(Made::Version(package.clone(), row.version, id, row.yanked));
            }
            for (channel, version) in store.channels(&package)? {
                if versions.contains(&version) {
                    made.push(Made::Channel(package.clone(), channel, version));
                }
            }
        }
        let mut statements = BTreeSet::new();
        for id in &seen.statements {
            if store.statement_for(Reader::Node(people::NOBODY), id)?.is_some() {
                statements.insert(*id);
            }
        }
        let logs = seen.logs.iter().map(|state| LogView::of(store, state, &statements));
        let logs = logs.collect::<Result<_, _>>()?;
        Ok(Self { statements, logs, made })
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
