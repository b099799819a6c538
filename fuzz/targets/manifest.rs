//! Manifests: reading never panics, what it finds points into the text, and what it accepts can be
//! published from a folder without leaving it.

#![no_main]

use catalog::manifest::{Finding, Manifest};
use catalog_fuzz::draft;
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// A small package, with links that must not be followed.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder in TMPDIR");
    let at = |path: &str| folder.path().join("package").join(path);
    fs::create_dir_all(at("dist/bin")).expect("the folder is empty");
    fs::write(folder.path().join("secret"), "secret").expect("the folder is empty");
    for file in ["README.md", "dist/bin/tool", "dist/lib.so", "dist/a b.txt"] {
        fs::write(at(file), file).expect("the folder is empty");
    }
    symlink("lib.so", at("dist/lib.so.1")).expect("the folder is empty");
    symlink("../secret", at("out")).expect("the folder is empty");
    symlink("/etc", at("etc")).expect("the folder is empty");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Manifest::parse(text, Path::new("catalog.toml")) {
        Ok((manifest, warnings)) => {
            check(text, &warnings);
            draft::check_texts(manifest.skeleton());
            let folder = FOLDER.path().join("package");
            match manifest.draft(&folder) {
                Ok(made) => draft::check(&made, &folder),
                Err(findings) => check(text, &findings),
            }
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            check(text, &findings);
        }
    }
});

/// A finding is shown under the part of the text that it is about.
fn check(text: &str, findings: &[Finding]) {
    for finding in findings {
        if let Some(span) = &finding.span {
            assert!(text.get(span.clone()).is_some(), "{span:?} is not a part of the text");
        }
        assert!(!finding.to_string().contains('\n'), "more than one line: {finding:?}");
        assert!(catalog::manifest::explain(finding.code).is_some(), "{finding:?}");
    }
}
