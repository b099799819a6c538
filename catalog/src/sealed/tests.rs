//! Sealing and opening: the bytes, and what must not open.

use std::io::Read;

use super::*;
use crate::permission::NodeId;
use crate::signature::SecretKey;
use crate::tree::TreeEntry;

fn key() -> ContentKey {
    ContentKey::from_bytes([1; 32])
}

fn seal(key: &BlobKey, text: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    Sealer::new(key.clone(), text, text.len() as u64).read_to_end(&mut sealed).unwrap();
    sealed
}

fn open(key: &BlobKey, sealed: &[u8], bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Opener::new(key.clone(), sealed, bytes, 0).read_to_end(&mut text)?;
    Ok(text)
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn what_was_sealed_opens_whatever_its_length() {
    for bytes in [0, 1, 255, 256, TEXT_BYTES - 1, TEXT_BYTES, TEXT_BYTES + 1, 100_000] {
        let (text, key) = (text(bytes), key().file(&Digest::of(b"x")));
        let sealed = seal(&key, &text);
        assert_eq!(sealed.len() as u64, sealed_bytes(bytes as u64));
        assert_eq!(open(&key, &sealed, bytes as u64).unwrap(), text, "{bytes} bytes");
    }
}

#[test]
fn any_chunk_opens_without_those_before_it() {
    let (text, key) = (text(100_000), key().file(&Digest::of(b"x")));
    let sealed = seal(&key, &text);
    for chunk in 0..chunks(text.len() as u64) {
        let mut opened = Vec::new();
        let from = &sealed[chunk as usize * CHUNK_BYTES..];
        Opener::new(key.clone(), from, 100_000, chunk).read_to_end(&mut opened).unwrap();
        assert_eq!(opened, text[(chunk as usize * TEXT_BYTES).min(text.len())..]);
    }
}

/// Threat row 57: whoever carries what is sealed cannot change it unnoticed.
#[test]
fn sealed_bytes_that_were_changed_moved_or_cut_do_not_open() {
    let key = key().file(&Digest::of(b"x"));
    let text = text(40_000);
    let sealed = seal(&key, &text);
    let opens = |sealed: &[u8], bytes: u64| open(&key, sealed, bytes).is_ok();
    assert!(opens(&sealed, text.len() as u64));
    for at in (0..sealed.len()).step_by(977) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(!opens(&changed, text.len() as u64), "byte {at}");
    }
    let mut swapped = sealed.clone();
    let (first, rest) = swapped.split_at_mut(CHUNK_BYTES);
    first.swap_with_slice(&mut rest[..CHUNK_BYTES]);
    assert!(!opens(&swapped, text.len() as u64));
    // The first chunk does not pass for all of a file.
    key.open_chunk(0, true, &sealed[..CHUNK_BYTES]).unwrap_err();
    assert!(!opens(&sealed[..sealed.len() - 1], text.len() as u64));
}

#[test]
fn every_release_variant_and_file_has_a_key_of_its_own() {
    let (one, other) = (key(), ContentKey::from_bytes([2; 32]));
    let (any, low) = ("any".parse().unwrap(), "low".parse().unwrap());
    let sealed = [
        seal(&one.list(&any), b"text"),
        seal(&one.list(&low), b"text"),
        seal(&one.file(&Digest::of(b"any")), b"text"),
        seal(&one.file(&Digest::of(b"text")), b"text"),
        seal(&other.file(&Digest::of(b"text")), b"text"),
    ];
    let distinct: std::collections::BTreeSet<_> = sealed.iter().collect();
    assert_eq!(distinct.len(), sealed.len());
    assert_ne!(one.id(), other.id());
    assert!(open(&other.list(&any), &sealed[0], 4).is_err());
    assert_ne!(ContentKey::generate(), ContentKey::generate());
    assert!(!format!("{one:?}").contains(&hex::encode([1; 32])));
}

fn list() -> Tree {
    let file = |path: &str, size| TreeEntry::File {
        path: path.parse().unwrap(),
        executable: true,
        size,
        blake3: Digest::of(path.as_bytes()),
        sha256: Sha256Digest::from_bytes([5; 32]),
    };
    Tree::new(vec![file("bin/run", 5), file("doc", 70_000)]).unwrap()
}

fn stored(bytes: u64) -> SealedFile {
    let (blake3, sha256) = (Digest::of(&bytes.to_be_bytes()), Sha256Digest::from_bytes([6; 32]));
    SealedFile { size: sealed_bytes(bytes), blake3, sha256 }
}

#[test]
fn a_file_list_is_sealed_and_paired_with_the_files_it_lists() {
    let list = list();
    let key = key().list(&"any".parse().unwrap());
    let sealed = key.seal_list(&list);
    assert_eq!(key.open_list(&sealed).unwrap(), list);
    for at in 0..sealed.len() {
        key.open_list(&sealed[..at]).unwrap_err();
    }
    let files = [stored(300), stored(5), stored(70_000)];
    let tree = carried(files).unwrap();
    let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path().as_str()).collect();
    assert_eq!(paths, ["000000", "000001", "000002"]);
    assert_eq!(paired(&list, &tree).unwrap(), [(2, files[1]), (3, files[2])]);
    for wrong in [vec![files[0], files[1]], vec![files[0], files[2], files[1]], files.repeat(2)] {
        assert_eq!(paired(&list, &carried(wrong).unwrap()), Err(SealedError::Mismatch));
    }
}

/// The two halves of a node, by its secret.
fn node(secret: u8) -> (ReaderSecret, ReaderKey) {
    let id = SecretKey::from_bytes(&[secret; 32]).public();
    let key = ReaderKey::of_node(&NodeId::from_bytes(*id.as_bytes())).unwrap();
    (ReaderSecret::of_node(&[secret; 32]), key)
}

#[test]
fn a_key_is_handed_to_one_reader_and_to_nobody_else() {
    let ((reader, public), (other, _)) = (node(1), node(2));
    assert_eq!(reader.public(), public);
    let wrapped = public.wrap(&key()).unwrap();
    assert_eq!(reader.unwrap(&wrapped, &key().id()), Some(key()));
    assert_eq!(other.unwrap(&wrapped, &key().id()), None);
    assert_ne!(public.wrap(&key()).unwrap(), wrapped, "sealed anew each time");
    let another = ContentKey::from_bytes([2; 32]).id();
    assert_eq!(reader.unwrap(&wrapped, &another), None, "it is not the key that was signed for");
    for at in 0..WrappedKey::BYTES {
        let mut changed = *wrapped.as_bytes();
        changed[at] ^= 0x40;
        assert_eq!(reader.unwrap(&WrappedKey::from_bytes(changed), &key().id()), None, "{at}");
    }
    assert_eq!(reader.unwrap(&WrappedKey::from_bytes([0; 80]), &key().id()), None);
    // What is of small order has a secret that everybody knows.
    assert_eq!(ReaderKey::of_node(&NodeId::from_bytes([0; 32])), Err(ReaderKeyError));
    assert!(!format!("{reader:?}").contains(&hex::encode([1; 32])));
}

/// Pins what is stored and signed: a change here makes what was sealed before unreadable.
#[test]
fn sealed_contents_and_keys_have_these_bytes() {
    let (key, any) = (key(), "any".parse().unwrap());
    let hash = |bytes: &[u8]| Digest::of(bytes).to_string();
    let file = seal(&key.file(&Digest::of(b"text")), b"text");
    let long = seal(&key.file(&Digest::of(b"long")), &text(40_000));
    let wrapped = node(4).1.wrap_from(&key, &node(3).0).unwrap();
    let golden = [
        (
            "the name of a key",
            key.id().to_string(),
            "b2009cdb2c04a4aa2c94edad4dba07336e472ee9be93b9b5142b0b400878f90d",
        ),
        ("a file", hash(&file), "dabd9a33a7e5f0610843cf7bce92ece90252029069de8e96bd3983feb0a47432"),
        ("its beginning", hex::encode(&file[..16]), "c2f6db67aad27c94e55565113190885d"),
        (
            "a long file",
            hash(&long),
            "a4d3edaf9fb461315918af1efbc872a891fbcad4f4e7dd89fa0fa1dcbc87c2e8",
        ),
        (
            "a file list",
            hash(&key.list(&any).seal_list(&list())),
            "4e0518b188c10aa78919a7382af0921f7978b5543262592b6a374c70e397a5cd",
        ),
        (
            "a key that was handed over",
            hex::encode(wrapped.as_bytes()),
            "75e270df2952c57ba8367ba8618c178f9fe50db2799d304e74e918d98568614676eb21c342556105f26ed378052eaaa254cbaed3ba653e1b59c9a162aa042f68e28b8c167c47f0e092cb2aedfe4114fa",
        ),
    ];
    let found = golden.each_ref().map(|(what, found, _)| (*what, found.as_str()));
    assert_eq!(found, golden.each_ref().map(|(what, _, golden)| (*what, *golden)));
}
