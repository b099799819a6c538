//! Something to publish whose bytes can be told from its name: what was acknowledged can be
//! checked later without having been kept.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::{fs, io};

use crate::dice::Dice;
use crate::machine::{Machine, Outcome};

/// The files of every parcel and their sizes: below, around and above what a blob store keeps in
/// its database.
const FILES: [(&str, usize); 3] =
    [("note.txt", 200), ("page.bin", 20_000), ("data/body.bin", 300_000)];

/// A package version with three files of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parcel {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Parcel {
    /// The parcel with this name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into() }
    }

    /// How to ask for it.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Writes its files below `work` and publishes them.
    pub fn publish(&self, machine: &Machine, work: &Path) -> Outcome {
        let dir = self.write(work);
        let outcome = machine.run(self.words(&dir));
        fs::remove_dir_all(dir).unwrap();
        outcome
    }

    /// Writes its files below `work` and begins to publish them.
    pub fn start(&self, machine: &Machine, work: &Path) -> io::Result<Child> {
        let mut command = machine.command(self.words(&self.write(work)));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }

    fn words(&self, dir: &Path) -> Vec<String> {
        let dir = dir.to_str().unwrap();
        let words = ["import", "dir", dir, "--name", &self.name, "--version", &self.version];
        let rest = ["--license", "MIT", "--no-progress", "--json"];
        words.into_iter().chain(rest).map(str::to_owned).collect()
    }

    /// What is wrong with it on `machine`: `None` when every byte is there and right.
    pub fn fault(&self, machine: &Machine) -> Option<String> {
        self.files().find_map(|(path, bytes)| {
            let read = machine.run(["cat", &self.reference(), path]);
            match read.code {
                Some(0) if read.stdout == bytes => None,
                Some(0) => Some(format!("{} {path}: other bytes", self.reference())),
                _ => Some(read.to_string()),
            }
        })
    }

    /// Whether what is installed in `dir` is this parcel and nothing else.
    pub fn is_installed(&self, dir: &Path) -> bool {
        self.files().all(|(path, bytes)| fs::read(dir.join(path)).is_ok_and(|read| read == bytes))
    }

    fn write(&self, work: &Path) -> PathBuf {
        let dir = work.join(self.reference());
        for (path, bytes) in self.files() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let seed = self
            .reference()
            .bytes()
            .fold(0, |seed, byte| Dice::new(seed + u64::from(byte)).roll() >> 1);
        FILES.into_iter().map(move |(path, size)| (path, Dice::new(seed + size as u64).bytes(size)))
    }
}
