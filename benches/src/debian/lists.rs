//! The package index of this machine, as far as a search needs it.
//!
//! `apt` keeps what packages are called and need in `*_Packages` files, and their long texts in
//! `*_Translation-en`, in the clear or compressed. Small images leave the texts out; where they are
//! missing, the bench says how to fetch them into a folder of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog::release::{DEPENDENCIES_MAX, DESCRIPTION_BYTES_MAX, Dependency, KEYWORDS_MAX};
use catalog::release::{Release, SUMMARY_BYTES_MAX, WORD_BYTES_MAX};
use catalog::{ByteSize, Digest, PackageName, PublisherId};
use semver::VersionReq;

use super::{Content, paragraphs, plain};

/// Where `apt` keeps its lists.
pub const LISTS: &str = "/var/lib/apt/lists";
/// Reads a list, however it is compressed.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// One package of the index.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// In the catalog's alphabet.
    pub name: String,
    /// What it was built from: packages of one source are a family.
    pub source: String,
    /// Such as `games`.
    pub section: String,
    maintainer: String,
    /// What it is, in a line.
    pub summary: String,
    /// What it is, at length; empty where the lists say nothing.
    pub description: String,
    /// Such as `role::program`.
    pub tags: Vec<String>,
    size: u64,
    /// Names it depends on or recommends, that exist.
    needs: Vec<String>,
    /// Names it recommends or suggests, that exist.
    wishes: Vec<String>,
    /// How many other sources need or suggest it.
    pub dependents: usize,
}

/// Every package of the lists in `dir`, in order of name.
///
/// # Errors
/// A sentence about what is missing.
pub fn packages(dir: &Path) -> Result<Vec<Package>, String> {
    let lists = |part: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().contains(part)))
            .collect();
        // What fixes security stands last: it has the newer texts.
        paths.sort_by_key(|path| (path.to_string_lossy().contains("security"), path.clone()));
        paths
    };
    let (indexes, texts) = (lists("_Packages"), lists("_Translation-en"));
    if indexes.is_empty() || texts.is_empty() {
        return Err(format!(
            "{} has no package lists with long texts; `apt-get update -o Dir::State::lists=DIR \
             -o Acquire::Languages=en` fetches them, `--lists DIR` names them",
            dir.display()
        ));
    }
    let mut long = HashMap::new();
    for path in texts {
        for mut fields in paragraphs(&read(&path)?) {
            let key = (taken(&mut fields, "Package"), taken(&mut fields, "Description-md5"));
            long.insert(key, taken(&mut fields, "Description-en"));
        }
    }
    let mut packages = BTreeMap::new();
    let mut wishes = HashMap::new();
    for path in indexes {
        for fields in paragraphs(&read(&path)?) {
            let Some((package, wished)) = package(fields, &long) else { continue };
            wishes.insert(package.name.clone(), wished);
            packages.insert(package.name.clone(), package);
        }
    }
    relate(&mut packages, &wishes);
    Ok(packages.into_values().collect())
}

/// Says who needs whom: of alternatives the first that exists.
fn relate(packages: &mut BTreeMap<String, Package>, wishes: &HashMap<String, [Vec<String>; 3]>) {
    let mut dependents: HashMap<String, HashSet<String>> = HashMap::new();
    let mut needs: HashMap<String, Vec<String>> = HashMap::new();
    let mut wished: HashMap<String, Vec<String>> = HashMap::new();
    for (name, [needed, recommended, suggested]) in wishes {
        let source = &packages[name].source;
        // Whether it is needed or recommended, and whether it is recommended or suggested.
        let groups = needed.iter().map(|group| (group, [true, false]));
        let groups = groups.chain(recommended.iter().map(|group| (group, [true, true])));
        let groups = groups.chain(suggested.iter().map(|group| (group, [false, true])));
        for (group, [needed, is_wish]) in groups {
            let mut choices = group.split('|').filter_map(named);
            let Some(found) = choices.find_map(|choice| packages.get(&choice)) else { continue };
            if found.source != *source {
                dependents.entry(found.name.clone()).or_default().insert(source.clone());
            }
            if needed && found.name != *name {
                needs.entry(name.clone()).or_default().push(found.name.clone());
            }
            if is_wish && found.name != *name {
                wished.entry(name.clone()).or_default().push(found.name.clone());
            }
        }
    }
    for package in packages.values_mut() {
        package.dependents = dependents.get(&package.name).map_or(0, HashSet::len);
        package.needs = needs.remove(&package.name).unwrap_or_default();
        package.needs.sort_unstable();
        package.needs.dedup();
        package.needs.truncate(DEPENDENCIES_MAX);
        package.wishes = wished.remove(&package.name).unwrap_or_default();
        package.wishes.sort_unstable();
        package.wishes.dedup();
    }
}

/// The package of a paragraph, and the groups of names that it needs, and suggests.
fn package(
    mut fields: HashMap<String, String>,
    long: &HashMap<(String, String), String>,
) -> Option<(Package, [Vec<String>; 3])> {
    let upstream = taken(&mut fields, "Package");
    let name = named(&upstream)?;
    let key = (upstream.clone(), taken(&mut fields, "Description-md5"));
    let mut summary = taken(&mut fields, "Description");
    let mut description = String::new();
    if let Some((first, rest)) = long.get(&key).and_then(|text| text.split_once('\n')) {
        summary = first.to_owned();
        let lines = rest.lines().map(|line| if line.trim() == "." { "" } else { line });
        description = lines.collect::<Vec<_>>().join("\n");
    }
    let tags = taken(&mut fields, "Tag").replace('\n', " ");
    let tags = tags.split(',').map(str::trim);
    let tags = tags.filter(|tag| (1..=WORD_BYTES_MAX).contains(&tag.len()) && tag.contains("::"));
    let source = taken(&mut fields, "Source");
    let groups = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut needed = groups(taken(&mut fields, "Depends"));
    needed.extend(groups(taken(&mut fields, "Pre-Depends")));
    let recommended = groups(taken(&mut fields, "Recommends"));
    let suggested = groups(taken(&mut fields, "Suggests"));
    let package = Package {
        source: source.split(' ').next().filter(|s| !s.is_empty()).unwrap_or(&upstream).to_owned(),
        section: taken(&mut fields, "Section"),
        maintainer: taken(&mut fields, "Maintainer"),
        summary: clear(&summary, SUMMARY_BYTES_MAX),
        description: clear(&description, DESCRIPTION_BYTES_MAX),
        tags: tags.take(KEYWORDS_MAX).map(str::to_owned).collect(),
        size: taken(&mut fields, "Size").parse().unwrap_or(0),
        name,
        ..Package::default()
    };
    Some((package, [needed, recommended, suggested]))
}

/// A name over there in our alphabet: `g++ (>= 12)` is `gpp`.
fn named(text: &str) -> Option<String> {
    let name = text.trim().split([' ', ':', '(', '[', '<', '\n']).next()?;
    let name = name.replace("++", "pp").replace('+', "-plus").to_lowercase();
    name.parse::<PackageName>().ok().map(|name| name.to_string())
}

/// At most `bytes` bytes of a text, without characters that releases refuse.
fn clear(text: &str, bytes: usize) -> String {
    let text: String = text.chars().filter(|&c| c == '\n' || !c.is_control()).collect();
    let end = text.floor_char_boundary(bytes);
    text[..end].trim().to_owned()
}

fn taken(fields: &mut HashMap<String, String>, field: &str) -> String {
    fields.remove(field).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    let plain = path.extension().is_none_or(|ending| ending.len() > 4);
    let bytes = match plain {
        true => fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        false => {
            let output = Command::new(HELPER).arg("cat-file").arg(path).output();
            output.map_err(|error| format!("{HELPER}: {error}"))?.stdout
        }
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A release of every package, signed for by its maintainer.
pub fn releases(packages: &[Package]) -> Vec<Release> {
    made(packages, |package| package.needs.iter().map(|name| (name, false)).collect())
}

/// The same, in which what a package recommends or suggests is optional.
pub fn releases_with_wishes(packages: &[Package]) -> Vec<Release> {
    made(packages, |package| {
        let needed = package.needs.iter().filter(|name| !package.wishes.contains(name));
        let needed = needed.map(|name| (name, false));
        let all = needed.chain(package.wishes.iter().map(|name| (name, true)));
        all.take(DEPENDENCIES_MAX).collect()
    })
}

/// Releases that depend on these names; whether each is optional stands beside it.
fn made(packages: &[Package], needs: impl Fn(&Package) -> Vec<(&String, bool)>) -> Vec<Release> {
    let publishers: HashMap<&str, PublisherId> =
        packages.iter().map(|package| (package.name.as_str(), package.publisher())).collect();
    let release = |package: &Package| {
        let needs = needs(package).into_iter();
        let needs = needs.filter_map(|(name, how)| Some((name, publishers.get(&**name)?, how)));
        let dependencies = needs.map(|(name, &publisher, optional)| Dependency {
            publisher,
            name: name.parse().unwrap(),
            range: VersionReq::STAR,
            optional,
            on: None,
        });
        Release {
            summary: package.summary.clone(),
            keywords: unique(&package.tags),
            dependencies: dependencies.collect(),
            description: Some(package.description.clone()).filter(|text| !text.is_empty()),
            ..plain(package.publisher(), package.name.parse().unwrap(), package.content())
        }
    };
    packages.iter().map(release).collect()
}

fn unique(words: &[String]) -> Vec<String> {
    words.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

impl Package {
    fn publisher(&self) -> PublisherId {
        PublisherId::of_inception(self.maintainer.as_bytes())
    }

    fn content(&self) -> Content {
        Content { root: Digest::of(self.name.as_bytes()), size: ByteSize::bytes(self.size) }
    }
}
