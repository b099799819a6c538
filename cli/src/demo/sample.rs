//! The package that the demo publishes: real files, different in every variant.

use std::fs;
use std::io;
use std::path::Path;

/// The manifest.
pub const MANIFEST: &str = r#"schema = 1
[package]
name = "notes-index"
version = "1.0.0"
kind = "service"
summary = "Finds a word in all of your notes"
license = "MIT"
keywords = ["notes", "search", "index"]

[capabilities]
network = ["listen:7700/tcp"]

[[variant]]
id = "x86-64"
requires = { os = "linux", "cpu.arch" = "x86_64" }
resources = { memory = { min = "32MiB", recommended = "64MiB" } }
files = ["dist/x86-64/**"]
quality = 60

[[variant]]
id = "arm64"
requires = { os = "linux", "cpu.arch" = "aarch64" }
resources = { memory = { min = "32MiB", recommended = "64MiB" } }
files = ["dist/arm64/**"]
quality = 60

[[variant]]
id = "portable"
fallback = true
files = ["dist/portable/**"]
quality = 10
"#;

/// The largest file of every variant; the one that rots later.
pub const PROGRAM: &str = "bin/notes-index";

/// The variants and the sizes of their files in KiB.
const VARIANTS: [(&str, [(&str, usize); 3]); 3] = [
    ("x86-64", [(PROGRAM, 6144), ("lib/stems.bin", 1536), ("README.md", 4)]),
    ("arm64", [(PROGRAM, 5888), ("lib/stems.bin", 1472), ("README.md", 4)]),
    ("portable", [(PROGRAM, 2048), ("lib/stems.bin", 512), ("README.md", 4)]),
];

/// Writes the package into `dir`.
pub fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("catalog.toml"), MANIFEST)?;
    for (seed, (variant, files)) in (1..).zip(VARIANTS) {
        for (path, kib) in files {
            let path = dir.join("dist").join(variant).join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, noise(seed * kib as u64, kib * 1024))?;
        }
    }
    Ok(())
}

/// Bytes that do not compress and do not repeat (xorshift).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
