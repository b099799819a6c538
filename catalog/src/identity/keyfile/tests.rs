use std::fs;
use std::os::unix::fs::OpenOptionsExt;

use super::*;
use crate::defence::without;
use crate::statement::fixture::{NOW, identity};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn identity(&self) -> PathBuf {
        self.0.path().join("identity.key")
    }

    fn next(&self) -> PathBuf {
        self.0.path().join("identity-next.key")
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn write_private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn hex_of(key: &SecretKey) -> String {
    hex::encode(key.to_bytes().as_ref())
}

#[test]
fn an_identity_is_taken_up_as_it_was_saved() {
    let folder = Folder::new();
    let saved = Identity::generate(Some("acme".parse().unwrap()), NOW);
    saved.save(&folder.identity()).unwrap();
    for path in [folder.identity(), folder.next()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2, "nothing temporary stays");

    let loaded = Identity::load(&folder.identity()).unwrap();
    assert_eq!(loaded.publisher(), saved.publisher());
    assert_eq!(loaded.inception(), saved.inception());
    assert_eq!(loaded.alias(), saved.alias());
    assert_eq!(hex_of(loaded.key()), hex_of(saved.key()));
    assert_eq!(hex_of(loaded.next_key().unwrap()), hex_of(saved.next_key().unwrap()));
}

/// The stored form is a promise: identities of today must open with the programs of tomorrow.
#[test]
fn the_text_of_the_key_files_is_pinned() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    let golden = include_str!("tests/identity.key");
    assert_eq!(fs::read_to_string(folder.identity()).unwrap(), golden);
    let golden_next = include_str!("tests/identity-next.key");
    assert_eq!(fs::read_to_string(folder.next()).unwrap(), golden_next);
    assert_eq!(identity(1).backup_text().as_str(), include_str!("tests/backup.txt"));
}

#[test]
fn a_next_key_that_was_moved_away_is_not_missed() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    fs::remove_file(folder.next()).unwrap();
    assert!(Identity::load(&folder.identity()).unwrap().next_key().is_none());
}

#[test]
fn a_key_is_never_replaced() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    for path in [folder.identity(), folder.next()] {
        let refused = identity(2).save(&folder.identity()).unwrap_err();
        assert!(matches!(&refused, IdentityError::Exists { path: found } if *found == path));
        fs::remove_file(path).unwrap();
    }
    identity(2).save(&folder.identity()).unwrap();
}

/// Threat row 55: a secret that others can read is refused, whoever the others are.
#[test]
fn an_identity_that_others_can_read_is_refused() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    for path in [folder.identity(), folder.next()] {
        for mode in [0o640, 0o604, 0o660, 0o644, 0o620, 0o601] {
            set_mode(&path, mode);
            let refused = Identity::load(&folder.identity()).unwrap_err();
            let IdentityError::Exposed { path: found, mode: shown } = &refused else {
                panic!("{refused}")
            };
            assert_eq!((found, *shown), (&path, mode));
            assert!(refused.to_string().contains(&format!("mode {mode:04o}")), "{refused}");
        }
        set_mode(&path, 0o400);
        assert!(Identity::load(&folder.identity()).is_ok());
    }
}

/// Control for row 55.
#[test]
fn an_exposed_identity_is_noticed_without_the_defence() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    set_mode(&folder.identity(), 0o644);
    without(Defence::KeyMode, || assert!(Identity::load(&folder.identity()).is_ok()));
}

/// Threat row 55: neither `Debug` nor an error shows a secret, also when its file is damaged.
#[test]
fn a_secret_is_never_shown() {
    let folder = Folder::new();
    let identity = identity(0xab);
    identity.save(&folder.identity()).unwrap();
    let secrets = [hex_of(identity.key()), hex_of(identity.next_key().unwrap())];
    let assert_silent = |shown: &str| {
        for secret in &secrets {
            assert!(!shown.contains(&secret[..8]), "{shown}");
        }
    };
    assert_silent(&format!("{identity:?} {identity:#?}"));
    let text = fs::read_to_string(folder.identity()).unwrap();
    for at in 0..text.len() {
        write_private(&folder.identity(), &text[..at]);
        if let Err(error) = Identity::load(&folder.identity()) {
            assert_silent(&format!("{error} {error:?}"));
        }
    }
}

#[test]
fn a_damaged_identity_is_refused_with_the_reason() {
    let (ours, theirs) = (identity(1), identity(2));
    let text = ours.text(IDENTITY_TITLE);
    let secret = hex_of(ours.key());
    let damages = [
        (String::new(), "title"),
        (text.replace("identity v1", "identity v9"), "title"),
        (text.replace("secret ", "secre "), "missing"),
        (format!("{}secret {secret}\n", text.as_str()), "twice"),
        (text.replace(&secret, &hex_of(theirs.key())), "not the publisher's"),
        (text.replace(&secret, &secret[1..]), "64 hex digits"),
        (text.replace("inception ", "inception !"), "base64"),
        (
            text.replace(&ours.publisher().to_string(), &theirs.publisher().to_string()),
            "another publisher",
        ),
    ];
    for (damaged, reason) in damages {
        let folder = Folder::new();
        write_private(&folder.identity(), &damaged);
        let error = Identity::load(&folder.identity()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn the_next_key_of_somebody_else_is_refused() {
    let folder = Folder::new();
    identity(1).save(&folder.identity()).unwrap();
    let other = Folder::new();
    identity(2).save(&other.identity()).unwrap();
    fs::copy(other.next(), folder.next()).unwrap();
    let error = Identity::load(&folder.identity()).unwrap_err();
    assert!(matches!(&error, IdentityError::Damaged { path, .. } if *path == folder.next()));
}

#[test]
fn what_is_no_identity_is_told_apart() {
    let folder = Folder::new();
    let missing = Identity::load(&folder.identity()).unwrap_err();
    assert!(matches!(missing, IdentityError::Missing { .. }));
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).mode(0o600).open(folder.identity()).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    let large = Identity::load(&folder.identity()).unwrap_err();
    assert!(matches!(large, IdentityError::Damaged { what: "it is too large", .. }));
    fs::write(folder.identity(), [0xff, 0xfe]).unwrap();
    let binary = Identity::load(&folder.identity()).unwrap_err();
    assert!(matches!(binary, IdentityError::Damaged { what: "it is not text", .. }));
}

#[test]
fn a_backup_restores_everything() {
    let original = identity(1);
    let restored = Identity::from_backup(&original.backup_text()).unwrap();
    assert_eq!(restored.publisher(), original.publisher());
    assert_eq!(hex_of(restored.key()), hex_of(original.key()));
    assert_eq!(hex_of(restored.next_key().unwrap()), hex_of(original.next_key().unwrap()));
    let folder = Folder::new();
    restored.save(&folder.identity()).unwrap();
    assert_eq!(Identity::load(&folder.identity()).unwrap().publisher(), original.publisher());
}

/// Copied by hand, with the line ends and blanks of another system.
#[test]
fn a_backup_survives_a_trip_through_an_editor() {
    let text = identity(1).backup_text().replace('\n', "  \r\n\r\n");
    assert!(Identity::from_backup(&text).is_ok());
    let typo = text.replacen("next 65", "next 66", 1);
    assert_ne!(typo, text);
    assert!(matches!(Identity::from_backup(&typo), Err(IdentityError::Damaged { .. })));
}
