//! Releases made from the machine's own package index: tens of thousands, as large as real ones.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;

use catalog::release::{DEPENDENCIES_MAX, Dependency, KEYWORDS_MAX, WORD_BYTES_MAX};
use catalog::release::{MirrorHints, Provenance, Release};
use catalog::{
    ByteSize, Digest, PackageKind, PackageName, Permission, PublisherId, Resources, Sha256Digest,
    Timestamp, Variant,
};
use semver::{Version, VersionReq};

/// What the index says of one package.
pub struct Package {
    pub name: PackageName,
    fields: BTreeMap<String, String>,
}

/// Everything that `apt` knows, in its order; empty where there is no `apt`.
pub fn packages() -> Vec<Package> {
    let output = Command::new("apt-cache").arg("dumpavail").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mut seen = HashSet::new();
    let text = text.unwrap_or_default();
    text.split("\n\n")
        .filter_map(parse)
        .filter(|package| seen.insert(package.name.clone()))
        .collect()
}

/// One paragraph: fields, of which later lines are indented.
fn parse(paragraph: &str) -> Option<Package> {
    let (mut fields, mut last) = (BTreeMap::<String, String>::new(), String::new());
    for line in paragraph.lines() {
        match line.split_once(':') {
            Some((field, value)) if !line.starts_with(' ') => {
                last = field.to_owned();
                fields.insert(last.clone(), value.trim().to_owned());
            }
            _ => fields.entry(last.clone()).or_default().push_str(line),
        }
    }
    Some(Package { name: name(fields.get("Package")?)?, fields })
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
        let content = Digest::of(self.field("Filename").as_bytes());
        let variant = Variant {
            id: "generic".parse().unwrap(),
            requires: BTreeMap::new(),
            prefers: BTreeMap::new(),
            resources: Resources::default(),
            fallback: false,
            quality: 50,
            root: content,
            tree: Digest::of(content.as_bytes()),
            size: ByteSize::bytes(self.field("Size").parse().unwrap_or(0)),
            files: 1,
        };
        let archive = self.field("Filename").rsplit('/').next().unwrap_or_default().to_owned();
        let hash = hex::decode(self.field("SHA256")).ok().and_then(|hash| hash.try_into().ok());
        let hash = Sha256Digest::from_bytes(hash.unwrap_or_default());
        Release {
            publisher,
            seq,
            time,
            name: self.name.clone(),
            version: version(self.field("Version")),
            kind: PackageKind::Service,
            summary: self.field("Description").chars().take(70).collect(),
            license: "GPL-2.0-or-later".to_owned(),
            keywords: self.keywords(),
            tags: vec![self.section().to_owned()],
            provides: Vec::new(),
            dependencies: self.dependencies(publisher),
            capabilities: BTreeMap::new(),
            permission: Permission::Public,
            mirror: MirrorHints::default(),
            description: None,
            provenance: Some(Provenance {
                ecosystem: "deb".to_owned(),
                name: self.field("Package").to_owned(),
                version: self.field("Version").to_owned(),
                files: vec![("generic".parse().unwrap(), archive, hash)],
            }),
            variants: vec![variant],
            extensions: BTreeMap::new(),
        }
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
