//! Families as people have them on disk become one release each.

use std::path::PathBuf;

use super::archive::{npm as npm_archive, wheel as wheel_archive, wheel_with};
use super::{Bench, listing, requires};
use crate::draft::Draft;
use crate::import::{ImportError, ImportOptions, dir, npm, wheel};
use crate::profile::Profile;
use crate::resolve::{Preference, resolve_variants};
use crate::size::ByteSize;
use crate::variant::Variant;
use crate::{Digest, PackageKind, PublisherId, Release, Timestamp};

fn native(name: &str, os: &str, cpu: &str, more: &str) -> Vec<u8> {
    let json = format!(
        r#"{{"name": "{name}", "version": "0.25.5", "license": "MIT", "os": ["{os}"], "cpu": ["{cpu}"]{more}}}"#
    );
    npm_archive(&json, &[("bin/demo", 0o755, b"#!/bin/sh\n"), ("README.md", 0o644, b"# native")])
}

/// A family as esbuild publishes it.
fn family(bench: &Bench) -> Vec<PathBuf> {
    let wasm = r#"{"name": "demo-wasm", "version": "0.25.5", "description": "A  demo\n", "license": {"type": "MIT"},
        "keywords": ["one", "one", "", "two"], "bin": {"demo": "bin/demo"}}"#;
    let wasm_files: [(&str, u32, &[u8]); 3] = [
        ("demo.wasm", 0o755, b"\0asm"),
        ("README.md", 0o644, b"# wasm"),
        ("bin/demo", 0o755, b"x"),
    ];
    vec![
        bench.file("a.tgz", &native("@demo/linux-x64", "linux", "x64", "")),
        bench.file("b.tgz", &native("@demo/linux-arm64", "linux", "arm64", "")),
        bench.file("c.tgz", &native("@demo/darwin-arm64", "darwin", "arm64", "")),
        bench.file("d.tgz", &native("@demo/win32-x64", "win32", "x64", "")),
        bench.file(
            "e.tgz",
            &native("@demo/linux-x64-musl", "linux", "x64", r#", "libc": ["musl"]"#),
        ),
        bench.file("f.tgz", &npm_archive(wasm, &wasm_files)),
    ]
}

/// The variants of a draft as a release has them, with made-up content.
fn published(draft: &Draft) -> Vec<Variant> {
    let variants = draft.variants.iter();
    variants
        .map(|draft| Variant {
            id: draft.id.clone(),
            requires: draft.requires.clone(),
            prefers: draft.prefers.clone(),
            resources: draft.resources,
            fallback: draft.fallback,
            quality: draft.quality,
            root: Digest::of(b"root"),
            tree: Digest::of(b"tree"),
            size: ByteSize::mib(1),
            files: 1,
        })
        .collect()
}

/// Which variant a machine with the profile `name` gets.
fn chosen(draft: &Draft, name: &str) -> String {
    let profile = Profile::named(name).unwrap();
    let resolution = resolve_variants(&published(draft), &profile, Preference::HighPerformance);
    resolution.chosen.map_or("none".into(), |id| id.to_string())
}

#[test]
fn a_family_of_npm_packages_becomes_one_release() {
    let bench = Bench::new();
    let draft = npm(&family(&bench), &bench.work(), &ImportOptions::default()).unwrap();
    assert_eq!((draft.name.as_str(), draft.version.to_string().as_str()), ("demo", "0.25.5"));
    assert_eq!((draft.license.as_str(), draft.summary.as_str()), ("MIT", "A demo"));
    assert_eq!(draft.keywords, ["one", "two"]);
    assert_eq!(draft.description.as_deref(), Some("# wasm"));
    assert_eq!(draft.kind, PackageKind::AppFragment);
    assert_eq!(requires(&draft, "linux-x64"), "cpu.arch=x86_64 os=linux");
    assert_eq!(requires(&draft, "darwin-arm64"), "cpu.arch=aarch64 os=macos");
    assert_eq!(requires(&draft, "win32-x64"), "cpu.arch=x86_64 os=windows");
    assert_eq!(requires(&draft, "linux-x64-musl"), "cpu.arch=x86_64 libc=musl os=linux");
    assert_eq!(requires(&draft, "wasm"), "");
    let fallbacks: Vec<bool> = draft.variants.iter().map(|variant| variant.fallback).collect();
    assert_eq!(fallbacks, [false, false, false, false, false, true]);
    assert_eq!(listing(&draft.variants[0]), ["README.md", "bin/demo*", "package.json"]);
    let provenance = draft.provenance.unwrap();
    assert_eq!((&*provenance.ecosystem, &*provenance.name), ("npm", "demo"));
    assert_eq!(provenance.files[2].1, "@demo/darwin-arm64");
}

/// What upstream says never breaks a rule of releases.
#[test]
fn an_imported_family_can_be_signed() {
    let bench = Bench::new();
    let draft = npm(&family(&bench), &bench.work(), &ImportOptions::default()).unwrap();
    let variants = published(&draft);
    let release = Release {
        publisher: PublisherId::of_inception(b"somebody"),
        seq: 1,
        time: Timestamp::from_millis(1),
        name: draft.name,
        version: draft.version,
        kind: draft.kind,
        summary: draft.summary,
        license: draft.license,
        keywords: draft.keywords,
        tags: draft.tags,
        provides: draft.provides,
        dependencies: draft.dependencies,
        capabilities: draft.capabilities,
        permission: draft.permission,
        sealed: None,
        mirror: draft.mirror,
        description: draft.description,
        provenance: draft.provenance,
        variants,
        extensions: draft.extensions,
    };
    assert_eq!(Release::decode(&release.encode().unwrap()).unwrap(), release);
}

#[test]
fn each_machine_gets_its_own_build_and_an_unknown_one_the_fallback() {
    let bench = Bench::new();
    let files = &family(&bench);
    let draft = npm(files, &bench.work(), &ImportOptions::default()).unwrap();
    assert_eq!(chosen(&draft, "pi-low"), "linux-arm64");
    assert_eq!(chosen(&draft, "android-high"), "wasm");
}

/// Threat row 28: what upstream says about itself cannot play tricks on a terminal.
#[test]
fn upstream_text_is_made_safe_to_show() {
    let bench = Bench::new();
    let json = r#"{"name": "x", "version": "1.0.0", "description": "a\u001b[31m\u202eb\nc",
        "license": "MIT\u0007", "keywords": ["k\u2066", "\u200f"]}"#;
    let readme = "# x\r\n\u{1b}]0;title\u{7}\n".as_bytes();
    let file = bench.file("x.tgz", &npm_archive(json, &[("README.md", 0o644, readme)]));
    let draft = npm(&[file], &bench.work(), &ImportOptions::default()).unwrap();
    assert_eq!((&*draft.summary, &*draft.license), ("a[31mb c", "MIT"));
    assert_eq!(draft.keywords, ["k"]);
    assert_eq!(draft.description.as_deref(), Some("# x\n]0;title\n"));
}

#[test]
fn options_win_over_what_upstream_says() {
    let bench = Bench::new();
    let options = ImportOptions {
        name: Some("other".parse().unwrap()),
        version: Some("9.0.0".parse().unwrap()),
        kind: Some(PackageKind::Client),
        license: Some("Apache-2.0".into()),
        summary: Some("Mine".into()),
        ..ImportOptions::default()
    };
    let draft = npm(&family(&bench), &bench.work(), &options).unwrap();
    assert_eq!((draft.name.as_str(), draft.version.to_string().as_str()), ("other", "9.0.0"));
    assert_eq!(
        (draft.kind, &*draft.license, &*draft.summary),
        (PackageKind::Client, "Apache-2.0", "Mine")
    );
    assert_eq!(draft.provenance.unwrap().version, "0.25.5");
}

#[test]
fn files_of_different_versions_are_not_one_release() {
    let bench = Bench::new();
    let mut files = family(&bench);
    let other =
        npm_archive(r#"{"name": "@demo/aix-ppc64", "version": "0.25.6", "os": ["aix"]}"#, &[]);
    files.push(bench.file("g.tgz", &other));
    let error = npm(&files, &bench.work(), &ImportOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the files are of 2 different versions: 0.25.5 (@demo/linux-x64 and 5 more); \
         0.25.6 (@demo/aix-ppc64)"
    );
    assert_eq!(error.hint().unwrap(), "import the files of one version at a time");
}

#[test]
fn two_builds_for_one_platform_are_named() {
    let bench = Bench::new();
    let files = [
        bench.file("a.tgz", &native("@demo/linux-x64", "linux", "x64", "")),
        bench.file("b.tgz", &native("@demo/linux-x64-gnu", "linux", "x64", "")),
    ];
    let error = npm(&files, &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("@demo/linux-x64-gnu"), "{error}");
    assert!(matches!(error, ImportError::SamePlatform { .. }));
}

#[test]
fn packages_without_a_common_name_need_one() {
    let bench = Bench::new();
    let files = [
        bench.file("a.tgz", &native("left", "linux", "x64", "")),
        bench.file("b.tgz", &native("right", "darwin", "x64", "")),
    ];
    let error = npm(&files, &bench.work(), &ImportOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the files have no name in common: left, right");
    assert_eq!(error.hint().unwrap(), "choose one with --name");
}

#[test]
fn what_is_not_an_npm_package_is_named() {
    let bench = Bench::new();
    for (json, what) in [
        ("{", "is not JSON"),
        (r#"{"name": "x"}"#, "no name or no version"),
        (r#"{"name": "x", "version": "1.0.0", "os": ["beos"]}"#, "\"beos\""),
    ] {
        let file = bench.file("x.tgz", &npm_archive(json, &[]));
        let error = npm(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hint().unwrap().contains("npm pack"));
        std::fs::remove_dir_all(bench.work().join("npm-0")).unwrap();
    }
    let error = npm(&[], &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, ImportError::Nothing));
}

/// The wheels of one project as an index serves them.
fn wheels(bench: &Bench) -> Vec<PathBuf> {
    let archive = wheel_archive(&[("demo/__init__.py", b"pass\n"), ("demo/core.so", b"\x7fELF")]);
    let names = [
        "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "demo-1.0-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "demo-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
        "demo-1.0-cp311-cp311-macosx_11_0_arm64.whl",
        "demo-1.0-cp311-cp311-win_amd64.whl",
    ];
    names.into_iter().map(|name| bench.file(name, &archive)).collect()
}

#[test]
fn the_wheels_of_a_project_become_one_release() {
    let bench = Bench::new();
    let draft = wheel(&wheels(&bench), &bench.work(), &ImportOptions::default()).unwrap();
    assert_eq!((draft.name.as_str(), draft.version.to_string().as_str()), ("demo", "1.0.0"));
    assert_eq!((draft.license.as_str(), draft.summary.as_str()), ("MIT", "A demo"));
    assert_eq!(draft.description.as_deref(), Some("# Demo\n"));
    assert_eq!(
        requires(&draft, "manylinux_2_17_x86_64"),
        "cpu.arch=x86_64 libc=glibc>=2.17 os=linux python=cpython=3.11"
    );
    assert_eq!(
        requires(&draft, "macosx_11_0_arm64"),
        "cpu.arch=aarch64 os=macos>=11.0 python=cpython=3.11"
    );
    assert_eq!(draft.provenance.unwrap().version, "1.0");
}

/// Most machines do not say which Python they have; the platform decides then.
#[test]
fn an_unknown_python_does_not_keep_a_machine_from_its_wheel() {
    let bench = Bench::new();
    let draft = wheel(&wheels(&bench), &bench.work(), &ImportOptions::default()).unwrap();
    assert_eq!(chosen(&draft, "pi-low"), "manylinux_2_17_aarch64");
}

#[test]
fn a_pure_wheel_is_the_fallback_and_newer_builds_are_better() {
    let bench = Bench::new();
    let archive = wheel_archive(&[("demo/__init__.py", b"pass\n")]);
    let names = [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "demo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "demo-1.0-cp39-abi3-manylinux_2_28_x86_64.whl",
    ];
    let files: Vec<_> = names.into_iter().map(|name| bench.file(name, &archive)).collect();
    let draft = wheel(&files, &bench.work(), &ImportOptions::default()).unwrap();
    let found: Vec<_> = draft
        .variants
        .iter()
        .map(|variant| (variant.id.as_str(), variant.fallback, variant.quality))
        .collect();
    assert_eq!(
        found,
        [
            ("py3-any", true, 30),
            ("cp311-manylinux_2_17_x86_64", false, 88),
            ("cp311-manylinux_2_28_x86_64", false, 90),
            ("cp39-abi3-manylinux_2_28_x86_64", false, 89),
        ]
    );
    assert_eq!(
        requires(&draft, "cp39-abi3-manylinux_2_28_x86_64"),
        "cpu.arch=x86_64 libc=glibc>=2.28 os=linux python=cpython>=3.9"
    );
}

#[test]
fn a_wheel_whose_name_lies_is_refused() {
    let bench = Bench::new();
    let archive = wheel_archive(&[]);
    for (name, what) in [
        ("other-1.0-py3-none-any.whl", "says otherwise than its METADATA (Demo 1.0)"),
        ("demo-1.1-py3-none-any.whl", "says otherwise"),
        ("demo-1.0-py3-none-solaris_2_11.whl", "\"solaris_2_11\" is not known"),
        ("demo.whl", "is named project-version-python-abi-platform.whl"),
    ] {
        let file = bench.file(name, &archive);
        let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        let _ = std::fs::remove_dir_all(bench.work().join("wheel-0"));
    }
}

#[test]
fn a_python_version_without_a_counterpart_needs_one() {
    let bench = Bench::new();
    let archive = wheel_with("demo-1.0.dist-info/METADATA", b"Name: demo\nVersion: 1!1.0\n\n", &[]);
    let file = bench.file("demo-1!1.0-py3-none-any.whl", &archive);
    let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, ImportError::Version { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--version"));
}

#[test]
fn a_folder_becomes_one_variant() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("data/a.txt", "a");
    write("README.md", "# Data\n");
    write("debug.log", "no");
    write(".catalogignore", "*.log\n");
    let options = ImportOptions {
        name: Some("data".parse().unwrap()),
        version: Some("1.2.3".parse().unwrap()),
        ..ImportOptions::default()
    };
    let draft = dir(folder.path(), &options).unwrap();
    assert_eq!(listing(&draft.variants[0]), ["README.md", "data/a.txt"]);
    assert_eq!((draft.variants[0].id.as_str(), draft.license.as_str()), ("any", "NOASSERTION"));
    assert_eq!(draft.description.as_deref(), Some("# Data\n"));

    let error = dir(folder.path(), &ImportOptions { version: None, ..options }).unwrap_err();
    assert!(matches!(error, ImportError::NoVersion { .. }));

    write(
        "catalog.toml",
        "schema = 1\n[package]\nname = \"described\"\nversion = \"2.0.0\"\nkind = \"asset\"\n\
         license = \"MIT\"\n[[variant]]\nid = \"x\"\nfiles = [\"nothing\"]\n",
    );
    let draft = dir(folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!((draft.name.as_str(), draft.license.as_str()), ("described", "MIT"));
    assert_eq!(listing(&draft.variants[0]), ["README.md", "data/a.txt"]);
}
