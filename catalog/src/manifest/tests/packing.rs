//! From patterns to files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use tempfile::TempDir;

use super::read;
use crate::defence::{Defence, without};
use crate::draft::{Draft, SourceEntry};
use crate::manifest::{Finding, Severity, TemplateError, folder, template};
use crate::release::PackageKind;

/// A package on disk.
struct Package {
    folder: TempDir,
}

impl Package {
    /// - `files`: what is there; a `*` at the end makes a file executable, a `/` makes a folder.
    fn with(files: &[&str]) -> Self {
        let package = Self { folder: tempfile::tempdir().unwrap() };
        for file in files {
            if let Some(folder) = file.strip_suffix('/') {
                fs::create_dir_all(package.path(folder)).unwrap();
                continue;
            }
            let path = package.path(file.trim_end_matches('*'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
            let mode = if file.ends_with('*') { 0o4755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        package
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.path(path)).unwrap();
        self
    }

    /// Packs one variant with these keys.
    fn pack(&self, keys: &str) -> Result<Draft, Vec<Finding>> {
        let text = format!(
            "schema = 1\n[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"asset\"\n\
             [[variant]]\nid = \"any\"\n{keys}\n"
        );
        let (manifest, _) = read(&text).unwrap();
        let draft = manifest.draft(self.folder.path());
        let checked = manifest.check_files(self.folder.path());
        let wrong = checked.iter().any(|finding| finding.severity == Severity::Error);
        assert_eq!(draft.is_err(), wrong);
        draft
    }

    fn packed(&self, keys: &str) -> Vec<String> {
        listing(&self.pack(keys).unwrap())
    }

    fn refused(&self, keys: &str) -> Finding {
        let mut findings = self.pack(keys).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

fn listing(draft: &Draft) -> Vec<String> {
    let one = |entry: &SourceEntry| match entry {
        SourceEntry::File { path, executable: true, .. } => format!("{path}*"),
        SourceEntry::File { path, .. } => path.to_string(),
        SourceEntry::Dir { path } => format!("{path}/"),
        SourceEntry::Symlink { path, target } => format!("{path} -> {target}"),
    };
    draft.variants[0].entries.iter().map(one).collect()
}

#[test]
fn the_folders_that_a_pattern_spells_out_are_cut_off() {
    let package = Package::with(&["dist/v3/bin/x*", "dist/v3/lib/y", "out/app.apk", "LICENSE"]);
    assert_eq!(package.packed("files = [\"dist/v3/**\"]"), ["bin/x*", "lib/y"]);
    assert_eq!(package.packed("files = [\"dist/v3\"]"), ["bin/x*", "lib/y"]);
    assert_eq!(package.packed("files = [\"dist/*/bin/*\"]"), ["v3/bin/x*"]);
    assert_eq!(package.packed("files = [\"out/app.apk\", \"LICENSE\"]"), ["LICENSE", "app.apk"]);
    assert_eq!(package.packed("files = [\"**/*.apk\"]"), ["out/app.apk"]);
    let kept = package.packed("root = \"dist\"\nfiles = [\"dist/v3/bin/**\", \"dist/v3\"]");
    assert_eq!(kept, ["v3/bin/x*", "v3/lib/y"]);
    let found = package.refused("root = \"dist\"\nfiles = [\"dist/**\", \"LICENSE\"]");
    assert_eq!(found.code, "CAT0122");
    assert!(found.message.contains("LICENSE"), "{found}");
}

#[test]
fn the_same_files_give_the_same_draft() {
    let package = Package::with(&["d/b", "d/a/z", "d/a.txt", "d/empty/", "d/a/y"]);
    let first = package.pack("files = [\"d/**\"]").unwrap();
    assert_eq!(listing(&first), ["a.txt", "a/y", "a/z", "b", "empty/"]);
    assert_eq!(first, package.pack("files = [\"d/**\"]").unwrap());
    assert_eq!(listing(&first), package.packed("files = [\"d/b\", \"d/**\", \"d/a.txt\"]"));
}

/// Threat row 13: a link out of what is packed is refused, with its path and target.
#[test]
fn packing_never_follows_a_link_out() {
    let secret = Package::with(&["id_ed25519"]);
    let target = secret.path("id_ed25519");
    let target = target.to_str().unwrap();
    let package = Package::with(&["d/a", "other"]).link("d/key", target);
    let found = package.refused("files = [\"d/**\"]");
    assert_eq!(found.code, "CAT0123");
    assert!(found.message.contains("d/key") && found.message.contains(target), "{found}");

    // Not through one named outright, nor relative, nor through a folder on the way.
    assert_eq!(package.refused("files = [\"d/key\"]").code, "CAT0123");
    let package = Package::with(&["d/a", "other"]).link("d/up", "../other");
    assert_eq!(package.refused("files = [\"d/**\"]").code, "CAT0123");
    let folder = secret.folder.path().to_str().unwrap();
    let package = Package::with(&["README"]).link("keys", folder);
    for pattern in ["keys/**", "keys", "keys/id_ed25519", "**"] {
        let found = package.refused(&format!("files = [\"{pattern}\"]"));
        assert_eq!(found.code, "CAT0123", "{pattern}");
    }
    let package = Package::with(&["d/a"]).link("README.md", target);
    assert_eq!(package.refused("files = [\"d/**\"]").code, "CAT0136");
}

/// Threat row 13, control.
#[test]
fn a_link_out_is_noticed_without_the_defence() {
    let secret = Package::with(&["id_ed25519"]);
    let target = secret.path("id_ed25519");
    let package = Package::with(&["d/a"]).link("d/key", target.to_str().unwrap());
    let draft = without(Defence::PackLinks, || package.pack("files = [\"d/**\"]")).unwrap();
    let stolen = draft.variants[0].entries.iter().any(|entry| match entry {
        SourceEntry::File { source, .. } => fs::read_to_string(source).unwrap() == "id_ed25519",
        _ => false,
    });
    assert!(stolen);
}

#[test]
fn a_link_that_stays_inside_is_packed_as_a_link() {
    let package = Package::with(&["d/lib/x.so.1"]).link("d/lib/x.so", "x.so.1").link("d/l", "lib");
    let expected = ["l -> lib", "lib/x.so -> x.so.1", "lib/x.so.1"];
    assert_eq!(package.packed("files = [\"d/**\"]"), expected);
}

#[test]
fn a_link_to_what_is_left_out_is_doubtful() {
    let package = Package::with(&["d/a"]).link("d/l", "missing");
    let (manifest, _) = read(
        "schema = 1\n[package]\nname = \"x\"\nversion = \"1.0.0\"\nkind = \"asset\"\n\
         [[variant]]\nid = \"any\"\nfiles = [\"d/**\"]\n",
    )
    .unwrap();
    let findings = manifest.check_files(package.folder.path());
    let found: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.code)).collect();
    assert_eq!(found, [(Severity::Warning, "CAT0129")]);
}

#[test]
fn what_is_no_file_is_refused() {
    let package = Package::with(&["d/a"]);
    let _socket = UnixListener::bind(package.path("d/socket")).unwrap();
    let found = package.refused("files = [\"d/**\"]");
    assert_eq!(found.code, "CAT0124");
    assert!(found.message.contains("d/socket"), "{found}");
}

/// Threat row 9: names that some system cannot store are refused while packing.
#[test]
fn names_that_no_tree_may_hold_are_refused() {
    for name in ["d/con", "d/a:b", "d/end.", "d/back\\slash"] {
        let found = Package::with(&[name]).refused("files = [\"d/**\"]");
        assert_eq!(found.code, "CAT0125", "{name}");
    }
    let package = Package::with(&["d/a"]);
    use std::os::unix::ffi::OsStrExt;
    fs::write(package.path("d").join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    assert_eq!(package.refused("files = [\"d/**\"]").code, "CAT0125");
}

/// Threat row 12: files that are one on some systems are refused while packing.
#[test]
fn files_that_would_be_one_are_refused() {
    let package = Package::with(&["d/Readme", "d/README", "one/x", "two/x"]);
    assert_eq!(package.refused("files = [\"d/**\"]").code, "CAT0126");
    let found = package.refused("files = [\"one/**\", \"two/**\"]");
    assert_eq!(found.code, "CAT0126");
    assert_eq!(found.message, "one/x and two/x would both be packed as x");
}

#[test]
fn a_pattern_that_matches_nothing_says_what_is_there() {
    let package =
        Package::with(&["dist/low-x86/bin/x", "dist/wasm/x.wasm", "empty/", "skip/a.log"]);
    fs::write(package.path(".catalogignore"), "*.log\n").unwrap();
    for (pattern, hint) in [
        ("dist/low-x68/**", "did you mean `dist/low-x86`?"),
        ("dits/**", "did you mean `dist`?"),
        ("dist/qqq/**", "dist/ holds low-x86, wasm; has the build run?"),
        ("dist/wasm/*.wsm", "dist/wasm/ holds x.wasm"),
        ("dist/wasm/x.wasn", "did you mean `dist/wasm/x.wasm`?"),
        ("empty/**", "empty/ is empty; has the build run?"),
        ("empty", "empty/ is empty; has the build run?"),
        ("skip/*.log", "what it would match is left out by .catalogignore"),
    ] {
        let found = package.refused(&format!("files = [\"{pattern}\"]"));
        assert_eq!(found.code, "CAT0121", "{found}");
        assert!(found.message.contains(pattern) && found.span.is_some(), "{found}");
        assert_eq!(found.hint.as_deref(), Some(hint));
    }
}

#[test]
fn what_is_ignored_is_left_out_everywhere() {
    let package =
        Package::with(&["catalog.toml", ".git/config", "a", "target/x", "b.tmp", "keep.tmp"]);
    fs::write(package.path(".catalogignore"), "target/\n*.tmp\n!keep.tmp\n").unwrap();
    assert_eq!(package.packed("files = [\"**\"]"), ["a", "keep.tmp"]);
    assert_eq!(package.refused("files = [\"target/x\"]").code, "CAT0121");
    let (entries, _) = folder(package.folder.path()).unwrap();
    assert_eq!(entries.len(), 2);
}

#[test]
fn the_readme_is_carried_along_up_to_its_limit() {
    let package = Package::with(&["d/a"]);
    fs::write(package.path("README.md"), "# Hello\r\n\u{1b}[31mred\n").unwrap();
    let draft = package.pack("files = [\"d/**\"]").unwrap();
    assert_eq!(draft.description.as_deref(), Some("# Hello\n[31mred\n"));
    fs::write(package.path("README.md"), "é".repeat(9000)).unwrap();
    let draft = package.pack("files = [\"d/**\"]").unwrap();
    assert_eq!(draft.description, Some("é".repeat(8192)));
}

#[test]
fn a_new_package_has_nothing_to_say_against_it() {
    let name = "notes-index".parse().unwrap();
    let lists: [&[&str]; 3] = [
        &[],
        &["x86-64-v3", "arm64", "wasm"],
        &["x86-64-v4", "x86-64-v2", "linux-arm64", "macos-arm64", "windows-x64", "any"],
    ];
    for ids in lists {
        let ids: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let files = template(&name, PackageKind::Service, &ids).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut text = None;
        for file in &files {
            let path = folder.path().join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.contents).unwrap();
            let mode = if file.executable { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if file.path == "catalog.toml" {
                text = Some(String::from_utf8(file.contents.clone()).unwrap());
            }
        }
        let (manifest, warnings) = read(&text.unwrap()).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(manifest.check_files(folder.path()), []);
        let draft = manifest.draft(folder.path()).unwrap();
        assert_eq!(draft.variants.len(), if ids.is_empty() { 3 } else { ids.len() });
        assert!(draft.variants.iter().all(|variant| variant.entries.len() == 1));
        assert_eq!(listing(&draft), ["bin/notes-index*"]);
        assert!(draft.description.is_some());
    }
}

#[test]
fn a_variant_without_a_template_is_named_with_those_there_are() {
    let name = "x".parse().unwrap();
    let strange = template(&name, PackageKind::Asset, &["vax".parse().unwrap()]).unwrap_err();
    assert!(strange.to_string().starts_with("no template for a variant vax; known: x86-64-v4"));
    let twice = ["any".parse().unwrap(), "any".parse().unwrap()];
    let twice = template(&name, PackageKind::Asset, &twice).unwrap_err();
    assert!(matches!(twice, TemplateError::Twice { .. }));
    let set = template(&name, PackageKind::NodeSet, &[]).unwrap_err();
    assert!(matches!(set, TemplateError::Kind { .. }));
}
