//! Imports npm packages: one `.tgz` for each platform, as `npm pack` gives them.
//!
//! A family such as `@esbuild/linux-x64`, `@esbuild/darwin-arm64`, `esbuild-wasm` becomes one
//! release. `os`, `cpu` and `libc` of each `package.json` become `requires`. A package that names
//! no platform becomes the fallback: it is WebAssembly or plain JavaScript, and nothing native is
//! required for it, so that a machine nobody built for still gets something.

mod platform;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::unpack::Unpacker;
use super::{
    About, Family, ImportError, ImportOptions, LICENSE_UNKNOWN, METADATA_BYTES_MAX, Part,
    UnpackError, draft, keywords, one_line, one_version, open, read_entry, sha256, tarball,
};
use crate::draft::{Draft, SourceEntry, VariantDraft};
use crate::manifest::readme_text;
use crate::name::{NAME_BYTES_MAX, VariantId};
use crate::release::{LICENSE_BYTES_MAX, SUMMARY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::variant::Resources;
use platform::{UnknownWord, Words};

/// Where to look when an archive is not what was expected.
const HINT: &str = "expected a file made by: npm pack NAME@VERSION";

/// Quality of a build for named platforms, of plain JavaScript, and of WebAssembly.
const QUALITY_NATIVE: u8 = 80;
const QUALITY_ANY: u8 = 30;
const QUALITY_WASM: u8 = 20;

/// Makes one release of a family of npm packages.
///
/// - `files`: the `.tgz` files, one for each platform, all of one version.
/// - `work`: an existing folder; one new folder for each file is made in it, and the draft refers
///   to what lies there.
///
/// # Errors
/// [`ImportError`]; nothing was written outside of `work`.
pub fn npm(files: &[PathBuf], work: &Path, options: &ImportOptions) -> Result<Draft, ImportError> {
    let mut parts = Vec::new();
    for (index, file) in files.iter().enumerate() {
        parts.push(part(file, &work.join(format!("npm-{index}")), options)?);
    }
    let upstream = one_version(&parts)?.to_owned();
    let version = match &options.version {
        Some(version) => version.clone(),
        None => upstream.parse().map_err(|_| ImportError::Version { version: upstream })?,
    };
    let names: Vec<&str> = parts.iter().map(|part| part.label.as_str()).collect();
    let stem = family_name(&names);
    let name = match (&options.name, &stem) {
        (Some(name), _) => name.clone(),
        (None, Some(stem)) => {
            stem.parse().map_err(|source| ImportError::Name { name: stem.clone(), source })?
        }
        (None, None) => {
            return Err(ImportError::Names { names: names.into_iter().map(Into::into).collect() });
        }
    };
    let main = main_part(&parts, name.as_str());
    let upstream = match (&parts[..], stem) {
        (_, Some(stem)) if parts.len() > 1 => stem,
        _ => parts[main].label.clone(),
    };
    draft(Family { ecosystem: "npm", upstream, name, version }, parts, main, options)
}

fn part(file: &Path, store: &Path, options: &ImportOptions) -> Result<Part, ImportError> {
    let refuse =
        |reason: String| ImportError::NotPackage { archive: file.to_owned(), reason, hint: HINT };
    let (archive, bytes) = open(file)?;
    let unpacked = || -> Result<Vec<SourceEntry>, UnpackError> {
        let mut into = Unpacker::new(store, bytes, options.limits)?;
        tarball::unpack(archive, &mut into, below_top)?;
        into.finish()
    };
    let entries =
        unpacked().map_err(|source| ImportError::Unpack { archive: file.to_owned(), source })?;
    let json = read_entry(&entries, "package.json", METADATA_BYTES_MAX)
        .ok_or_else(|| refuse("it has no package.json of a usable size".into()))?;
    let json: Value = serde_json::from_slice(&json)
        .map_err(|error| refuse(format!("its package.json is not JSON: {error}")))?;
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let (Some(name), Some(version)) = (text("name"), text("version")) else {
        return Err(refuse("its package.json has no name or no version".into()));
    };
    let name = one_line(name, TEXT_BYTES_MAX);
    let variant = variant(&name, &json, entries).map_err(|UnknownWord(word)| {
        refuse(format!("{name} is for the platform {:?}, which is not known", one_line(&word, 40)))
    })?;
    Ok(Part {
        version: one_line(version, TEXT_BYTES_MAX),
        sha256: sha256(file)?,
        about: about(&json, &variant.entries),
        label: name,
        variant,
    })
}

/// The path below the archive's only top folder, which is `package` by custom.
fn below_top(name: &str) -> Option<&str> {
    let name = name.strip_prefix("./").unwrap_or(name);
    match name.split_once('/') {
        Some((_, below)) => (!below.is_empty()).then_some(below),
        None => None,
    }
}

fn variant(
    name: &str,
    json: &Value,
    entries: Vec<SourceEntry>,
) -> Result<VariantDraft, UnknownWord> {
    let cpu = texts(json.get("cpu"));
    let wasm_cpu = cpu.iter().any(|word| word == "wasm32");
    let (os, cpu, libc) = match wasm_cpu {
        true => Default::default(),
        false => (
            platform::systems(&texts(json.get("os")))?,
            platform::machines(&cpu)?,
            platform::libraries(&texts(json.get("libc")))?,
        ),
    };
    let native = os.constraint.is_some() || cpu.constraint.is_some() || libc.constraint.is_some();
    let has_wasm = entries.iter().any(|entry| entry.path().as_str().ends_with(".wasm"));
    let wasm = wasm_cpu || name.ends_with("-wasm") || has_wasm;
    let fixed = |id: &str| id.parse().expect("a name");
    let (id, quality) = match (native, wasm) {
        (true, _) => (id_of(&[&os, &cpu, &libc]), QUALITY_NATIVE),
        (false, true) => (fixed("wasm"), QUALITY_WASM),
        (false, false) => (fixed("any"), QUALITY_ANY),
    };
    let keyed = [("os", os), ("cpu.arch", cpu), ("libc", libc)];
    let requires = keyed.into_iter().filter_map(|(key, words)| {
        let fact = |text: &str| text.parse().expect("a fact that this module names");
        let constraint = words.constraint?.parse().expect("made of the words of our tables");
        Some((fact(key), constraint))
    });
    Ok(VariantDraft {
        id,
        requires: requires.collect(),
        prefers: Default::default(),
        resources: Resources::default(),
        fallback: !native,
        quality,
        entries,
    })
}

/// Names a variant in npm's words: `linux-x64-musl`.
fn id_of(words: &[&Words]) -> VariantId {
    let words: Vec<&str> =
        words.iter().flat_map(|words| &words.theirs).map(String::as_str).collect();
    let mut id = words.join("-");
    id.truncate(NAME_BYTES_MAX);
    id.trim_end_matches('-').parse().expect("made of the words of our tables")
}

fn about(json: &Value, entries: &[SourceEntry]) -> About {
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
    // Old packages wrote { type, url }, very old ones a list of those.
    let license = json.get("license").or(json.pointer("/licenses/0"));
    let license = license.and_then(|value| value.get("type").unwrap_or(value).as_str());
    // In one text, old packages separate them by commas.
    let words = texts(json.get("keywords"));
    let words: Vec<String> =
        words.iter().flat_map(|words| words.split(',')).map(str::to_owned).collect();
    About {
        summary: one_line(text("description"), SUMMARY_BYTES_MAX),
        license: one_line(license.unwrap_or(LICENSE_UNKNOWN), LICENSE_BYTES_MAX),
        keywords: keywords(&words),
        readme: find_readme(entries),
    }
}

/// The texts of a list; one bare text counts as a list of one, as npm reads it.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// What the names of a family have in common, platform words left out: `@esbuild/linux-x64` and
/// `esbuild-wasm` give `esbuild`, `@swc/core-linux-x64-gnu` gives `swc-core`.
fn family_name(names: &[&str]) -> Option<String> {
    let mut stems = names.iter().map(|name| stem(name));
    let mut common: Vec<String> = stems.next()?;
    for stem in stems {
        let same = common.iter().zip(&stem).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    (!common.is_empty()).then(|| common.join("-"))
}

/// The README beside `package.json`, whatever its spelling.
fn find_readme(entries: &[SourceEntry]) -> Option<String> {
    let path = entries.iter().map(|entry| entry.path().as_str()).find(|path| {
        let lower = path.to_ascii_lowercase();
        lower.starts_with("readme") && !lower.contains('/')
    })?;
    readme_text(&read_entry(entries, path, METADATA_BYTES_MAX)?)
}

/// The words of a name that do not tell platforms apart.
fn stem(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let (scope, bare) = match lower.strip_prefix('@').and_then(|name| name.split_once('/')) {
        Some((scope, bare)) => (Some(scope), bare),
        None => (None, lower.as_str()),
    };
    let all: Vec<&str> = bare.split('-').collect();
    let platform_words = all.iter().rev().take_while(|word| platform::names_a_platform(word));
    let mut words = all[..all.len() - platform_words.count()].to_vec();
    if words.is_empty() && scope.is_none() {
        words = all;
    }
    let scope: Vec<&str> = scope.map(|scope| scope.split('-').collect()).unwrap_or_default();
    let prefix = if words.starts_with(&scope) { &[] } else { &scope[..] };
    prefix.iter().chain(&words).map(|&word| word.to_owned()).collect()
}

/// The part that speaks for all: the package named like the family, else the fallback.
fn main_part(parts: &[Part], family: &str) -> usize {
    let named = parts.iter().position(|part| part.label == family);
    named.or_else(|| parts.iter().position(|part| part.variant.fallback)).unwrap_or(0)
}
