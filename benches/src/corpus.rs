//! The bytes that are moved: one large file, or many small ones, the same in every run.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// What is published and installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus {
    /// One file of 1 GiB.
    Large,
    /// 50,000 files of 4 KiB in 50 folders.
    Small,
}

impl Corpus {
    /// Both, in the order in which they are measured.
    pub const ALL: [Self; 2] = [Self::Large, Self::Small];

    /// What it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Large => "1 x 1 GiB",
            Self::Small => "50,000 x 4 KiB",
        }
    }

    /// What it is called in paths and package names.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
        }
    }

    /// How many bytes it has.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Large => 1 << 30,
            Self::Small => 50_000 * 4096,
        }
    }

    /// The paths of its files below the folder, in order.
    pub fn files(self) -> Vec<PathBuf> {
        match self {
            Self::Large => vec!["large.bin".into()],
            Self::Small => {
                (0..50_000).map(|n| PathBuf::from(format!("{:02}/{n:05}.bin", n / 1000))).collect()
            }
        }
    }

    /// Writes it into a folder of its own below `dir`, unless it is there already.
    pub fn make(self, dir: &Path) -> PathBuf {
        let folder = dir.join(self.word());
        let done = dir.join(format!("{}.done", self.word()));
        if done.exists() {
            return folder;
        }
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let files = self.files();
        let each = self.bytes() / files.len() as u64;
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
            for _ in 0..each / 4096 {
                out.write_all(&noise.page()).unwrap();
            }
            out.into_inner().unwrap().sync_all().unwrap();
        }
        fs::write(done, "").unwrap();
        folder
    }
}

/// Bytes that do not compress: xorshift64* (Vigna, 2016).
struct Noise(u64);

impl Noise {
    fn page(&mut self) -> [u8; 4096] {
        let mut page = [0; 4096];
        for word in page.chunks_exact_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            word.copy_from_slice(&self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        page
    }
}
