//! Keeps count of what is used on this machine, in a file of its own.
//!
//! The counts order search results here and go nowhere: no message carries them. They are written
//! whole, beside the old ones, and swapped in; a file that cannot be read starts over, because
//! losing it costs a little order and nothing else. Who wants no counts has none, and no file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use catalog::permission::Permission;
use catalog::release::{PackageId, Release};
use catalog_discovery::{USAGE_BYTES_MAX, Usage, Use};
use tracing::{debug, warn};

use crate::node::{Inner, now};

/// The counts, read by the first who asks.
#[derive(Debug)]
pub(crate) struct Counts {
    path: PathBuf,
    on: bool,
    usage: Mutex<Option<Usage>>,
}

impl Counts {
    /// Those in this file; if counting is not `on`, none, and what was counted is forgotten.
    pub fn open(path: PathBuf, on: bool) -> Self {
        if !on
            && let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!("the counts of use in {} cannot be removed: {error}", path.display());
        }
        Self { path, on, usage: Mutex::new(None) }
    }

    /// How warm each package that is used here is, from above 0 to 1.
    pub fn warmth(&self) -> Vec<(PackageId, f32)> {
        if !self.on {
            return Vec::new();
        }
        self.with(|usage| {
            let all = usage.warmth(now());
            all.map(|(package, warmth)| (package.clone(), warmth)).collect()
        })
    }

    fn note(&self, package: &PackageId, used: Use) -> io::Result<()> {
        if !self.on {
            return Ok(());
        }
        let bytes = self.with(|usage| {
            usage.note(package, used, now());
            usage.encode()
        });
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, bytes)?;
        fs::rename(&fresh, &self.path)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Usage) -> T) -> T {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        work(usage.get_or_insert_with(|| read(&self.path)))
    }
}

fn read(path: &Path) -> Usage {
    let small = fs::metadata(path).is_ok_and(|meta| meta.len() <= USAGE_BYTES_MAX as u64);
    let bytes = if small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    Usage::decode(&bytes).unwrap_or_else(|error| {
        debug!("no counts of use in {}: {error}", path.display());
        Usage::default()
    })
}

impl Inner {
    /// Counts a use. What it was counted for has happened, whether it can be counted or not. Of what
    /// is to be read without a trace, no use is counted.
    pub(crate) fn used(&self, release: &Release, used: Use) {
        if release.permission == Permission::Anonymous {
            return;
        }
        if let Err(error) = self.counts.note(&release.package(), used) {
            debug!("a use could not be counted: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::identity::PublisherId;

    fn package(name: &str) -> PackageId {
        let publisher = PublisherId::of_inception(b"acme");
        PackageId { publisher, name: name.parse().unwrap() }
    }

    #[test]
    fn counts_are_there_after_a_restart_and_damage_starts_them_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usage");
        let counts = Counts::open(path.clone(), true);
        assert_eq!(counts.warmth(), []);
        counts.note(&package("graphdb"), Use::Installed).unwrap();
        let again = Counts::open(path.clone(), true);
        assert_eq!(again.warmth().len(), 1);
        fs::write(&path, "something else").unwrap();
        let over = Counts::open(path.clone(), true);
        assert_eq!(over.warmth(), []);
        over.note(&package("notes"), Use::Looked).unwrap();
        assert_eq!(Counts::open(path, true).warmth()[0].0, package("notes"));
    }
    #[test]
    fn who_wants_no_counts_has_none_and_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usage");
        Counts::open(path.clone(), true).note(&package("graphdb"), Use::Installed).unwrap();
        let off = Counts::open(path.clone(), false);
        off.note(&package("notes"), Use::Installed).unwrap();
        assert_eq!(off.warmth(), []);
        assert!(!path.exists());
    }
}
