//! Keeps the shape of the workspace: which crate may use which, where each heavy library lives,
//! and what a public signature may name.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates from the top down; an arrow only ever points to a later row. Crates of one row do not
/// know each other.
const ROWS: [&[&str]; 6] = [
    &["catalog-benches", "xtask"],
    &["catalog-tests"],
    &["catalog-cli"],
    &["catalog-node"],
    &["catalog-sync", "catalog-mirror", "catalog-discovery"],
    &["catalog"],
];

/// The heavy libraries, and the crates that may depend on them. Benches build rivals from some.
const HOMES: [(&str, &[&str]); 16] = [
    ("redb", &["catalog"]),
    ("ed25519-dalek", &["catalog"]),
    ("chacha20poly1305", &["catalog"]),
    ("x25519-dalek", &["catalog"]),
    ("blake3", &["catalog", "catalog-benches"]),
    ("rs_merkle", &["catalog-sync"]),
    ("tantivy", &["catalog-discovery"]),
    ("tantivy-fst", &["catalog-discovery"]),
    ("tokio", &["catalog-node", "catalog-cli", "catalog-benches"]),
    ("iroh", &["catalog-node", "catalog-benches"]),
    ("iroh-blobs", &["catalog-node", "catalog-benches"]),
    ("axum", &["catalog-node"]),
    ("zstd", &["catalog-node"]),
    ("clap", &["catalog-cli"]),
    ("miette", &["catalog-cli"]),
    ("indicatif", &["catalog-cli"]),
];

/// Libraries that no public signature names, so that each can be replaced.
const HIDDEN: [&str; 8] = [
    "iroh",
    "iroh_base",
    "iroh_blobs",
    "redb",
    "tantivy",
    "ed25519_dalek",
    "chacha20poly1305",
    "x25519_dalek",
];

struct Package {
    name: String,
    dir: PathBuf,
    /// Ordinary, build and per-target dependencies; what only tests use may be anything.
    dependencies: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<Package> {
    let read = |path: PathBuf| -> toml::Table {
        fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|e| panic!("{path:?}: {e}"))
    };
    let workspace = read(root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap().clone();
    members
        .iter()
        .map(|member| {
            let dir = root().join(member.as_str().unwrap());
            let manifest = read(dir.join("Cargo.toml"));
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            let mut dependencies = BTreeSet::new();
            collect_dependencies(&manifest, &mut dependencies);
            Package { name, dir, dependencies }
        })
        .collect()
}

fn collect_dependencies(table: &toml::Table, into: &mut BTreeSet<String>) {
    for kind in ["dependencies", "build-dependencies"] {
        let Some(list) = table.get(kind).and_then(|list| list.as_table()) else { continue };
        for (name, value) in list {
            let real = value.get("package").and_then(|package| package.as_str()).unwrap_or(name);
            into.insert(real.to_owned());
        }
    }
    for target in table.get("target").and_then(|t| t.as_table()).into_iter().flatten() {
        collect_dependencies(target.1.as_table().unwrap(), into);
    }
}

/// Every Rust file below `dir`, without build output.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn row(package: &str) -> usize {
    ROWS.iter()
        .position(|row| row.contains(&package))
        .unwrap_or_else(|| panic!("{package} has no row in the order of crates"))
}

#[test]
fn no_arrow_points_up_or_sideways() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        for dependency in package.dependencies.iter().filter(|d| ours.contains(d.as_str())) {
            assert!(
                row(&package.name) < row(dependency),
                "{} may not depend on {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn every_heavy_library_stays_at_home() {
    for package in packages() {
        for (library, homes) in HOMES {
            assert!(
                !package.dependencies.contains(library) || homes.contains(&package.name.as_str()),
                "{library} belongs in {homes:?}, but {} depends on it",
                package.name
            );
        }
    }
}

#[test]
fn no_public_signature_names_a_hidden_library() {
    let mut faults = Vec::new();
    for package in packages() {
        for file in sources(&package.dir.join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            for (line, signature) in public_signatures(&text) {
                for word in foreign_words(&text).iter().filter(|word| names(&signature, word)) {
                    faults.push(format!("{}:{line}: {word} in `{signature}`", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a signature must not contain: the hidden crates, and the names a file imports from them.
fn foreign_words(text: &str) -> BTreeSet<String> {
    let mut words: BTreeSet<String> =
        HIDDEN.iter().map(|crate_name| format!("{crate_name}::")).collect();
    for import in format!("\n{text}").split("\nuse ").skip(1) {
        let import = import.split(';').next().unwrap_or_default();
        let Some((crate_name, names)) = import.split_once("::") else { continue };
        if !HIDDEN.contains(&crate_name.trim_start_matches("::")) {
            continue;
        }
        for name in names.split(['{', '}', ',']) {
            // `a::B as C` is known by `C`, `a::B` by `B`.
            let name = name.rsplit("::").next().unwrap_or_default();
            let name = name.rsplit(" as ").next().unwrap_or_default().trim();
            if name.starts_with(char::is_uppercase) {
                words.insert(name.to_owned());
            }
        }
    }
    words
}

fn names(signature: &str, word: &str) -> bool {
    signature.match_indices(word).any(|(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        !signature[..at].ends_with(|c| inside(c) || c == ':')
            && (word.ends_with(':') || !signature[at + word.len()..].starts_with(inside))
    })
}

/// Every public item of a file without its body, with its line: functions up to `{`, types with
/// their public fields or variants, and conversions from other types.
fn public_signatures(text: &str) -> Vec<(usize, String)> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    let mut hidden = false;
    for (at, line) in lines.iter().enumerate() {
        let item = line.trim_start();
        if line.starts_with("impl") {
            hidden = is_hidden(code, line);
        }
        if !line.starts_with(' ') && line.starts_with('}') {
            hidden = false;
        }
        if hidden {
            continue;
        }
        let indent = line.len() - item.len();
        let whole = ["pub enum ", "pub trait "].iter().any(|start| item.starts_with(start));
        let fields = item.starts_with("pub struct ");
        let head = item.starts_with("impl From<")
            || ["pub fn", "pub async fn", "pub const", "pub type", "pub use", "pub static"]
                .iter()
                .any(|start| item.starts_with(start));
        if !(whole || fields || head) {
            continue;
        }
        let mut signature = String::new();
        for (below, line) in lines[at..].iter().enumerate() {
            let part = line.trim();
            let comment = part.starts_with("//");
            let private = fields && below > 0 && !part.starts_with("pub ");
            if fields && below == 0 {
                signature.push_str(&public_head(part));
            } else if !comment && !private {
                signature.push_str(part);
                signature.push(' ');
            }
            let closed = line.len() - line.trim_start().len() == indent && part.starts_with('}');
            let opened = part.ends_with('{') && !(whole || fields);
            if closed || opened || part.ends_with(';') || (below == 0 && part.ends_with('}')) {
                break;
            }
        }
        found.push((at + 1, signature));
    }
    found
}

/// Whether an `impl` line is about a type that this file defines without making it public.
fn is_hidden(code: &str, line: &str) -> bool {
    let mut depth = 0;
    // Everything between angle brackets is out of the way before the name is looked for.
    let plain: String = line
        .chars()
        .filter(|&c| {
            depth += i32::from(c == '<');
            let outside = depth == 0;
            depth -= i32::from(c == '>');
            outside
        })
        .collect();
    let about = plain.rsplit(" for ").next().unwrap_or_default();
    let about = about.trim_start_matches("impl").trim_end_matches('{').trim();
    ["struct", "enum"].iter().any(|kind| {
        code.lines().any(|line| {
            let defined = line.split_once(&format!("{kind} {about}"));
            defined.is_some_and(|(visibility, rest)| {
                visibility != "pub " && !rest.starts_with(|c: char| c.is_alphanumeric())
            })
        })
    })
}

/// The first line of a struct, of its unnamed fields only the public ones.
fn public_head(line: &str) -> String {
    let Some((name, fields)) = line.split_once('(') else { return line.to_owned() };
    let public = fields.split(',').filter(|field| field.trim_start().starts_with("pub "));
    format!("{name}({}", public.collect::<String>())
}

#[test]
fn the_signature_check_sees_what_it_looks_for() {
    let text = "use redb::{Database, ReadableTable as Table};
pub struct Hidden(Database);
pub struct Store {
    inner: Database,
    pub table: Table,
}
pub enum E {
    A { source: redb::Error },
}
pub(super) struct Tables<'t> {
}
impl<'t> Tables<'t> {
    pub fn open(txn: &'t redb::WriteTransaction) -> Self {
    }
}
impl Store {
    pub(crate) fn a(&self) -> &Database {
    }
    pub fn b(
        &self,
        d: &Database,
    ) -> u8 {
        1
    }
}
";
    let foreign = foreign_words(text);
    let faults: Vec<usize> = public_signatures(text)
        .into_iter()
        .filter(|(_, signature)| foreign.iter().any(|word| names(signature, word)))
        .map(|(line, _)| line)
        .collect();
    assert_eq!(faults, [3, 7, 19]);
}

#[test]
fn tests_wait_for_events_instead_of_sleeping() {
    let sleeps = [["thread::", "sleep("].concat(), ["time::", "sleep("].concat()];
    for package in packages() {
        for file in sources(&package.dir) {
            let text = fs::read_to_string(&file).unwrap();
            let of_tests = file.strip_prefix(&package.dir).unwrap().starts_with("tests")
                || package.name == "catalog-tests";
            let from = if of_tests { Some(0) } else { text.find("#[cfg(test)]") };
            let Some(from) = from else { continue };
            for sleep in &sleeps {
                assert!(!text[from..].contains(sleep.as_str()), "{} sleeps", file.display());
            }
        }
    }
}

/// The table in `docs/threats.md` promises tests: each must be there under that name.
#[test]
fn every_test_named_in_the_threat_table_exists() {
    let table = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let mut code = String::new();
    for package in packages() {
        for file in sources(&package.dir) {
            code.push_str(&fs::read_to_string(&file).unwrap());
        }
    }
    let mut rows = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(number) = cells[0].parse::<u32>() else { continue };
        rows.insert(number);
        let tests: Vec<&str> = cells[2..].iter().flat_map(|cell| quoted(cell)).collect();
        assert!(!tests.is_empty(), "row {} names no test", cells[0]);
        for test in tests {
            let name = test.rsplit("::").next().unwrap();
            assert!(code.contains(&format!("fn {name}(")), "row {}: no test {name}", cells[0]);
        }
    }
    let wanted = [1..=1, 9..=17, 21..=28, 37..=49, 54..=56].into_iter().flatten();
    let missing: Vec<u32> = wanted.filter(|row| !rows.contains(row)).collect();
    assert!(missing.is_empty(), "the threat table lacks rows {missing:?}");
}

/// The texts between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
