//! Imports one archive in a folder of its own and looks at everything that is there afterwards.

use crate::draft;
use catalog::ByteSize;
use catalog::draft::Draft;
use catalog::import::{ImportError, ImportOptions, UnpackLimits};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Small limits, so that an input of a few kilobytes can reach each of them.
const LIMITS: UnpackLimits = UnpackLimits {
    bytes_max: ByteSize::kib(256),
    entries_max: 64,
    ratio_max: 20,
    ratio_floor: ByteSize::kib(16),
};

/// A folder with an archive and a work folder in it, and nothing else, whatever was imported.
pub struct Sandbox {
    folder: TempDir,
}

/// How an ecosystem is imported.
type Import = fn(&[PathBuf], &Path, &ImportOptions) -> Result<Draft, ImportError>;

impl Sandbox {
    /// Makes the folder, once for many imports.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder in TMPDIR") }
    }

    /// Imports `archive` and checks that the import stayed within its folder and limits, and that
    /// what it made of the archive can be published.
    pub fn import(&self, name: &str, archive: &[u8], import: Import) {
        let (file, work) = (self.folder.path().join(name), self.folder.path().join("work"));
        fs::write(&file, archive).expect("the sandbox can be written");
        fs::create_dir(&work).expect("the last import was cleared away");
        let options = ImportOptions { limits: LIMITS, ..ImportOptions::default() };

        let made = import(std::slice::from_ref(&file), &work, &options);

        let beside = entries(self.folder.path());
        assert_eq!(beside.len(), 2, "the import wrote beside its folder: {beside:?}");
        let by_ratio = archive.len() as u64 * LIMITS.ratio_max;
        let most = by_ratio.max(LIMITS.ratio_floor.as_u64()).min(LIMITS.bytes_max.as_u64());
        let mut written = 0;
        for part in entries(&work) {
            assert!(kind(&part).is_dir(), "{part:?} is not the folder of an archive");
            let files = entries(&part);
            assert!(files.len() as u64 <= LIMITS.entries_max, "{} files", files.len());
            for file in files {
                assert!(kind(&file).is_file(), "{file:?} is not a plain file");
                written += fs::symlink_metadata(&file).expect("it was listed").len();
            }
        }
        // What an entry declares is checked before it is written, so nothing comes on top.
        assert!(written <= most, "{written} bytes of {most}");

        match made {
            Ok(made) => draft::check(&made, &work),
            Err(error) => drop((error.to_string(), error.hint())),
        }
        fs::remove_file(&file).expect("it was written above");
        fs::remove_dir_all(&work).expect("it was made above");
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

fn kind(path: &Path) -> fs::FileType {
    fs::symlink_metadata(path).expect("it was listed").file_type()
}
