//! Writes the seeds of every fuzz target: small inputs that are valid, so that mutations start
//! close to what is accepted. Run it after a format has changed: `cargo run --example seeds`.

use bech32::{Bech32m, primitives::decode::CheckedHrpstring};
use catalog::announcement::Announcement;
use catalog::head::{Head, SealedHead};
use catalog::identity::{Inception, KeyState};
use catalog::import::{self, ImportOptions};
use catalog::log::root_of;
use catalog::manifest::Manifest;
use catalog::register::{Hlc, Register, SealedRegister};
use catalog::release::{Dependency, MirrorHints, PackageKind, Provenance};
use catalog::statement::{ChannelMove, SealedStatement, Statement, Yank};
use catalog::store::{ChangeItem, LogId};
use catalog::variant::{Amount, Count, Resources};
use catalog::{
    ByteSize, Digest, NodeId, Permission, Profile, Release, SecretKey, Sha256Digest, Timestamp,
    Tree, TreeEntry, Variant, cbor, cbor::Value,
};
use catalog_fuzz::conversation::Scene;
use catalog_mirror::heat::{DemandRow, Prefix};
use catalog_mirror::{
    Demand, Filter, Fraud, Lease, Ledger, Measured, Page, Receipt, SealedReceipt,
};
use catalog_node::Ticket;
use catalog_sync::loopback::talk_over;
use catalog_sync::message::{Frame, Message};
use catalog_sync::proof::Proof;
use catalog_sync::record;
use catalog_sync::view::{Selection, View};
use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    write(&seeds.join("cbor"), values())?;
    write(&seeds.join("tree"), trees()?)?;
    write(&seeds.join("statement"), statements()?)?;
    write(&seeds.join("head"), vec![("signed", head()?)])?;
    write(&seeds.join("proof"), vec![("yank", proof()?)])?;
    write(&seeds.join("manifest"), manifests()?)?;
    write(&seeds.join("npm"), npm_archives()?)?;
    write(&seeds.join("wheel"), wheels()?)?;
    write(&seeds.join("ticket"), tickets()?)?;
    write(&seeds.join("frames"), frames()?)?;
    write(&seeds.join("session"), session())?;
    write(&seeds.join("exchange"), exchange()?)?;
    write(&seeds.join("query"), queries())?;
    write(&seeds.join("registers"), registers()?)?;
    write(&seeds.join("receipts"), receipts()?)?;
    write(&seeds.join("patch"), patches())?;
    write(&seeds.join("sealed"), sealed()?)?;
    check(&seeds)
}

/// Makes sure that what was written is accepted where it should be.
fn check(seeds: &Path) -> Result<(), Box<dyn Error>> {
    for (target, seed) in
        [("npm", "native-tgz"), ("wheel", "stored-zip"), ("wheel", "deflated-zip")]
    {
        let bytes = fs::read(seeds.join(target).join(seed))?;
        let folder = tempfile::tempdir()?;
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let (name, archive) = match target {
            "npm" => ("package.tgz", &bytes[1..]),
            _ => (std::str::from_utf8(&bytes[1..end])?, &bytes[end + 1..]),
        };
        let file = folder.path().join(name);
        fs::write(&file, archive)?;
        let import = if target == "npm" { import::npm } else { import::wheel };
        import(&[file], folder.path(), &ImportOptions::default())
            .map_err(|error| format!("{target}/{seed} is refused: {error:?}"))?;
    }
    let text = fs::read_to_string(seeds.join("manifest/whole"))?;
    let read = Manifest::parse(&text, Path::new("catalog.toml"));
    read.map_err(|findings| format!("manifest/whole is refused: {findings:#?}"))?;
    Ok(())
}

fn write(folder: &Path, seeds: Vec<(&str, Vec<u8>)>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

fn queries() -> Vec<(&'static str, Vec<u8>)> {
    let texts = [
        ("name", "graphdb"),
        ("typo", "grahpdb"),
        ("words", "draws nodes"),
        ("phrase", "\"nodes and edges\" -diagram"),
        ("filters", "acme/graph kind:service tag:sql license:MIT size:<10MiB"),
        ("signs", "c++ c# libpng16"),
    ];
    texts.map(|(name, text)| (name, text.as_bytes().to_vec())).into()
}

fn values() -> Vec<(&'static str, Vec<u8>)> {
    let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    let numbers: Value = numbers.into_iter().map(Value::Uint).collect();
    let texts: Value =
        ["", "a", "é", "日本", "👩\u{200d}💻"].into_iter().map(Value::from).collect();
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
        sealed: None,
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
    let after = [(SecretKey::from_bytes(&[2; 32]).public(), 7)].into();
    let moved =
        ChannelMove { publisher, seq: 2, time, name, channel, version: version.clone(), after };
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

fn proof() -> Result<Vec<u8>, Box<dyn Error>> {
    let (key, inception) = signer()?;
    let publisher = inception.id();
    let yank = Yank {
        publisher,
        seq: 3,
        time: Timestamp::from_millis(1_795_000_000_000),
        name: "graphdb".parse()?,
        version: "1.4.0".parse()?,
        yanked: true,
        reason: "broken".to_owned(),
    };
    let inception = SealedStatement::seal(&Statement::Inception(inception), &key)?;
    let yank = SealedStatement::seal(&Statement::Yank(yank), &key)?;
    let other = Sha256Digest::from_bytes([5; 32]);
    let leaves = [inception.leaf(), other, other, yank.leaf(), other];
    let head = Head { publisher, key: key.public(), size: 5, root: root_of(leaves) };
    let head = SealedHead::seal(&head, &key);
    Ok(Proof::make(inception, yank, head, &leaves)?.encode())
}

fn manifests() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let (_, inception) = signer()?;
    let (id, node) = (inception.id(), NodeId::from_bytes([3; 32]));
    let whole = format!(
        r#"schema = 1
[package]
name = "graphdb"
version = "1.4.0-rc.1"
kind = "service"
summary = "A graph database"
license = "Apache-2.0 OR MIT"
keywords = ["graph"]
tags = ["db"]
provides = ["iface:graph-query@1"]
readme = "README.md"
x-team = "storage"
[capabilities]
network = ["listen:7687/tcp"]
[dependencies]
"{id}/storage" = {{ version = "^1.4", optional = true, on = "same-node" }}
"{id}/bolt-proto" = "^2.1"
[share]
permission = "restricted"
nodes = ["{node}"]
[mirror]
replicas = 3
regions = ["eu", "us-east"]
priority = "high"
[[variant]]
id = "linux-x64"
requires = {{ os = "linux", "cpu.level" = "x86-64-v3", libc = "glibc>=2.31|musl" }}
prefers = {{ "gpu.api" = "vulkan>=1.3", runtime.wasm = "simd" }}
resources = {{ memory = {{ min = "1.5GiB", recommended = "16GiB" }}, disk = {{ min = "4GB" }}, cores = {{ min = 4 }} }}
files = ["dist/**", "README.md"]
root = "dist"
quality = 90
[[variant]]
id = "wasm"
fallback = true
requires = {{ runtime = "wasip2" }}
resources = {{ vram = {{ min = "1GiB" }} }}
files = ["dist/*.{{so,txt}}", "dist/bin/[a-t]*"]
"#
    );
    let small = r#"schema = 1
package = { name = "a", version = "1.0.0", kind = "asset", summary = "s", license = "MIT" }
[[variant]]
id = "any"
fallback = true
files = ["**"]
"#;
    Ok(vec![("whole", whole.into_bytes()), ("small", small.into())])
}

/// What stands in front of an archive that is fuzzed as it is, and of one that is packed in the
/// target.
const AS_IT_IS: u8 = 0;
const TO_BE_PACKED: u8 = 1;

fn npm_archives() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let json = br#"{"name":"@acme/tool-linux-x64","version":"1.0.0-rc.1","description":"A tool",
        "license":"MIT","keywords":["a"],"os":["linux","!win32"],"cpu":["x64"],"libc":["musl"]}"#;
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_path(path)?;
        if kind.is_symlink() {
            header.set_link_name("../tool")?;
        }
        header.set_cksum();
        tar.append(&header, content)
    };
    let regular = tar::EntryType::Regular;
    add("package/", tar::EntryType::Directory, 0o755, b"")?;
    add("package/package.json", regular, 0o644, json)?;
    add("package/README.md", regular, 0o644, b"# tool")?;
    add("package/tool", regular, 0o755, b"#!/bin/sh")?;
    add("package/bin/link", tar::EntryType::Symlink, 0o777, b"")?;
    let pax = b"30 path=package/extended/name\n13 size=000001\n";
    add("package/pax", tar::EntryType::XHeader, 0o644, &pax[..30])?;
    add("package/short", regular, 0o644, b"x")?;
    add("././@LongLink", tar::EntryType::GNULongName, 0o644, b"package/a/long/name\0")?;
    add("package/short2", regular, 0o644, b"y")?;
    let tar = tar.into_inner()?;

    let json = br#"{"name":"tool-wasm","version":"1.0.0","license":{"type":"MIT"}}"#;
    let mut header = tar::Header::new_gnu();
    header.set_size(json.len() as u64);
    header.set_mode(0o644);
    let mut wasm = tar::Builder::new(Vec::new());
    wasm.append_data(&mut header, "package/package.json", &json[..])?;
    let wasm = wasm.into_inner()?;

    let seed = |mode: u8, archive: &[u8]| [&[mode], archive].concat();
    Ok(vec![
        ("native-tgz", seed(AS_IT_IS, &catalog_fuzz::archive::tgz(&tar))),
        ("native-tar", seed(TO_BE_PACKED, &tar)),
        ("wasm-tar", seed(TO_BE_PACKED, &wasm)),
    ])
}

fn wheels() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let metadata = b"Metadata-Version: 2.1\nName: Acme.Tool\nVersion: 1.0rc1\nSummary: A tool\n\
        License-Expression: MIT\nKeywords: a,b\nDescription-Content-Type: text/markdown\n\n# tool\n";
    let list: [(&str, u16, &[u8]); 4] = [
        ("acme_tool/__init__.py", 0o100_644, b"VERSION = 1"),
        ("acme_tool/lib.so", 0o100_755, b"\x7fELF"),
        ("acme_tool-1.0rc1.dist-info/METADATA", 0o100_644, metadata),
        ("acme_tool-1.0rc1.dist-info/WHEEL", 0o100_644, b"Wheel-Version: 1.0\n"),
    ];
    let mut packed = Vec::new();
    for (name, mode, content) in list {
        packed.push(name.len() as u8);
        packed.extend_from_slice(name.as_bytes());
        packed.extend_from_slice(&mode.to_le_bytes());
        packed.extend_from_slice(&(content.len() as u16).to_le_bytes());
        packed.extend_from_slice(content);
    }
    let stored = catalog_fuzz::archive::whl(&packed);

    // The same, compressed by another program.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut source = zip::ZipArchive::new(std::io::Cursor::new(&stored))?;
    for index in 0..source.len() {
        let mut entry = source.by_index(index)?;
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        zip.start_file(entry.name().to_owned(), options)?;
        std::io::copy(&mut entry, &mut zip)?;
    }
    let deflated = zip.finish()?.into_inner();

    let native = "acme_tool-1.0rc1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl\n";
    let any = "acme_tool-1.0rc1-py3-none-any.whl\n";
    let seed = |mode: u8, name: &str, rest: &[u8]| [&[mode], name.as_bytes(), rest].concat();
    Ok(vec![
        ("native-list", seed(TO_BE_PACKED, native, &packed)),
        ("any-list", seed(TO_BE_PACKED, any, &packed)),
        ("stored-zip", seed(AS_IT_IS, any, &stored)),
        ("deflated-zip", seed(AS_IT_IS, native, &deflated)),
    ])
}

fn tickets() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let (_, inception) = signer()?;
    let addrs = vec!["192.0.2.1:4433".parse()?, "[2001:db8::1]:4433".parse()?];
    let bare = Ticket::new(NodeId::from_bytes([3; 32]), addrs);
    let whole = bare.clone().with_publisher(inception.id(), Some("acme".parse()?));
    let text = whole.to_string();
    let bytes: Vec<u8> = CheckedHrpstring::new::<Bech32m>(&text)?.byte_iter().collect();
    let seed = |mode: u8, rest: &[u8]| [&[mode], rest].concat();
    Ok(vec![
        ("bare-text", seed(AS_IT_IS, bare.to_string().as_bytes())),
        ("whole-text", seed(AS_IT_IS, text.as_bytes())),
        ("whole-bytes", seed(TO_BE_PACKED, &bytes)),
    ])
}

/// Frames as a test of the protocol pins them, put together by hand: their types are private.
fn frames() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let (store, since) = ([7; 16], [0x80, 0x01]);
    let agent = b"catalog/0.1.0";
    let hello = [&[1, 1, agent.len() as u8], &agent[..], &store, &since].concat();
    // A length in postcard: seven bits in each byte, the lowest first.
    let bytes = |bytes: &[u8]| {
        let (low, high) = ((bytes.len() & 0x7f) as u8 | 0x80, (bytes.len() >> 7) as u8);
        [&[low, high], bytes].concat()
    };
    let (_, release) = statements()?.swap_remove(2);
    // `grpah`, which may be `graph`; a model, and not of at most 300 bytes; the smallest first.
    let word = b"\x05grpah\x02\x05grpah\x64\x00\x05graph\x55\x01";
    let conditions = b"\x02\x00\x01\x05model\x01\x05\x00\xac\x02";
    let search = [&b"\x03\x05grpah\x01\x02\x14\x01"[..], word, conditions].concat();
    let counts = b"\x01\xac\x02\x01\x02\x03\x04\x01\x00\x01\x02\xac\x02";
    let items = [
        [&[0], &bytes(&release)[..]].concat(),
        [&[1][..], &[1; 32], signer()?.0.public().as_bytes(), &[3], &[4; 32]].concat(),
        [&[2], &bytes(&head()?)[..]].concat(),
    ];
    Ok(vec![
        ("hello", [&[0], &hello[..]].concat()),
        ("records", [&[1][..], &store, &since, &[0]].concat()),
        ("agreed", [&[0, 1], &hello[..]].concat()),
        ("no-common-version", vec![1, 1, 2]),
        ("begin", [&[0][..], &store, &since].concat()),
        ("some", [&[1, 9, items.len() as u8], &items.concat()[..]].concat()),
        ("end", vec![2, 9]),
        ("changed", [&[0][..], &store, &since].concat()),
        ("search", search),
        ("found", [&[0, 0, 1], &bytes(&release)[..], counts].concat()),
        ("busy", vec![1]),
    ])
}

/// Frames of a session as a test pins them, put together by hand: their types are private.
fn session() -> Vec<(&'static str, Vec<u8>)> {
    let (us, other, nobody) = ([9; 32], [8; 32], [0; 32]);
    let map = 2_u64.to_be_bytes();
    let handoff = |to: &[u8], phase: u8| {
        [&[4][..], &map, &us, to, &[1, phase], &10_000_u32.to_be_bytes()].concat()
    };
    vec![
        ("hello", [&[1][..], &[7; 16], &map].concat()),
        ("load", vec![2, 0x04, 0x7e, 0xff, 0xff, 0, 3, 0, 0, 2, 0xbc, 0, 0, 0, 7]),
        ("drain", [&[3, 5, 0, 0, 0x13, 0x88, 2][..], &us, &other].concat()),
        ("prepare", handoff(&other, 1)),
        ("commit", handoff(&nobody, 3)),
        ("abort", handoff(&nobody, 5)),
        ("map", [&[5][..], &map].concat()),
        ("bye", vec![6]),
    ]
}

/// What stands in front of a frame, a record and a conversation.
const FRAME: u8 = 0;
const RECORD: u8 = 1;
const CONVERSATION: u8 = 2;

fn exchange() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let (key, inception) = signer()?;
    let selection = Selection {
        publishers: [inception.id()].into(),
        kinds: [PackageKind::Service].into(),
        tags: ["db".parse()?].into(),
        fits: ["linux-x86_64".parse()?].into(),
    };
    let fetch = Message::Fetch { view: View::of(selection)?, ids: vec![[1; 32], [2; 32]] };
    let fetch = Frame { more: false, message: fetch }.encode();

    let log = LogId { publisher: inception.id(), key: key.public() };
    let leaf = ChangeItem::Leaf { log, seq: 3, hash: Sha256Digest::from_bytes([4; 32]) };
    let (_, yank) = statements()?.swap_remove(6);
    let register = Register {
        node: NodeId::from_bytes(*key.public().as_bytes()),
        name: "announcement".parse()?,
        value: b"here".to_vec(),
        hlc: Hlc::from_bits(5),
        expires: Timestamp::from_millis(7),
    };
    let register = record::encode_register(&SealedRegister::seal(&register, &[7; 32])?);
    let yank = record::encode(&ChangeItem::Statement(SealedStatement::decode(&yank)?));
    let head = record::encode(&ChangeItem::Head(SealedHead::decode(&head()?)?));

    let seed = |what: u8, rest: &[u8]| [&[what], rest].concat();
    let talk = |scene: u8, poison| recorded(Scene(scene), poison).map(|s| seed(CONVERSATION, &s));
    let [few, most, more] = [1 << 1, 2 << 1, 3 << 1];
    let [likely_equal, announced, cursor] = [1 << 3, 2 << 3, 3 << 3];
    let (opens, serves) = (1, 0x20);
    Ok(vec![
        ("frame-fetch", seed(FRAME, &fetch)),
        ("record-statement", seed(RECORD, &yank)),
        ("record-leaf", seed(RECORD, &record::encode(&leaf))),
        ("record-head", seed(RECORD, &head)),
        ("record-register", seed(RECORD, &register)),
        ("answers-nothing", talk(0, false)?),
        ("answers-few", talk(few, false)?),
        ("answers-few-poisoned", talk(few, true)?),
        ("answers-few-likely-equal", talk(few | likely_equal, false)?),
        ("answers-few-announced", talk(few | announced, false)?),
        ("answers-few-cursor", talk(few | cursor, false)?),
        ("answers-few-serving", talk(few | serves, false)?),
        ("answers-most", talk(most, false)?),
        ("answers-more", talk(more, false)?),
        ("opens-nothing", talk(opens, false)?),
        ("opens-few", talk(opens | few, false)?),
        ("opens-few-poisoned", talk(opens | few, true)?),
        ("opens-few-likely-equal", talk(opens | few | likely_equal, false)?),
        ("opens-few-announced", talk(opens | few | announced, false)?),
        ("opens-few-cursor", talk(opens | few | cursor, false)?),
        ("opens-most", talk(opens | most, false)?),
        ("opens-more", talk(opens | more, false)?),
        ("fetches", seed(CONVERSATION, &fetched(Scene(0x80 | opens))?)),
    ])
}

/// A conversation of two honest sides, with the frames of the peer only.
///
/// - `poison`: the cells of the opener are wrong, so that both have to walk.
fn recorded(scene: Scene, poison: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut honest, mut peer, mut frames) = (scene.honest(), scene.peer(), Vec::new());
    let (opener, answerer) = match scene.opens() {
        true => (&mut honest, &mut peer),
        false => (&mut peer, &mut honest),
    };
    talk_over(opener, answerer, &View::All, scene.known(), |by_opener, bytes| {
        let mut frame = Frame::decode(&bytes).expect("honest sides send frames");
        match &mut frame.message {
            Message::Hello(hello) if poison => hello.cells[0][0] ^= 1,
            Message::Cells(cells) if poison => cells[0][0] ^= 1,
            _ => {}
        }
        let bytes = frame.encode();
        if by_opener != scene.opens() {
            frames.push(bytes.clone());
        }
        bytes
    })
    .map_err(|broken| broken.violation)?;
    input(scene, &frames)
}

/// What a peer answers that is asked for records by name.
fn fetched(scene: Scene) -> Result<Vec<u8>, Box<dyn Error>> {
    let peer = scene.peer();
    let records = peer.ids()[..16].iter().map(|id| peer.record(id)).collect();
    let frames = [
        Frame { more: true, message: Message::Records(records) }.encode(),
        Frame { more: false, message: Message::Over { agreed: false } }.encode(),
    ];
    input(scene, &frames)
}

fn input(Scene(scene): Scene, frames: &[Vec<u8>]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut input = vec![scene];
    for frame in frames {
        input.extend(u16::try_from(frame.len())?.to_le_bytes());
        input.extend(frame);
    }
    Ok(input)
}

/// What nodes say in registers, and a register around it.
fn registers() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let key = SecretKey::from_bytes(&[7; 32]);
    let root = |byte: u8| Digest::from_bytes([byte; 32]);
    let announcement = Announcement {
        program: "catalog/0.1.0".parse()?,
        protocol: (1, 2),
        name: Some("attic".parse()?),
        region: Some("eu-west".parse()?),
        records: 9,
        root: root(1),
    };
    let filter = Filter {
        publishers: [signer()?.1.id()].into(),
        kinds: [PackageKind::Service].into(),
        tags: ["db".to_owned()].into(),
        packages: ["graph*".parse()?].into(),
        except: ["graphviz".parse()?].into(),
        profiles: vec![Profile::named("laptop").ok_or("no such profile")?],
        variants: ["linux-x64".parse()?].into(),
        since: Some(Timestamp::from_millis(1_790_000_000_000)),
    };
    let lease = Lease {
        region: Some("eu".parse()?),
        capacity: ByteSize::mib(900),
        used: ByteSize::mib(300),
        backbone: true,
        generation: 7,
        filter: filter.digest()?,
        measured: Measured { latency_ms: Some(20), hits: Some(990), churn: Some(1) },
    };
    let row = |byte, region: &str, log2, peak| DemandRow {
        prefix: Prefix([byte; 8]),
        region: region.parse().ok(),
        log2,
        peak,
    };
    let demand = Demand {
        rows: vec![row(0xaa, "us", 3, Some(17)), row(0xbb, "eu", 63, None), row(0xcc, "", 5, None)],
    };
    let mut addrs = cbor::Map::new();
    let texts = ["192.0.2.1:4433", "[2001:db8::1]:9"].map(Value::from);
    addrs.insert("addrs", texts.into_iter().collect::<Value>());
    addrs.insert("v", 1_u64);
    let register = Register {
        node: NodeId::from_bytes(*key.public().as_bytes()),
        name: "announcement".parse()?,
        value: announcement.encode(),
        hlc: Hlc::from_bits(5),
        expires: Timestamp::from_millis(7),
    };
    Ok(vec![
        ("announcement", announcement.encode()),
        ("filter", filter.encode()?),
        ("lease", lease.encode()),
        ("page", Page::of(7, [root(0xa0), root(0xa1)].iter()).encode()),
        ("demand", demand.encode()),
        ("addresses", cbor::encode(&Value::Map(addrs))),
        ("sealed", SealedRegister::seal(&register, &[7; 32])?.encode()),
    ])
}

/// What stands in front of each kind of bytes about receipts; see the target.
fn receipts() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let key = SecretKey::from_bytes(&[7; 32]);
    let [client, server] = [*key.public().as_bytes(), [9; 32]].map(NodeId::from_bytes);
    let receipt = |seq, mib| Receipt {
        server,
        client,
        epoch: 1,
        seq,
        bytes: ByteSize::mib(mib),
        hlc: Hlc::from_bits(5 << 16),
        hint: Digest::of(b"hint"),
    };
    let sealed = |seq, mib| SealedReceipt::seal(&receipt(seq, mib), &key);
    let (one, other, next) = (sealed(1, 1)?, sealed(1, 2)?, sealed(2, 4)?);
    let Value::Map(envelope) = cbor::decode(one.as_bytes(), 1024)? else { unreachable!() };
    let Some(Value::Bytes(body)) = envelope.get("b") else { unreachable!() };
    let fraud = Fraud::of(&one, &other).ok_or("they contradict each other")?;
    let mut ledger = Ledger::new(server);
    for receipt in [&one, &other, &next] {
        let _ = ledger.take(receipt, Timestamp::from_millis(1 << 40));
    }
    let frame = |kind: u8, rest: &[u8]| [&[0, kind], rest].concat();
    let seed = |what: u8, rest: &[u8]| [&[what], rest].concat();
    let history: Vec<u8> =
        (0..40_u8).flat_map(|n| [n % 6, n % 3, 3 * n, n + 1, n / 2, n]).collect();
    Ok(vec![
        ("frame-hello", frame(1, b"")),
        ("frame-receipt", frame(2, one.as_bytes())),
        ("frame-taken", frame(3, &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2])),
        ("frame-refused", frame(4, &[5])),
        ("frame-last", frame(5, b"")),
        ("sealed", seed(1, one.as_bytes())),
        ("body", seed(2, body)),
        ("proof", seed(3, &fraud.encode())),
        ("ledger", seed(4, &ledger.encode())),
        ("history", seed(5, &history)),
    ])
}

/// A question, and patches behind the size of what they make; the old file is in `node`.
fn patches() -> Vec<(&'static str, Vec<u8>)> {
    let place = |byte: u8, child: u64| [&[byte; 32][..], &child.to_be_bytes()].concat();
    // One block, not compressed, of a frame that says its size.
    let plain = b"\x00\x05\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";
    // By `zstd -12 --no-check --patch-from`.
    let patch = b"\x05\xfc\x28\xb5\x2f\xfd\x60\xfc\x04\x7d\x01\x00\x14\x02\x0e\x6e\x65\x77\x20\x62\x79\x74\x65\x73\x2c\x20\x6e\x6f\x74\x20\x6c\x69\x6b\x65\x20\x74\x68\x6f\x73\x65\x20\x62\x65\x66\x6f\x72\x65\x02\x00\x88\xff\x2c\xd4\x27\xff\xf9\x0a\x5e\x01";
    vec![
        ("question", [&[1][..], &place(2, 3), &place(4, 0x0105)].concat()),
        ("plain", plain.to_vec()),
        ("from-old", patch.to_vec()),
    ]
}

/// File lists behind their lengths, as they are sealed.
fn sealed() -> Result<Vec<(&'static str, Vec<u8>)>, Box<dyn Error>> {
    let sealed = |(name, list): (&'static str, Vec<u8>)| {
        (name, [&(list.len() as u64).to_le_bytes(), &list[..]].concat())
    };
    Ok(trees()?.into_iter().map(sealed).collect())
}
