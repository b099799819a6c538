//! File lists as a publisher may have sealed them, whatever it wrote: what opens is a list, and is
//! paired with what is carried only if that is as many files of the right sizes.

#![no_main]

use std::io::copy;

use catalog::sealed::{ContentKey, SealedFile, Sealer, carried, paired, sealed_bytes};
use catalog::{Digest, Sha256Digest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = ContentKey::from_bytes([7; 32]).list(&"anywhere".parse().expect("a name"));
    assert!(key.open_list(bytes).is_err(), "nobody sealed it");
    let mut sealed = Vec::new();
    let mut sealer = Sealer::new(key.clone(), bytes, bytes.len() as u64);
    copy(&mut sealer, &mut sealed).expect("memory can be read and written");
    assert_eq!(sealed.len() as u64, sealed_bytes(bytes.len() as u64));
    let Ok(list) = key.open_list(&sealed) else { return };
    assert_eq!(key.open_list(&key.seal_list(&list)).as_ref(), Ok(&list));
    let file = |size| SealedFile {
        size,
        blake3: Digest::of(b""),
        sha256: Sha256Digest::from_bytes([1; 32]),
    };
    let files: Vec<_> = list.files().map(|file| sealed_bytes(file.size)).collect();
    for missing in 0..=usize::from(!files.is_empty()) {
        let sizes = [sealed.len() as u64].into_iter().chain(files[missing..].iter().copied());
        let Ok(carried) = carried(sizes.map(file)) else { return };
        assert_eq!(paired(&list, &carried).is_ok(), missing == 0);
    }
});
