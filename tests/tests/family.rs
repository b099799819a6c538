//! The main job on real packages: a family of builds is published once, another node finds it,
//! says why each build fits or not, and moves the bytes of one.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use catalog_tests::machine::{Daemon, Machine};
use catalog_tests::samples::{self, ESBUILD, MARKUPSAFE};
use catalog_tests::skip::skip;
use serde_json::Value;

/// What a release and everything around it may cost to learn of.
const RECORDS_BYTES_MAX: u64 = 64 << 10;

/// A node that has published a family.
struct Publisher {
    machine: Machine,
    daemon: Daemon,
}

impl Publisher {
    fn of(family: &str, files: &[PathBuf]) -> Self {
        let machine = Machine::new();
        machine.init("acme");
        let words = ["import", family].map(PathBuf::from);
        machine.json(words.iter().chain(files));
        let daemon = machine.daemon();
        Self { machine, daemon }
    }

    /// Another node, which has met this one.
    fn guest(&self) -> Machine {
        let guest = Machine::new();
        let met = guest.meet(&self.daemon);
        let bytes = met["sync"]["bytes_in"].as_u64().unwrap();
        assert!(bytes <= RECORDS_BYTES_MAX, "the records took {bytes} bytes");
        guest
    }

    /// The size of one variant.
    fn size(&self, reference: &str, variant: &str) -> u64 {
        let info = self.machine.json(["info", reference]);
        let variants = info["release"]["variants"].as_array().unwrap();
        let variant = variants.iter().find(|one| one["id"] == variant).unwrap();
        variant["size"].as_u64().unwrap()
    }
}

fn explain(machine: &Machine, words: &[&str]) -> Value {
    machine.json([&["explain"], words].concat())["resolution"].clone()
}

fn chosen(resolution: &Value) -> &str {
    resolution["chosen"].as_str().unwrap_or_default()
}

/// The first thing that rules a variant out: `key needs has`.
fn rejection(resolution: &Value, variant: &str) -> String {
    let verdicts = resolution["verdicts"].as_array().unwrap();
    let verdict = verdicts.iter().find(|one| one["variant"] == variant);
    let verdict = verdict.unwrap_or_else(|| panic!("no {variant} in {resolution:#}"));
    let checks = verdict["checks"].as_array().unwrap();
    let failed = checks.iter().find(|check| check["truth"] == "no");
    let failed = failed.unwrap_or_else(|| panic!("{variant} fits: {verdict:#}"));
    format!("{} {} {}", failed["key"], failed["needs"], failed["has"]).replace('"', "")
}

fn moved(report: &Value) -> u64 {
    report["bytes_moved"].as_u64().unwrap()
}

fn installed(report: &Value) -> &Path {
    Path::new(report["path"].as_str().unwrap())
}

#[test]
fn an_npm_family_is_published_once_and_every_machine_gets_its_own_build() {
    let name = "an_npm_family_is_published_once_and_every_machine_gets_its_own_build";
    let Some(files) = samples::npm(name) else { return };
    let publisher = Publisher::of("npm", &files);
    let guest = publisher.guest();
    let found = guest.json(["search", "esbild"]);
    assert!(found["hits"][0]["reference"].as_str().unwrap().ends_with("esbuild"), "{found:#}");

    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let resolution = explain(&guest, &["esbuild"]);
        assert_eq!(chosen(&resolution), "linux-x64");
        for (variant, why) in [
            ("linux-arm64", "cpu.arch aarch64 x86_64"),
            ("darwin-arm64", "os macos linux"),
            ("win32-x64", "os windows linux"),
            ("android-arm64", "os android linux"),
        ] {
            let said = rejection(&resolution, variant);
            assert!(said.starts_with(why), "{variant}: {said}");
        }
        let report = guest.json(["install", "esbuild"]);
        let limit = publisher.size("esbuild", "linux-x64") * 102 / 100 + (64 << 10);
        assert!(moved(&report) <= limit, "{} bytes moved, {limit} allowed", moved(&report));
        let program = installed(&report).join("bin/esbuild");
        let printed = Command::new(&program).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout).trim(), ESBUILD);
    } else {
        skip(name, "the installed program is for linux-x64");
    }

    for (words, variant) in [
        (&["--profile", "pi-low"][..], "linux-arm64"),
        (&["--set", "os=haiku"], "wasm"),
        (&["--set", "os=macos", "--set", "cpu.arch=arm64"], "darwin-arm64"),
    ] {
        let resolution = explain(&guest, &[&["esbuild"], words].concat());
        assert_eq!(chosen(&resolution), variant, "{words:?}");
        if words[0] == "--set" {
            let overrides = resolution["overrides"].to_string();
            assert!(
                words.iter().skip(1).step_by(2).all(|set| overrides.contains(set)),
                "{overrides}"
            );
        }
    }
}

#[test]
fn a_wheel_family_is_published_once_and_every_machine_gets_its_own_build() {
    let name = "a_wheel_family_is_published_once_and_every_machine_gets_its_own_build";
    let Some(files) = samples::wheels(name) else { return };
    let publisher = Publisher::of("wheel", &files);
    let guest = publisher.guest();
    for (words, part) in [
        (
            &["--set", "os=linux", "--set", "cpu.arch=x86_64", "--set", "libc=glibc@2.36"][..],
            "manylinux",
        ),
        (&["--set", "os=linux", "--set", "cpu.arch=x86_64", "--set", "libc=musl@1.2"], "musllinux"),
        (&["--set", "os=linux", "--set", "cpu.arch=arm64", "--set", "libc=glibc@2.36"], "aarch64"),
        (&["--set", "os=windows", "--set", "cpu.arch=x86_64"], "win"),
    ] {
        let words = [&["markupsafe", "--set", "python=cpython@3.12"], words].concat();
        let resolution = explain(&guest, &words);
        assert!(chosen(&resolution).contains(part), "{words:?}: {resolution:#}");
    }
    let here = ["install", "markupsafe", "--set", "python=cpython@3.12"];
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let report = guest.json(here);
        let variant = report["variant"].as_str().unwrap();
        let limit = publisher.size("markupsafe", variant) * 102 / 100 + (64 << 10);
        assert!(moved(&report) <= limit, "{} bytes moved, {limit} allowed", moved(&report));
        let metadata = format!("markupsafe-{MARKUPSAFE}.dist-info/METADATA");
        let upper = metadata.replace("markupsafe", "MarkupSafe");
        let dir = installed(&report);
        assert!(dir.join(&metadata).exists() || dir.join(&upper).exists(), "{report:#}");
    } else {
        skip(name, "the installed wheel is for linux-x64");
    }
}

#[test]
fn a_lazy_install_moves_only_the_files_that_are_touched() {
    let name = "a_lazy_install_moves_only_the_files_that_are_touched";
    let Some(files) = samples::npm(name) else { return };
    let publisher = Publisher::of("npm", &files);
    let guest = publisher.guest();
    let choice = ["--set", "os=linux", "--set", "cpu.arch=x86_64"];
    let lazy = guest.json([&["install", "esbuild", "--lazy"], &choice[..]].concat());
    assert!(moved(&lazy) < 16 << 10, "a list of files took {} bytes", moved(&lazy));
    let read = guest.run([&["cat", "esbuild", "package.json"], &choice[..]].concat()).ok();
    assert!(read.text().contains(ESBUILD), "{read}");
    // With the publisher gone, what was touched is still there, and nothing else.
    drop(publisher);
    guest.run([&["cat", "esbuild", "package.json"], &choice[..]].concat()).ok();
    let untouched = guest.run([&["cat", "esbuild", "bin/esbuild"], &choice[..]].concat());
    assert_eq!(untouched.code, Some(5), "{untouched}");
}

/// A mirror of one build of 26 holds a twentieth of the bytes at most. What it holds verifies, can be
/// installed from it with the publisher gone, and be mirrored again from it.
#[test]
fn a_mirror_of_one_build_serves_it_and_so_does_a_mirror_of_that_mirror() {
    let name = "a_mirror_of_one_build_serves_it_and_so_does_a_mirror_of_that_mirror";
    let Some(files) = samples::npm(name) else { return };
    let publisher = Publisher::of("npm", &files);
    let mirror = publisher.guest();
    let add = ["mirror", "add", "esbuild", "--profile", "pi-low"];
    let held = mirror.json(add);
    assert_eq!(held["variants"], serde_json::json!(["linux-arm64"]), "{held:#}");
    let of = |held: &Value, key: &str| held[key].as_u64().unwrap();
    let (bytes, total) = (of(&held, "bytes"), of(&held, "bytes_total"));
    println!("{bytes} of {total} bytes, {} moved, {} builds", moved(&held), held["variants_total"]);
    assert!(bytes * 20 <= total, "{bytes} of {total} bytes");
    assert!(moved(&held) <= bytes * 102 / 100 + (64 << 10), "{} bytes moved", moved(&held));
    mirror.run(["verify"]).ok();
    let daemon = mirror.daemon();
    drop(publisher);

    let second = Machine::new();
    second.meet(&daemon);
    assert_eq!(second.json(add)["variants"], held["variants"]);
    second.run(["verify"]).ok();
    let serving = second.daemon();
    drop(daemon);
    let guest = Machine::new();
    guest.meet(&serving);
    let report = guest.json(["install", "esbuild", "--profile", "pi-low"]);
    assert!(installed(&report).join("bin/esbuild").exists(), "{report:#}");
    guest.run(["verify"]).ok();
    // The release is whole, and says of the other builds what it always said.
    let info = guest.json(["info", "esbuild"]);
    let variants = info["release"]["variants"].as_array().unwrap().len() as u64;
    assert_eq!(variants, of(&held, "variants_total"));
    let elsewhere = guest.run(["install", "esbuild#darwin-arm64"]);
    assert_eq!(elsewhere.code, Some(5), "{elsewhere}");
}
