//! Releases made from the machine's own package index: tens of thousands, as large as real ones.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use catalog::release::{DEPENDENCIES_MAX, Dependency, KEYWORDS_MAX, WORD_BYTES_MAX};
use catalog::release::{Provenance, Release};
use catalog::{ByteSize, Digest, PackageName, PublisherId, Sha256Digest, Timestamp};
use catalog_benches::debian::{Content, paragraphs, plain};
use semver::{Version, VersionReq};

/// What the index says of one package.
pub struct Package {
    pub name: PackageName,
    fields: HashMap<String, String>,
}

/// Everything that `apt` knows, in its order; empty where there is no `apt`.
pub fn packages() -> Vec<Package> {
    let output = Command::new("apt-cache").arg("dumpavail").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mut seen = HashSet::new();
    let text = text.unwrap_or_default();
    paragraphs(&text)
        .filter_map(|fields| Some(Package { name: name(fields.get("Package")?)?, fields }))
        .filter(|package| seen.insert(package.name.clone()))
        .collect()
}

/// Names over there may have a plus.
fn name(text: &str) -> Option<PackageName> {
    text.replace('+', "-plus").parse().ok()
}

impl Package {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The section that it is in, such as `games`.
    pub fn section(&self) -> &str {
        self.field("Section")
    }

    /// The release that an importer makes of it.
    pub fn release(&self, publisher: PublisherId, seq: u64, time: Timestamp) -> Release {
        let content = Content {
            root: Digest::of(self.field("Filename").as_bytes()),
            size: ByteSize::bytes(self.field("Size").parse().unwrap_or(0)),
        };
        let archive = self.field("Filename").rsplit('/').next().unwrap_or_default().to_owned();
        let hash = hex::decode(self.field("SHA256")).ok().and_then(|hash| hash.try_into().ok());
        let hash = Sha256Digest::from_bytes(hash.unwrap_or_default());
        Release {
            seq,
            time,
            version: version(self.field("Version")),
            summary: self.summary(),
            keywords: self.keywords(),
            tags: vec![self.section().to_owned()],
            dependencies: self.dependencies(publisher),
            provenance: Some(Provenance {
                ecosystem: "deb".to_owned(),
                name: self.field("Package").to_owned(),
                version: self.field("Version").to_owned(),
                files: vec![("generic".parse().unwrap(), archive, hash)],
            }),
            ..plain(publisher, self.name.clone(), content)
        }
    }

    /// The first words of what it says of itself, in one line.
    fn summary(&self) -> String {
        self.field("Description").replace('\n', " ").chars().take(70).collect()
    }

    fn keywords(&self) -> Vec<String> {
        let words = self.field("Tag").split(',').map(str::trim);
        let words = words.filter(|word| (1..=WORD_BYTES_MAX).contains(&word.len()));
        words.take(KEYWORDS_MAX).map(str::to_owned).collect()
    }

    fn dependencies(&self, publisher: PublisherId) -> Vec<Dependency> {
        let mut seen = HashSet::new();
        let names = self.field("Depends").split(',').filter_map(|words| {
            let word = words.split_whitespace().next()?;
            name(word.split(':').next()?)
        });
        names
            .filter(|name| seen.insert(name.clone()))
            .take(DEPENDENCIES_MAX)
            .map(|name| Dependency {
                publisher,
                name,
                range: VersionReq::STAR,
                optional: false,
                on: None,
            })
            .collect()
    }
}

/// The first three numbers of a version over there.
fn version(text: &str) -> Version {
    let text = text.split_once(':').map_or(text, |(_, version)| version);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let mut next = || numbers.next().unwrap_or(0);
    Version::new(next(), next(), next())
}
