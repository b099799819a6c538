//! Writes the seeds of every fuzz target: small inputs that are valid, so that mutations start
//! close to what is accepted. Run it after a format has changed: `cargo run --example seeds`.

use catalog::head::{Head, SealedHead};
use catalog::identity::{Inception, KeyState};
use catalog::release::{Dependency, MirrorHints, PackageKind, Provenance};
use catalog::statement::{ChannelMove, SealedStatement, Statement, Yank};
use catalog::variant::{Amount, Count, Resources};
use catalog::{
    ByteSize, Digest, NodeId, Permission, Release, SecretKey, Sha256Digest, Timestamp, Tree,
    TreeEntry, Variant, cbor, cbor::Value,
};
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    write(&seeds.join("cbor"), values())?;
    write(&seeds.join("tree"), trees()?)?;
    write(&seeds.join("statement"), statements()?)?;
    write(&seeds.join("head"), vec![("signed", head()?)])?;
    Ok(())
}

fn write(folder: &Path, seeds: Vec<(&str, Vec<u8>)>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

fn values() -> Vec<(&'static str, Vec<u8>)> {
    let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    let numbers: Value = numbers.into_iter().map(Value::Uint).collect();
    let texts: Value = ["", "a", "é", "日本", "👩\u{200d}💻"].into_iter().map(Value::from).collect();
    let nested = (0..15).fold(Value::Null, |inner, _| vec![inner].into());
    let map: cbor::Map = [
        ("", Value::Bool(true)),
        ("a", numbers.clone()),
        ("b", Value::Bytes(vec![0; 300])),
        ("aa", texts.clone()),
        ("critical", vec![Value::from("b")].into()),
    ]
    .into_iter()
    .collect();
    [("numbers", numbers), ("texts", texts), ("nested", nested), ("map", Value::Map(map))]
        .map(|(name, value)| (name, cbor::encode(&value)))
        .into()
}

fn trees() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let file = |path: &str, executable| -> Result<TreeEntry, Box<dyn Error>> {
        let (blake3, sha256) = (Digest::of(b""), Sha256Digest::from_bytes([1; 32]));
        Ok(TreeEntry::File { path: path.parse()?, executable, size: 300, blake3, sha256 })
    };
    let link = |path: &str, target: &str| -> Result<TreeEntry, Box<dyn Error>> {
        Ok(TreeEntry::Symlink { path: path.parse()?, target: target.to_owned() })
    };
    let small = Tree::new(vec![
        file("bin/tool", true)?,
        file("größe.txt", false)?,
        TreeEntry::Dir { path: "var/log".parse()? },
        link("lib/a.so", "a.so.1")?,
        link("share/doc/bin", "../../bin/tool")?,
    ])?;
    let one = Tree::new(vec![file("a", false)?])?;
    Ok(vec![
        ("empty", Tree::new(Vec::new())?.encode()),
        ("one", one.encode()),
        ("small", small.encode()),
    ])
}

/// The same key and publisher as in the target, so that opening a seed succeeds.
fn signer() -> Result<(SecretKey, Inception), Box<dyn Error>> {
    let key = SecretKey::from_bytes(&[7; 32]);
    let (next, created) = (Digest::of(b"next"), Timestamp::from_millis(1));
    let inception = Inception::new(vec![key.public()], 1, next, created, None)?;
    Ok((key, inception))
}

fn statements() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let (key, inception) = signer()?;
    let publisher = KeyState::of(&inception).publisher;
    let (name, time) = ("graphdb".parse()?, Timestamp::from_millis(1_700_000_000_000));
    let version = semver::Version::new(1, 4, 0);
    let (variant, archive) = ("linux-x64", "graphdb-linux-x64.tgz".to_owned());
    let release = Release {
        publisher,
        seq: 1,
        time,
        name,
        version: version.clone(),
        kind: PackageKind::Service,
        summary: "A graph database".to_owned(),
        license: "MIT".to_owned(),
        keywords: vec!["graph".to_owned(), "database".to_owned()],
        tags: vec!["db".to_owned()],
        provides: vec!["iface:graph-query@1".to_owned()],
        dependencies: vec![Dependency {
            publisher,
            name: "storage".parse()?,
            range: "^1.2".parse()?,
            optional: true,
            on: Some("same-node".to_owned()),
        }],
        capabilities: [("net".to_owned(), vec!["connect".to_owned()])].into(),
        permission: Permission::Restricted([NodeId::from_bytes([3; 32])].into()),
        mirror: MirrorHints {
            replicas: Some(3),
            regions: vec!["eu".to_owned()],
            priority: Some("high".to_owned()),
        },
        description: Some("# graphdb\n".to_owned()),
        provenance: Some(Provenance {
            ecosystem: "npm".to_owned(),
            name: "graphdb".to_owned(),
            version: "1.4.0".to_owned(),
            files: vec![(variant.parse()?, archive, Sha256Digest::from_bytes([4; 32]))],
        }),
        variants: vec![Variant {
            id: variant.parse()?,
            requires: [("os".parse()?, "linux".parse()?)].into(),
            prefers: [("gpu.api".parse()?, "cuda>=12|vulkan>=1.3".parse()?)].into(),
            resources: Resources {
                memory: Amount { min: Some(ByteSize::gib(1)), recommended: None },
                cores: Count { min: Some(2), recommended: Some(4) },
                ..Resources::default()
            },
            fallback: true,
            quality: 50,
            root: Digest::of(b"root"),
            tree: Digest::of(b"tree"),
            size: ByteSize::mib(5),
            files: 3,
        }],
        extensions: [("x-team".to_owned(), "storage".to_owned())].into(),
    };
    let (name, channel) = (release.name.clone(), "stable".parse()?);
    let moved = ChannelMove { publisher, seq: 2, time, name, channel, version: version.clone() };
    let (name, reason) = (release.name.clone(), "broken".to_owned());
    let yank = Yank { publisher, seq: 3, time, name, version, yanked: true, reason };

    let mut seeds = Vec::new();
    for (sealed, body, statement) in [
        ("inception", "inception-body", Statement::Inception(inception)),
        ("release", "release-body", Statement::Release(release)),
        ("channel", "channel-body", Statement::Channel(moved)),
        ("yank", "yank-body", Statement::Yank(yank)),
    ] {
        seeds.push((sealed, SealedStatement::seal(&statement, &key)?.encode()));
        seeds.push((body, statement.body()?));
    }
    Ok(seeds)
}

fn head() -> Result<Vec<u8>, Box<dyn Error>> {
    let (key, inception) = signer()?;
    let root = Sha256Digest::from_bytes([5; 32]);
    let head = Head { publisher: inception.id(), key: key.public(), size: 42, root };
    Ok(SealedHead::seal(&head, &key).encode().to_vec())
}
