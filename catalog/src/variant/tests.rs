use super::*;
use crate::cbor::{decode, encode};

/// A variant written in one line: `fixture("id", "os=linux cpu.level=x86-64-v3")`.
pub(crate) fn fixture(id: &str, requires: &str) -> Variant {
    let requires = requires.split_whitespace().map(|pair| {
        let (key, wanted) = pair.split_once('=').unwrap();
        (key.parse().unwrap(), wanted.parse().unwrap())
    });
    Variant {
        id: id.parse().unwrap(),
        requires: requires.collect(),
        prefers: BTreeMap::new(),
        resources: Resources::default(),
        fallback: false,
        quality: 50,
        root: Digest::of(id.as_bytes()),
        tree: Digest::of(b"tree"),
        size: ByteSize::mib(200),
        files: 3,
    }
}

fn full() -> Variant {
    let mut variant = fixture("high-x86-v3", "os=linux cpu.level=x86-64-v3 libc=glibc>=2.31");
    variant.prefers = fixture("x", "gpu.api=webgpu").requires;
    variant.resources.memory =
        Amount { min: Some(ByteSize::gib(8)), recommended: Some(ByteSize::gib(16)) };
    variant.resources.disk.min = Some(ByteSize::gib(4));
    variant.resources.vram.recommended = Some(ByteSize::gib(1));
    variant.resources.cores.min = Some(4);
    variant.fallback = true;
    variant
}

#[test]
fn a_variant_is_read_as_it_was_written() {
    for variant in [full(), fixture("plain", "")] {
        assert_eq!(Variant::from_value(variant.to_value()).unwrap(), variant);
        let json = serde_json::to_string(&variant).unwrap();
        assert_eq!(serde_json::from_str::<Variant>(&json).unwrap(), variant);
    }
}

/// These bytes are part of every release that was ever signed.
#[test]
fn the_layout_of_a_variant_does_not_change() {
    let golden = concat!(
        "ad616e03", // files
        "61711832", // quality
        "626662f5", // fallback
        "6269646b686967682d7838362d7633",
        "636d656d821b00000002000000001b0000000400000000", // memory: [min, recommended]
        "64637075738104",                                 // cores: [min]
        "646469736b811b0000000100000000",                 // disk: [min]
        "646c696b65a1676770752e61706966776562677075",     // prefers
        "646e656564a3626f73656c696e7578646c6962636b676c6962633e3d322e3331", // requires …
        "696370752e6c6576656c697838362d36342d7633",       // … and the level
        "64726f6f74582058fa6dbefa1ebd1c829bedd419bb5f7e811df1361e586526c0625a4ae4d33935",
        "6473697a651a0c800000",
        "647472656558206baa6c9f461fe834a9da0ebb62e0f6fb8c11988a58cbc51b8da8040aea19bc3a",
        "647672616d82f61a40000000", // vram: [null, recommended]
    );
    assert_eq!(hex::encode(encode(&full().to_value())), golden);
}

#[test]
fn a_release_of_26_variants_stays_small() {
    let variants = (0..26).map(|at| {
        let mut variant = fixture(
            &format!("linux-x86-64-v3-{at}"),
            "os=linux cpu.level=x86-64-v3 libc=glibc>=2.31",
        );
        variant.resources = full().resources;
        variant.to_value()
    });
    let bytes = encode(&variants.collect::<Value>()).len();
    assert!(bytes <= 6 << 10, "{bytes} bytes");
}

#[test]
fn a_variant_from_a_peer_can_be_wrong_in_every_way() {
    let with = |field: &str, value: Value| {
        let Value::Map(mut map) = full().to_value() else { unreachable!() };
        map.insert(field, value);
        Variant::from_value(Value::Map(map)).map(|_| ())
    };
    let text = |key: &str, value: &str| Value::Map([(key, value)].into_iter().collect());
    for (field, value) in [
        ("id", "Not A Name".into()),
        ("q", Value::Uint(101)),
        ("q", Value::Uint(u64::MAX)),
        ("need", text("OS", "linux")),
        ("need", text("os", "linux | macos")),
        ("need", Value::Array(vec![])),
        ("need", Map::new().into()),
        ("like", Map::new().into()),
        ("need", text("os", "linux|macos|linux")),
        ("fb", false.into()),
        ("like", [("os", Value::Uint(1))].into_iter().collect::<Map>().into()),
        ("mem", Value::Array(vec![])),
        ("mem", Value::Array(vec![Value::Null])),
        ("mem", Value::Array(vec![Value::Uint(1), Value::Null])),
        ("cpus", Value::Uint(4)),
        ("root", Value::Bytes(vec![0; 31])),
        ("need", (0..33).map(|at| (format!("k{at}"), "x")).collect::<Map>().into()),
    ] {
        assert!(with(field, value.clone()).is_err(), "{field} {value:?}");
    }
    assert!(with("future", Value::Uint(1)).is_ok());
    let Value::Map(mut map) = full().to_value() else { unreachable!() };
    map.insert("future", true);
    map.insert("critical", [Value::from("future")].into_iter().collect::<Value>());
    assert!(matches!(Variant::from_value(Value::Map(map)), Err(CodecError::Critical { .. })));
    let bytes = encode(&full().to_value());
    assert!(decode(&bytes[..bytes.len() - 1], 4096).is_err());
}
