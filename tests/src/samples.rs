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
/// The npm family: five builds and one for machines nobody built for.
const NPM: [&str; 6] = [
    "@esbuild/linux-x64",
    "@esbuild/linux-arm64",
    "@esbuild/darwin-arm64",
    "@esbuild/win32-x64",
    "@esbuild/android-arm64",
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

/// Fetches both families with `npm` and `pip`.
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
    Ok(())
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{command:?} ended with {status}"))),
    }
}
