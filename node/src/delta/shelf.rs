//! Keeps patches that were made, within a number of bytes: the one not asked for longest goes first.
//!
//! Each is a file of its own: 1 byte with the number of this layout, the BLAKE3 hash of the patch,
//! the patch. What cannot be read, or does not match its hash, counts as not there. That a pair has
//! no patch worth having is remembered too, until the node ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use catalog::digest::Digest;

use super::Pair;

/// The room that patches may take.
const BYTES_MAX: u64 = 256 << 20;
/// The most pairs that are remembered, with and without a patch.
const PAIRS_MAX: usize = 4096;
/// The number of the layout.
const LAYOUT: u8 = 1;
const HEAD_BYTES: usize = 1 + 32;

/// Patches that are at hand.
pub(super) struct Shelf {
    dir: PathBuf,
    bytes_max: u64,
    kept: BTreeMap<Pair, Kept>,
    /// How often something was asked for or added.
    uses: u64,
}

struct Kept {
    /// The size of the patch; `None` where there is none worth having.
    bytes: Option<u64>,
    /// When it was last used.
    used: u64,
}

/// What is known about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// There is a patch of so many bytes.
    Patch(u64),
    /// There is none worth having.
    None,
}

impl Shelf {
    /// What is kept in `dir`, which is made when something is added.
    pub(super) fn open(dir: PathBuf) -> Self {
        Self::with_room(dir, BYTES_MAX)
    }

    fn with_room(dir: PathBuf, bytes_max: u64) -> Self {
        let mut found: Vec<(SystemTime, Pair, u64)> = Vec::new();
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let named = entry.file_name().to_str().and_then(pair);
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file);
            match (named, meta) {
                (Some(pair), Some(meta)) if meta.len() > HEAD_BYTES as u64 => {
                    let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push((used, pair, meta.len() - HEAD_BYTES as u64));
                }
                // What a crash left half written.
                _ => drop(fs::remove_file(entry.path())),
            }
        }
        found.sort();
        let mut shelf = Self { dir, bytes_max, kept: BTreeMap::new(), uses: 0 };
        for (_, pair, bytes) in found {
            shelf.remember(pair, Some(bytes));
        }
        shelf
    }

    /// What is known about a pair.
    pub(super) fn look(&mut self, pair: &Pair) -> Option<Known> {
        self.uses += 1;
        let kept = self.kept.get_mut(pair)?;
        kept.used = self.uses;
        Some(kept.bytes.map_or(Known::None, Known::Patch))
    }

    /// Reads a patch.
    pub(super) fn take(&mut self, pair: &Pair) -> Option<Vec<u8>> {
        let Some(Known::Patch(_)) = self.look(pair) else { return None };
        let patch = read(&self.path(pair));
        if patch.is_none() {
            self.forget(pair);
        }
        patch
    }

    /// Keeps a patch, or that there is none worth having.
    ///
    /// # Errors
    /// When it cannot be written; it is not kept then.
    pub(super) fn put(&mut self, pair: Pair, patch: Option<&[u8]>) -> io::Result<()> {
        self.forget(&pair);
        if let Some(patch) = patch {
            fs::create_dir_all(&self.dir)?;
            write(&self.path(&pair), patch)?;
        }
        self.remember(pair, patch.map(|patch| patch.len() as u64));
        Ok(())
    }

    fn remember(&mut self, pair: Pair, bytes: Option<u64>) {
        self.uses += 1;
        self.kept.insert(pair, Kept { bytes, used: self.uses });
        while self.bytes() > self.bytes_max || self.kept.len() > PAIRS_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(pair, _)| *pair) else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, pair: &Pair) {
        if self.kept.remove(pair).is_some_and(|kept| kept.bytes.is_some()) {
            // A file that stays behind is found by the next start.
            fs::remove_file(self.path(pair)).ok();
        }
    }

    fn bytes(&self) -> u64 {
        self.kept.values().filter_map(|kept| kept.bytes).sum()
    }

    fn path(&self, pair: &Pair) -> PathBuf {
        self.dir.join(format!("{}-{}", pair.old, pair.new))
    }
}

/// The pair that a file is named after.
fn pair(name: &str) -> Option<Pair> {
    let (old, new) = name.split_once('-')?;
    Some(Pair { old: old.parse().ok()?, new: new.parse().ok()? })
}

fn write(path: &Path, patch: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(&[LAYOUT])?;
    file.write_all(Digest::of(patch).as_bytes())?;
    file.write_all(patch)?;
    fs::rename(fresh, path)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let is_sound = bytes.len() > HEAD_BYTES
        && bytes[0] == LAYOUT
        && bytes[1..HEAD_BYTES] == *Digest::of(&bytes[HEAD_BYTES..]).as_bytes();
    bytes.drain(..HEAD_BYTES.min(bytes.len()));
    is_sound.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: u8) -> Pair {
        Pair { old: Digest::from_bytes([n; 32]), new: Digest::from_bytes([n + 100; 32]) }
    }

    #[test]
    fn what_is_put_there_is_found_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = || Shelf::open(dir.path().join("patches"));
        let mut first = shelf();
        first.put(pair(1), Some(b"a patch")).unwrap();
        first.put(pair(2), None).unwrap();
        assert_eq!(first.look(&pair(1)), Some(Known::Patch(7)));
        assert_eq!(first.look(&pair(2)), Some(Known::None));
        assert_eq!(first.look(&pair(3)), None);
        // What a crash leaves is cleared away.
        let half = dir.path().join("patches").join("half.new");
        fs::write(&half, b"").unwrap();
        let mut second = shelf();
        assert!(!half.exists());
        assert_eq!(second.take(&pair(1)).unwrap(), b"a patch");
        assert_eq!(second.look(&pair(2)), None, "that is found out again");
    }

    /// Later versions of this program read these bytes.
    #[test]
    fn a_kept_patch_has_these_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path().to_owned());
        shelf.put(pair(1), Some(b"abc")).unwrap();
        let name = format!("{}-{}", "01".repeat(32), "65".repeat(32));
        let bytes = fs::read(dir.path().join(name)).unwrap();
        let hash = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(hex::encode(bytes), format!("01{hash}616263"));
    }

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::with_room(dir.path().to_owned(), 2500);
        for n in 1..=2 {
            shelf.put(pair(n), Some(&[n; 1000])).unwrap();
        }
        assert!(shelf.take(&pair(1)).is_some());
        shelf.put(pair(3), Some(&[3; 1000])).unwrap();
        assert_eq!(shelf.look(&pair(2)), None);
        assert!(shelf.take(&pair(1)).is_some() && shelf.take(&pair(3)).is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        for n in 0..=PAIRS_MAX as u64 {
            let mut old = [0; 32];
            old[..8].copy_from_slice(&n.to_be_bytes());
            let old = Digest::from_bytes(old);
            shelf.put(Pair { old, new: old }, None).unwrap();
        }
        assert_eq!(shelf.kept.len(), PAIRS_MAX);
    }

    #[test]
    fn a_patch_that_rots_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path().to_owned());
        for at in [0, 20, 40] {
            shelf.put(pair(1), Some(&[7; 1000])).unwrap();
            let path = shelf.path(&pair(1));
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert_eq!(shelf.take(&pair(1)), None);
            assert_eq!(shelf.look(&pair(1)), None, "it is made again");
        }
    }
}
