use super::*;
use crate::defence::without;
use proptest::collection::vec;
use proptest::prelude::*;

fn strict(hex: &str) -> Result<Value, CodecError> {
    decode(&hex::decode(hex).unwrap(), 1 << 16)
}

/// The examples of RFC 8949, appendix A, that use our kinds of value.
#[test]
fn the_examples_of_the_standard_are_read_and_written() {
    let text = |t: &str| Value::from(t);
    let list = |items: &[u64]| items.iter().map(|&n| Value::Uint(n)).collect::<Value>();
    let cases = [
        ("00", Value::Uint(0)),
        ("17", Value::Uint(23)),
        ("1818", Value::Uint(24)),
        ("1903e8", Value::Uint(1000)),
        ("1a000f4240", Value::Uint(1_000_000)),
        ("1b000000e8d4a51000", Value::Uint(1_000_000_000_000)),
        ("1bffffffffffffffff", Value::Uint(u64::MAX)),
        ("f4", Value::Bool(false)),
        ("f5", Value::Bool(true)),
        ("f6", Value::Null),
        ("40", Value::Bytes(vec![])),
        ("4401020304", Value::Bytes(vec![1, 2, 3, 4])),
        ("60", text("")),
        ("6449455446", text("IETF")),
        ("62c3bc", text("ü")),
        ("63e6b0b4", text("水")),
        ("64f0908591", text("𐅑")),
        ("80", list(&[])),
        ("83010203", list(&[1, 2, 3])),
        (
            "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
            list(&(1..=25).collect::<Vec<_>>()),
        ),
        ("a0", Value::Map(Map::new())),
        (
            "a26161016162820203",
            Value::Map([("a", Value::Uint(1)), ("b", list(&[2, 3]))].into_iter().collect()),
        ),
    ];
    for (bytes, value) in cases {
        assert_eq!(strict(bytes).as_ref(), Ok(&value), "{bytes}");
        assert_eq!(hex::encode(encode(&value)), bytes);
    }
}

#[test]
fn map_keys_are_written_shorter_first() {
    let map: Map = [("b", 1), ("aa", 2), ("a", 3), ("", 4)].into_iter().collect();
    assert_eq!(hex::encode(encode(&map.into())), "a46004616103616201626161".to_owned() + "02");
}

#[test]
fn kinds_of_value_that_we_do_not_use_are_refused() {
    for (bytes, what) in [
        ("20", "a negative number"),
        ("c074323031332d30332d32315432303a30343a30305a", "a tag"),
        ("f90000", "a float or unknown simple value"),
        ("fb3ff199999999999a", "a float or unknown simple value"),
        ("f7", "a float or unknown simple value"),
        ("f818", "a float or unknown simple value"),
        ("ff", "a float or unknown simple value"),
        ("5f42010243030405ff", "an indefinite length"),
        ("7f61616161ff", "an indefinite length"),
        ("9fff", "an indefinite length"),
        ("bfff", "an indefinite length"),
        ("1c", "a reserved length"),
        ("61ff", "text that is not UTF-8"),
        ("63eda080", "text that is not UTF-8"),
    ] {
        assert_eq!(strict(bytes), Err(CodecError::Unsupported { at: 0, what }), "{bytes}");
    }
}

/// Other bytes for a meaning that has a canonical encoding.
const NOT_CANONICAL: [&str; 17] = [
    "1817",               // 23 in two bytes
    "190017",             // 23 in three
    "1900ff",             // 255 in three
    "1a0000ffff",         // 65535 in five
    "1b00000000ffffffff", // 2^32 - 1 in nine
    "580101",             // a length in two bytes
    "780161",             // the same for text
    "980100",             // for an array
    "b801616100",         // for a map
    "a2616201616102",     // keys not sorted
    "a262616101616202",   // the longer key first
    "a2616101616102",     // the same key twice
    "6365cc81",           // e and a combining accent
    "a16365cc8100",       // the same in a key
    "0000",               // a second value behind the first
    "8000",
    "81a2616101616101", // inside something else
];

/// Threat row 24: a second encoding of the same meaning is refused.
#[test]
fn other_encodings_of_the_same_meaning_are_refused() {
    for bytes in NOT_CANONICAL {
        let refused = strict(bytes).unwrap_err();
        assert!(
            matches!(refused, CodecError::NotCanonical { .. } | CodecError::Trailing { .. }),
            "{bytes}: {refused}"
        );
    }
}

/// Threat row 24, control.
#[test]
fn another_encoding_is_noticed_without_the_defence() {
    for bytes in NOT_CANONICAL {
        let value = without(Defence::CanonicalBytes, || strict(bytes)).unwrap();
        assert_ne!(hex::encode(encode(&value)), bytes);
    }
}

#[test]
fn input_that_ends_early_is_refused_at_every_length() {
    let map: Map = [("list", Value::from(vec![Value::Uint(500); 3])), ("text", "ü".into())]
        .into_iter()
        .collect();
    let bytes = encode(&map.into());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], 1 << 16).is_err(), "{length}");
    }
}

/// Threat row 15: a count or length that the input cannot hold is refused before anything is read.
#[test]
fn lengths_are_believed_only_as_far_as_there_are_bytes() {
    for bytes in [
        "5bffffffffffffffff", // bytes
        "7b7fffffffffffffff", // text
        "9b0000000100000000", // array
        "9a00989680",         // an array of 10^7
        "bbffffffffffffffff", // map
        "ba00989680616100",   // a map of 10^7 with one entry
        "a2616100",           // a map with half its entries
        "829affffffff",       // inside
    ] {
        let refused = strict(bytes).unwrap_err();
        assert!(matches!(refused, CodecError::Truncated { .. }), "{bytes}: {refused}");
    }
}

/// Threat row 15: input over the limit of its kind is refused unread.
#[test]
fn input_over_its_limit_is_refused() {
    let bytes = encode(&Value::Bytes(vec![0; 100]));
    assert_eq!(decode(&bytes, 101), Err(CodecError::TooLarge { bytes: bytes.len(), limit: 101 }));
    assert!(decode(&bytes, 102).is_ok());
}

/// Threat row 15, control.
#[test]
fn input_over_its_limit_is_noticed_without_the_defence() {
    let bytes = encode(&Value::Bytes(vec![0; 100]));
    assert!(without(Defence::SizeLimits, || decode(&bytes, 101)).is_ok());
}

/// Threat row 15: nesting is refused long before the stack is in danger.
#[test]
fn nesting_is_at_most_sixteen_levels() {
    let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
    assert!(decode(&nested(DEPTH_MAX), 1 << 24).is_ok());
    let refused = Err(CodecError::TooDeep { at: DEPTH_MAX });
    assert_eq!(decode(&nested(DEPTH_MAX + 1), 1 << 24), refused);
    assert_eq!(decode(&nested(1_000_000), 1 << 24), refused);
    let maps = [0xa1, 0x61, b'a'].repeat(1_000_000);
    assert_eq!(decode(&maps, 1 << 24), Err(CodecError::TooDeep { at: 3 * DEPTH_MAX }));
}

#[test]
fn text_and_keys_are_written_in_normal_form() {
    let map: Map = [("e\u{301}", "a\u{30a}")].into_iter().collect();
    let bytes = encode(&map.into());
    let map: Map = [("é", "å")].into_iter().collect();
    assert_eq!(decode(&bytes, 100), Ok(map.into()));
}

#[test]
fn fields_are_read_once_and_missing_ones_are_named() {
    let map: Map =
        [("n", Value::Uint(7)), ("name", "x".into()), ("tags", vec![Value::from("a")].into())]
            .into_iter()
            .collect();
    let mut fields = Fields::of(map.into()).unwrap();
    assert_eq!(fields.uint("n"), Ok(7));
    assert_eq!(fields.uint("n"), Err(CodecError::Missing { field: "n" }));
    assert_eq!(fields.texts("tags"), Ok(vec!["a".to_owned()]));
    assert_eq!(fields.bytes_opt("key"), Ok(None));
    let wrong = CodecError::WrongType { field: "name", expected: "bytes" };
    assert_eq!(fields.bytes("name"), Err(wrong));
    assert_eq!(fields.finish(), Ok(()));
}

#[test]
fn an_unknown_field_is_ignored_unless_it_is_critical() {
    let known = |critical: Vec<Value>| {
        let entries = [("known", Value::Null), ("new", 1.into()), ("critical", critical.into())];
        let mut fields = Fields::of(Value::Map(entries.into_iter().collect())).unwrap();
        let _ = fields.map_opt("known");
        fields.finish()
    };
    assert_eq!(known(vec![]), Ok(()));
    assert_eq!(known(vec!["known".into(), "absent".into()]), Ok(()));
    let refused = CodecError::Critical { field: "new".into() };
    assert_eq!(known(vec!["known".into(), "new".into()]), Err(refused));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::Uint),
        (0u64..300).prop_map(Value::Uint),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        "\\PC{0,30}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..30).prop_map(Value::Array),
            vec(("\\PC{0,30}", inner), 0..30)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in values()) {
        let bytes = encode(&value);
        let read = decode(&bytes, usize::MAX).unwrap();
        // Text may have been brought to NFC; what was read is stable from then on.
        prop_assert_eq!(encode(&read), bytes);
    }

    /// Threat row 24: whatever is accepted is exactly what we would have written.
    #[test]
    fn accepted_bytes_are_written_again_identically(
        value in values(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = encode(&value);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = decode(&bytes, usize::MAX) {
            prop_assert_eq!(encode(&read), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(read) = decode(&bytes, usize::MAX) {
            prop_assert_eq!(encode(&read), bytes);
        }
    }
}
