//! Packages of other ecosystems, fetched once with their own clients by `cargo xtask samples`.
//!
//! Tests never fetch: a sample that is not there is a test that says it was skipped.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::skip;

/// The version of the npm family.
pub const ESBUILD: &str = "0.25.5";
/// The npm family: 25 builds and one for machines nobody built for.
const NPM: [&str; 26] = [
    "@esbuild/aix-ppc64",
    "@esbuild/android-arm",
    "@esbuild/android-arm64",
    "@esbuild/android-x64",
    "@esbuild/darwin-arm64",
    "@esbuild/darwin-x64",
    "@esbuild/freebsd-arm64",
    "@esbuild/freebsd-x64",
    "@esbuild/linux-arm",
    "@esbuild/linux-arm64",
    "@esbuild/linux-ia32",
    "@esbuild/linux-loong64",
    "@esbuild/linux-mips64el",
    "@esbuild/linux-ppc64",
    "@esbuild/linux-riscv64",
    "@esbuild/linux-s390x",
    "@esbuild/linux-x64",
    "@esbuild/netbsd-arm64",
    "@esbuild/netbsd-x64",
    "@esbuild/openbsd-arm64",
    "@esbuild/openbsd-x64",
    "@esbuild/sunos-x64",
    "@esbuild/win32-arm64",
    "@esbuild/win32-ia32",
    "@esbuild/win32-x64",
    "esbuild-wasm",
];

/// The version of the wheel family.
pub const MARKUPSAFE: &str = "3.0.2";
/// Platforms of the wheel family.
const PLATFORMS: [&str; 5] = [
    "manylinux2014_x86_64",
    "manylinux2014_aarch64",
    "musllinux_1_2_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
];

/// A package of which there are two versions, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Sequel {
    /// What its registry calls it.
    pub name: &'static str,
    /// Which registry's files these are.
    pub family: Family,
    /// The older version and the newer one.
    pub versions: [&'static str; 2],
}

/// Whose archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Tarballs, fetched with `npm`.
    Npm,
    /// Wheels, fetched with `pip`.
    Wheel,
}

/// Updates to measure: two programs of one file, and a package of a thousand.
pub const SEQUELS: [Sequel; 3] = [
    Sequel { name: "@esbuild/linux-x64", family: Family::Npm, versions: ["0.25.4", ESBUILD] },
    Sequel { name: "ruff", family: Family::Wheel, versions: ["0.17.5", "0.17.6"] },
    Sequel { name: "numpy", family: Family::Wheel, versions: ["2.4.5", "2.4.6"] },
];
/// The platforms of wheels for this kind of machine, the newest last.
const PLATFORMS_HERE: [&str; 3] =
    ["manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"];

/// Where samples lie: `CATALOG_SAMPLES`, or `target/samples` of this workspace.
pub fn dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    env::var_os("CATALOG_SAMPLES").map_or_else(|| workspace.join("target/samples"), PathBuf::from)
}

/// The files of the npm family; `None`, said loudly, when they were never fetched.
pub fn npm(test: &str) -> Option<Vec<PathBuf>> {
    family(test, "npm", &format!("esbuild-*-{ESBUILD}.tgz"), NPM.len())
}

/// The files of the wheel family; `None`, said loudly, when they were never fetched.
pub fn wheels(test: &str) -> Option<Vec<PathBuf>> {
    family(test, "wheel", &format!("markupsafe-{MARKUPSAFE}-cp312-*.whl"), PLATFORMS.len())
}

/// The archives of a sequel, the older first; `None`, said loudly, when they were never fetched.
pub fn sequel(test: &str, sequel: &Sequel) -> Option<[PathBuf; 2]> {
    let archive = |version: &str| {
        let (folder, pattern) = match sequel.family {
            Family::Npm => {
                let name = sequel.name.trim_start_matches('@').replace('/', "-");
                ("npm", format!("{name}-{version}.tgz*"))
            }
            // Of numpy there is a wheel for each Python; ruff needs none.
            Family::Wheel if sequel.name == "numpy" => {
                ("wheel", format!("{}-{version}-cp312-*manylinux_2_28_x86_64.whl", sequel.name))
            }
            Family::Wheel => {
                ("wheel", format!("{}-{version}-*manylinux2014_x86_64.whl", sequel.name))
            }
        };
        family(test, folder, &pattern, 1)?.into_iter().next()
    };
    let [old, new] = sequel.versions;
    Some([archive(old)?, archive(new)?])
}

/// The files of `dir()/folder` whose names start and end as `pattern` does around its `*`.
fn family(test: &str, folder: &str, pattern: &str, count: usize) -> Option<Vec<PathBuf>> {
    let dir = dir().join(folder);
    let (start, end) = pattern.split_once('*').unwrap();
    let entries = fs::read_dir(&dir).ok().into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.starts_with(start) && name.ends_with(end)
    });
    files.sort();
    if files.len() < count {
        let found = files.len();
        let why =
            format!("{found} of {count} samples in {}; run `cargo xtask samples`", dir.display());
        skip(test, &why);
        return None;
    }
    Some(files)
}

/// Fetches both families, and what updates are measured with, by `npm` and `pip`.
///
/// # Errors
/// When a client is missing or says no.
pub fn fetch() -> io::Result<()> {
    let npm = dir().join("npm");
    fs::create_dir_all(&npm)?;
    let packages = NPM.map(|name| format!("{name}@{ESBUILD}"));
    run(Command::new("npm").arg("pack").args(packages).current_dir(&npm))?;
    let wheels = dir().join("wheel");
    fs::create_dir_all(&wheels)?;
    for platform in PLATFORMS {
        let package = format!("markupsafe=={MARKUPSAFE}");
        run(Command::new("pip")
            .args(["download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12"])
            .args(["--platform", platform, &package])
            .current_dir(&wheels))?;
    }
    for Sequel { name, family, versions } in SEQUELS {
        for version in versions {
            match family {
                Family::Npm => {
                    let package = format!("{name}@{version}");
                    run(Command::new("npm").args(["pack", &package]).current_dir(&npm))?;
                }
                Family::Wheel => {
                    let mut pip = Command::new("pip");
                    pip.args(["download", "--no-deps", "--only-binary=:all:"]).args([
                        "--python-version",
                        "3.12",
                        &format!("{name}=={version}"),
                    ]);
                    for platform in PLATFORMS_HERE {
                        pip.args(["--platform", platform]);
                    }
                    run(pip.current_dir(&wheels))?;
                }
            }
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{command:?} ended with {status}"))),
    }
}
