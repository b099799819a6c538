//! What can run a program here: the machine itself, and interpreters that are on the search path.
//!
//! Only their files are looked at. Where a version stands in a file beside the program, or in its
//! name, it is taken from there; else it is not known.

use super::super::facts::{FactValue, Facts};
use super::{key, unknown, word};
use crate::variant::DottedVersion;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Programs that run something, and what: a version is looked for only where we know how.
const RUNNERS: [(&str, &[&str]); 5] = [
    ("node", &["node"]),
    ("deno", &["deno"]),
    ("bun", &["bun"]),
    ("wasmtime", &["wasip1", "wasip2"]),
    ("wasmer", &["wasip1"]),
];

/// Names that Python goes by, the usual one first.
const PYTHONS: [&str; 11] = [
    "python3",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
    "python3.16",
    "python3.17",
];

/// Fills in `runtime` and `python`.
pub(super) fn detect(facts: &mut Facts, path: Option<&OsStr>) {
    let folders: Vec<PathBuf> =
        path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let mut runtimes = vec![FactValue::unversioned(word("native"))];
    for (program, runs) in RUNNERS {
        let Some(found) = find(&folders, program) else { continue };
        for name in runs {
            let version = (*name == "node").then(|| node_version(&found)).flatten();
            let runtime = match version {
                Some(version) => FactValue::versioned(word(name), version),
                None => FactValue::unversioned(word(name)),
            };
            if !runtimes.contains(&runtime) {
                runtimes.push(runtime);
            }
        }
    }
    facts.set(key("runtime"), runtimes);

    let mut pythons: Vec<FactValue> = Vec::new();
    for found in PYTHONS.iter().filter_map(|name| find(&folders, name)) {
        let Some(version) = python_version(&found) else { continue };
        let python = FactValue::versioned(word("cpython"), version);
        if !pythons.contains(&python) {
            pythons.push(python);
        }
    }
    // Projects often bring their own, which is not on the path.
    match pythons.is_empty() {
        true => unknown(facts, "python", "none on the search path"),
        false => facts.set(key("python"), pythons),
    }
}

fn find(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let found = folders.iter().map(|folder| folder.join(&file)).find(|path| path.is_file())?;
    found.canonicalize().ok()
}

/// The version in the header that is installed with Node.js, `bin/node` -> `include/node/`.
fn node_version(program: &Path) -> Option<DottedVersion> {
    let header = program.parent()?.parent()?.join("include/node/node_version.h");
    let text = super::linux::read_text(&header)?;
    let number = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(name))?;
        line.split_whitespace().nth(2)
    };
    let (major, minor) = (number("NODE_MAJOR_VERSION")?, number("NODE_MINOR_VERSION")?);
    format!("{major}.{minor}").parse().ok()
}

/// The version in the name of the program that a link such as `python3` leads to.
fn python_version(program: &Path) -> Option<DottedVersion> {
    let version = program.file_name()?.to_str()?.strip_prefix("python")?;
    DottedVersion::leading(version).filter(|version| version.as_str().contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn interpreters_are_found_without_being_run() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        };
        for program in ["node", "wasmtime", "wasmer", "python3.11"] {
            file(&format!("bin/{program}"), "exit 1");
        }
        file(
            "include/node/node_version.h",
            "#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 1\n",
        );
        fs::copy(root.path().join("bin/python3.11"), root.path().join("bin/python3")).unwrap();
        let mut facts = Facts::default();
        detect(&mut facts, Some(root.path().join("bin").as_os_str()));
        let spoken = |key: &str| {
            let values = &facts.values[key];
            values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(spoken("runtime"), "native node@20.1 wasip1 wasip2");
        assert_eq!(spoken("python"), "cpython@3.11");
    }

    #[test]
    fn without_a_search_path_only_the_machine_itself_runs_programs() {
        let mut facts = Facts::default();
        detect(&mut facts, None);
        assert_eq!(facts.values["runtime"].len(), 1);
        assert_eq!(facts.gap(&key("python")), Some("none on the search path"));
    }
}
