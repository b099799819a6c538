//! Publishers who sign, and what honest peers answer.

use catalog::Timestamp;
use catalog::identity::{Identity, PublisherId};
use catalog::permission::NodeId;
use catalog::release::Release;
use catalog::signature::SecretKey;
use catalog::statement::{SealedStatement, Statement};
use catalog_tests::releases;

use crate::federation::answer::Answer;

/// A publisher with keys.
pub struct Signer(Identity);

impl Signer {
    pub fn new(seed: u8) -> Self {
        let key = |byte| SecretKey::from_bytes(&[byte; 32]);
        let time = Timestamp::from_millis(1_800_000_000_000);
        Self(Identity::of_keys(key(seed), key(seed.wrapping_add(128)), None, time))
    }

    pub fn publisher(&self) -> PublisherId {
        self.0.publisher()
    }

    pub fn inception(&self) -> SealedStatement {
        self.0.inception().clone()
    }

    pub fn seal(&self, release: &Release) -> SealedStatement {
        SealedStatement::seal(&Statement::Release(release.clone()), self.0.key()).unwrap()
    }

    pub fn release(&self, name: &str, version: &str) -> Release {
        Release { version: version.parse().unwrap(), ..releases::release(self.publisher(), name) }
    }

    /// An honest answer with version 1.0.0 of these packages.
    pub fn answer(&self, names: &[&str]) -> Answer {
        let releases = names.iter().map(|name| self.seal(&self.release(name, "1.0.0")));
        let releases = releases.collect();
        Answer { inceptions: vec![self.inception()], releases, counts: None }
    }
}

pub fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}
