//! Builds archives, right ones and wrong ones.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::Digest;
use zip::write::SimpleFileOptions;

/// A tar archive that says whatever it is told to.
#[derive(Default)]
pub(in crate::import) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// Adds one entry as it is: nothing is checked but that the name fits its field.
    pub(in crate::import) fn raw(
        mut self,
        kind: u8,
        name: &str,
        mode: u32,
        size: u64,
        link: &str,
        body: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        header.set_size(size);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub(in crate::import) fn file(self, name: &str, mode: u32, body: &[u8]) -> Self {
        self.raw(b'0', name, mode, body.len() as u64, "", body)
    }

    pub(in crate::import) fn pax(self, pairs: &[(&str, &str)]) -> Self {
        let mut body = Vec::new();
        for (key, value) in pairs {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let length = (1..).find(|n: &usize| rest + n.to_string().len() == *n).unwrap();
            writeln!(body, "{length} {key}={value}").unwrap();
        }
        self.raw(b'x', "pax", 0o644, body.len() as u64, "", &body)
    }

    /// Changes bytes, and mends the checksums of the headers that stand at multiples of 512.
    pub(in crate::import) fn damaged(mut self, changes: &[(usize, u8)]) -> Self {
        for (at, byte) in changes {
            self.bytes[*at] = *byte;
        }
        for block in self.bytes.chunks_mut(512) {
            if block[257..262] == *b"ustar" {
                let mut header = tar::Header::new_ustar();
                header.as_mut_bytes().copy_from_slice(block);
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        self
    }

    pub(in crate::import) fn tgz(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&self.bytes).unwrap();
        gzip.finish().unwrap()
    }
}

/// An npm package with this `package.json` and files below `package/`.
pub(in crate::import) fn npm(json: &str, files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let start = Tar::default().file("package/package.json", 0o644, json.as_bytes());
    let add = |tar: Tar, (name, mode, body): &(&str, u32, &[u8])| {
        tar.file(&format!("package/{name}"), *mode, body)
    };
    files.iter().fold(start, add).tgz()
}

/// A zip archive of these entries: name, Unix mode with its type bits, bytes.
pub(in crate::import) fn zip(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode, body) in entries {
        let options = SimpleFileOptions::default();
        match mode & 0o170_000 {
            0o120_000 => {
                let target = std::str::from_utf8(body).unwrap();
                zip.add_symlink(*name, target, options).unwrap();
            }
            _ if name.ends_with('/') => zip.add_directory(*name, options).unwrap(),
            _ => {
                zip.start_file(*name, options.unix_permissions(*mode)).unwrap();
                zip.write_all(body).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A wheel of `demo 1.0` with these files and a right `RECORD`.
pub(in crate::import) fn wheel(files: &[(&str, &[u8])]) -> Vec<u8> {
    let metadata = b"Metadata-Version: 2.1\nName: Demo\nVersion: 1.0\nSummary: A demo\n\
        License: MIT\nKeywords: one, two\n\n# Demo\n";
    wheel_with("demo-1.0.dist-info/METADATA", metadata, files)
}

pub(in crate::import) fn wheel_with(
    metadata_path: &str,
    metadata: &[u8],
    files: &[(&str, &[u8])],
) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = files.to_vec();
    all.push((metadata_path, metadata));
    let record =
        all.iter().map(|(name, body)| format!("{name},sha256={},{}\n", hash(body), body.len()));
    let record = record.collect::<String>() + "demo-1.0.dist-info/RECORD,,\n";
    let mut entries: Vec<(&str, u32, &[u8])> =
        all.iter().map(|&(name, body)| (name, 0o100_644, body)).collect();
    entries.push(("demo-1.0.dist-info/RECORD", 0o100_644, record.as_bytes()));
    zip(&entries)
}

pub(in crate::import) fn hash(bytes: &[u8]) -> String {
    crate::import::wheel::record::base64_url(&sha2::Sha256::digest(bytes))
}
