//! Imports of archives that are built here, byte by byte where a library would refuse to.

mod archive;
mod families;
mod hostile;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::draft::{Draft, SourceEntry, VariantDraft};

/// A folder for the archives of one test and what they unpack to.
pub(super) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.work()).unwrap();
        bench
    }

    pub(super) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// All bytes below the work folder.
    pub(super) fn bytes_written(&self) -> u64 {
        let folders = fs::read_dir(self.work()).unwrap();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// What lies beside the work folder, by name.
    pub(super) fn beside_work(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The entries of a variant as `path`, `path*` (executable), `path/` or `path -> target`.
pub(super) fn listing(variant: &VariantDraft) -> Vec<String> {
    let one = |entry: &SourceEntry| match entry {
        SourceEntry::File { path, executable: true, .. } => format!("{path}*"),
        SourceEntry::File { path, .. } => path.to_string(),
        SourceEntry::Dir { path } => format!("{path}/"),
        SourceEntry::Symlink { path, target } => format!("{path} -> {target}"),
    };
    variant.entries.iter().map(one).collect()
}

/// A variant of a draft and its `requires` in short.
pub(super) fn requires(draft: &Draft, id: &str) -> String {
    let variant = draft.variants.iter().find(|variant| variant.id.as_str() == id).unwrap();
    let pairs = variant.requires.iter().map(|(key, constraint)| format!("{key}={constraint}"));
    pairs.collect::<Vec<_>>().join(" ")
}
