//! One key that signs a release of every package, and a head wherever it stops.

use std::time::{Duration, Instant};

use catalog::head::{Head, SealedHead};
use catalog::log::LogTree;
use catalog::store::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Incoming, Store};
use catalog::{Identity, SealedStatement, Statement, Timestamp};
use catalog_benches::measure::timed;

use crate::debian::Package;

/// Any moment will do.
pub const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// What records take in a call besides their bodies, at most.
const ENVELOPE_BYTES: usize = 512;

/// A log, signed.
pub struct Importer {
    pub identity: Identity,
    /// The inception, then a release of each package.
    pub statements: Vec<SealedStatement>,
}

impl Importer {
    /// Signs a release of each package.
    pub fn of(packages: &[Package]) -> Self {
        let identity = Identity::generate(Some("importer".parse().unwrap()), NOW);
        let mut statements = vec![identity.inception().clone()];
        for (package, seq) in packages.iter().zip(1..) {
            let release = Statement::Release(package.release(identity.publisher(), seq, NOW));
            statements.push(SealedStatement::seal(&release, identity.key()).unwrap());
        }
        Self { identity, statements }
    }

    /// The head of the first `size` statements.
    pub fn head(&self, size: usize) -> SealedHead {
        let mut tree = LogTree::new();
        self.statements[..size].iter().for_each(|statement| tree.append(statement.leaf()));
        let (publisher, key) = (self.identity.publisher(), self.identity.key().public());
        let head = Head { publisher, key, size: size as u64, root: tree.root() };
        SealedHead::seal(&head, self.identity.key())
    }

    /// The bytes of some of its records, alone.
    pub fn bytes(&self, of: std::ops::Range<usize>) -> u64 {
        self.statements[of].iter().map(|statement| statement.encode().len() as u64).sum()
    }

    /// The time of one thread that checks some of its signatures, and does nothing else.
    pub fn verified(&self, of: std::ops::Range<usize>) -> Duration {
        let mut time = Duration::ZERO;
        for statement in &self.statements[of] {
            timed(&mut time, || statement.open(self.identity.state()).unwrap());
        }
        time
    }

    /// Puts statements and their head into a store, as if a peer had sent them; how long it took.
    pub fn put(&self, store: &Store, of: std::ops::Range<usize>) -> Duration {
        let head = self.head(of.end);
        let mut batches = vec![Vec::new()];
        let mut bytes = 0;
        for statement in &self.statements[of] {
            bytes += statement.body().len() + ENVELOPE_BYTES;
            if bytes > BATCH_BYTES_MAX || batches.last().unwrap().len() == BATCH_ITEMS_MAX {
                batches.push(Vec::new());
                bytes = statement.body().len() + ENVELOPE_BYTES;
            }
            batches.last_mut().unwrap().push(Incoming::Statement(statement.clone()));
        }
        batches.push(vec![Incoming::Head(head)]);
        let began = Instant::now();
        for batch in batches {
            let accepted = store.accept(batch, NOW).unwrap();
            assert_eq!(accepted.rejected, []);
        }
        began.elapsed()
    }
}
