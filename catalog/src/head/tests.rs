use super::*;
use crate::defence::without;
use crate::identity::Identity;
use crate::statement::fixture::{identity, key};

fn head(identity: &Identity, size: u64) -> Head {
    Head {
        publisher: identity.publisher(),
        key: identity.key().public(),
        size,
        root: Sha256Digest::from_bytes([0x5a; 32]),
    }
}

pub(super) fn sealed(size: u64) -> SealedHead {
    let identity = identity(1);
    SealedHead::seal(&head(&identity, size), identity.key())
}

fn decode(note: &str) -> Result<SealedHead, HeadError> {
    SealedHead::decode(note.as_bytes())
}

#[test]
fn a_head_is_read_and_opened_as_it_was_sealed() {
    let identity = identity(1);
    for size in [0, 1, 42, u64::MAX] {
        let sealed = sealed(size);
        let read = SealedHead::decode(sealed.encode()).unwrap();
        assert_eq!(read, sealed);
        assert_eq!(read.open(identity.state()), Ok(head(&identity, size)));
    }
}

/// The example of C2SP `signed-note`: the key id is that of `sum.golang.org`'s published key.
#[test]
fn key_ids_are_those_of_signed_note() {
    let vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let [name, id, key] = vkey.splitn(3, '+').collect::<Vec<_>>().try_into().unwrap();
    let key = BASE64.decode(key).unwrap();
    assert_eq!(key[0], ED25519);
    let key = PublicKey::from_bytes(key[1..].try_into().unwrap()).unwrap();
    assert_eq!(hex::encode(key_id(name, ED25519, &key)), id);
}

#[test]
fn a_head_has_one_spelling() {
    let note = sealed(42).note().to_owned();
    let origin = head(&identity(1), 42).origin();
    let others = [
        note.replace("\n42\n", "\n042\n"),
        note.replace("\n42\n", "\n+42\n"),
        note.replace("\n42\n", "\n-1\n"),
        note.replace("\n42\n", "\n18446744073709551616\n"),
        note.replace("\n42\n", "\n42 \n"),
        note.replace("\n42\n", "\r\n42\r\n"),
        note.replace("WlpaWlpaWlo=", "WlpaWlpaWlp="),
        note.replacen("\n\n", "\nan extension\n\n", 1),
        note.replacen(&origin, &format!("{origin}/"), 1),
        note.replacen("catalog/", "Catalog/", 1),
        note.replacen("catalog/cat1", "catalog/CAT1", 1),
        note.replace("\n\n", "\n"),
        note.trim_end().to_owned(),
        format!("{note}\n"),
        note.replace("\u{2014} ", "- "),
    ];
    assert!(decode(&note).is_ok());
    for other in others {
        assert_ne!(other, note);
        assert!(decode(&other).is_err(), "{other}");
    }
}

#[test]
fn a_head_without_its_own_signature_is_refused() {
    let note = sealed(42).note().to_owned();
    let (text, _) = note.split_once("\n\n").unwrap();
    let witness = format!("{text}\n\n{DASH}witness.example AAAAAAAA\n");
    assert_eq!(decode(&witness), Err(HeadError::Unsigned));
    let (_, line) = note.split_once("\n\n").unwrap();
    assert!(matches!(decode(&format!("{note}{line}")), Err(HeadError::Malformed { .. })));
}

#[test]
fn the_signatures_of_witnesses_are_kept() {
    let identity = identity(1);
    let note = format!("{}{DASH}witness.example AAAAAAAA\n", sealed(42).note());
    let read = decode(&note).unwrap();
    assert_eq!(read.note(), note);
    assert_eq!(read.open(identity.state()), Ok(head(&identity, 42)));
    let junk = format!("{}{DASH}witness.example\n", sealed(42).note());
    assert!(decode(&junk).is_err());
}

/// Threat row 15: a head is measured before it is read.
#[test]
fn an_oversized_head_is_refused() {
    let witnesses = format!("{DASH}witness.example AAAAAAAA\n").repeat(60);
    let note = format!("{}{witnesses}", sealed(42).note());
    let bytes = note.len();
    assert_eq!(decode(&note), Err(HeadError::TooLarge { bytes }));
    without(Defence::SizeLimits, || assert!(decode(&note).is_ok()));
}

#[test]
fn a_changed_head_is_forged() {
    let identity = identity(1);
    let key = identity.key().public();
    let forged = sealed(42).note().replace("\n42\n", "\n43\n");
    let forged = decode(&forged).unwrap();
    assert_eq!(forged.peek().size, 43);
    assert_eq!(forged.open(identity.state()), Err(HeadOpenError::Forged { key }));
}

/// Threat row 23: the head of one log never stands for another.
#[test]
fn a_head_fits_its_own_log_only() {
    let (ours, theirs) = (identity(1), identity(2));
    let sealed = sealed(42);
    assert_eq!(
        sealed.open(theirs.state()),
        Err(HeadOpenError::OtherPublisher {
            expected: theirs.publisher(),
            found: ours.publisher()
        })
    );
    // Their key signs a head that claims to be of our log, or of a log of theirs under our name.
    let ours_by_them = Head { key: theirs.key().public(), ..head(&ours, 42) };
    let stranger = SealedHead::seal(&ours_by_them, theirs.key()).open(ours.state());
    assert!(matches!(stranger, Err(HeadOpenError::Stranger { .. })));
    let renamed =
        sealed.note().replace(&ours.publisher().to_string(), &theirs.publisher().to_string());
    assert_eq!(decode(&renamed), Err(HeadError::Unsigned), "the key id covers the name");
}

#[test]
#[should_panic(expected = "a log signs its own head")]
fn a_head_is_not_signed_with_another_key() {
    SealedHead::seal(&head(&identity(1), 1), &key(2));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(
        lines in proptest::collection::vec("(catalog/)?[a-z0-9/]{0,8}|\u{2014} a [A-Za-z=]{0,9}|", 0..8),
    ) {
        let _ = decode(&lines.join("\n"));
    }

    #[test]
    fn a_mutated_head_is_refused_or_does_not_open(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::prelude::any::<u8>(),
    ) {
        let sealed = sealed(42);
        let mut mutated = sealed.encode().to_vec();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        if let Ok(read) = SealedHead::decode(&mutated) {
            let opens = read.open(identity(1).state()).is_ok();
            proptest::prop_assert_eq!(opens, mutated == sealed.encode());
        }
    }
}
