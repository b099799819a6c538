//! Which C libraries programs find here, and their versions.
//!
//! Our own binary may be static, so its own library says nothing. A dynamic program names its
//! loader by an absolute path; that file is there or it is not, and its version stands in it.

use super::super::super::facts::FactValue;
use super::{Linux, word};
use crate::variant::DottedVersion;
use std::env::consts::ARCH;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Loaders of glibc and musl for one architecture, below the root folder.
///
/// # Source
/// The glibc names are those of its ABI list; musl's are `ld-musl-ARCH.so.1`.
const LOADERS: [(&str, &str, &str); 7] = [
    ("x86_64", "lib64/ld-linux-x86-64.so.2", "lib/ld-musl-x86_64.so.1"),
    ("aarch64", "lib/ld-linux-aarch64.so.1", "lib/ld-musl-aarch64.so.1"),
    ("arm", "lib/ld-linux-armhf.so.3", "lib/ld-musl-armhf.so.1"),
    ("x86", "lib/ld-linux.so.2", "lib/ld-musl-i386.so.1"),
    ("riscv64", "lib/ld-linux-riscv64-lp64d.so.1", "lib/ld-musl-riscv64.so.1"),
    ("powerpc64", "lib64/ld64.so.2", "lib/ld-musl-powerpc64le.so.1"),
    ("s390x", "lib/ld64.so.1", "lib/ld-musl-s390x.so.1"),
];

/// Most of a loader or library that is searched: they have one or two MiB.
const LIBRARY_BYTES_MAX: u64 = 8 << 20;

/// What stands before the version, in the loader of glibc since 2.33 and in the library always.
const GLIBC_MARK: &[u8] = b" release version ";

/// The C libraries that are installed, with their versions where they say so.
pub(super) fn detect(system: &Linux) -> Vec<FactValue> {
    let Some((_, glibc, musl)) = LOADERS.iter().find(|(arch, ..)| *arch == ARCH) else {
        return Vec::new();
    };
    let [glibc, musl] = [glibc, musl].map(|loader| system.path(loader));
    let mut found = Vec::new();
    if glibc.exists() {
        found.push(value("glibc", glibc_version(&glibc)));
    }
    if musl.exists() {
        found.push(value("musl", read(&musl).as_deref().and_then(musl_version)));
    }
    found
}

fn value(family: &str, version: Option<DottedVersion>) -> FactValue {
    match version {
        Some(version) => FactValue::versioned(word(family), version),
        None => FactValue::unversioned(word(family)),
    }
}

/// Looks in the loader, else in the library that lies beside it.
fn glibc_version(loader: &Path) -> Option<DottedVersion> {
    let loader = loader.canonicalize().ok()?;
    let marked = |path: &Path| {
        let bytes = read(path)?;
        let at = bytes.windows(GLIBC_MARK.len()).position(|window| window == GLIBC_MARK)?;
        let rest = &bytes[at + GLIBC_MARK.len()..];
        DottedVersion::leading(&String::from_utf8_lossy(&rest[..rest.len().min(16)]))
    };
    marked(&loader).or_else(|| marked(&loader.with_file_name("libc.so.6")))
}

/// The one text in musl that is three numbers: it has no words around its version.
fn musl_version(library: &[u8]) -> Option<DottedVersion> {
    library
        .split(|&byte| byte == 0)
        .filter(|text| (5..=9).contains(&text.len()) && text[0].is_ascii_digit())
        .filter(|text| text.iter().filter(|&&byte| byte == b'.').count() == 2)
        .find_map(|text| std::str::from_utf8(text).ok()?.parse().ok())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LIBRARY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use super::*;

    fn loaders() -> (&'static str, &'static str) {
        let (_, glibc, musl) = LOADERS.iter().find(|(arch, ..)| *arch == ARCH).unwrap();
        (glibc, musl)
    }

    fn detected(files: &[(&str, &str)]) -> Vec<String> {
        detect(&Fake::of(files).system()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_version_of_glibc_stands_in_its_loader_or_in_the_library_beside_it() {
        let (glibc, _) = loaders();
        let says = "\0ld.so (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\nmore";
        assert_eq!(detected(&[(glibc, says)]), ["glibc@2.36"]);
        let library = Path::new(glibc).with_file_name("libc.so.6");
        let old = "GNU C Library (GNU libc) stable release version 2.17, by Roland";
        assert_eq!(detected(&[(glibc, "old"), (library.to_str().unwrap(), old)]), ["glibc@2.17"]);
        assert_eq!(detected(&[(glibc, "says nothing")]), ["glibc"]);
    }

    #[test]
    fn musl_is_found_beside_glibc_and_alone() {
        let (glibc, musl) = loaders();
        assert_eq!(detected(&[(musl, "\0musl libc (x)\0Version %s\x001.2.4\0x")]), ["musl@1.2.4"]);
        assert_eq!(detected(&[(glibc, "x"), (musl, "y")]), ["glibc", "musl"]);
        assert!(detected(&[]).is_empty());
    }
}
