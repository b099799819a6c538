//! Envelopes and the bodies of every kind of statement.
//!
//! The input is read as an envelope, and as the bare body of each kind. A body that is accepted is
//! signed with a fixed key, so that opening is reached as well; no mutation could forge that.

#![no_main]

use catalog::SecretKey;
use catalog::identity::{Inception, KeyState};
use catalog::statement::{SealedStatement, Statement, StatementKind};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_bytes(&[7; 32]));

static STATE: LazyLock<KeyState> = LazyLock::new(|| {
    let (next, created) = (catalog::Digest::of(b"next"), catalog::Timestamp::from_millis(1));
    let inception = Inception::new(vec![KEY.public()], 1, next, created, None);
    KeyState::of(&inception.expect("one strong key and a threshold of one"))
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sealed) = SealedStatement::decode(bytes) {
        assert_eq!(sealed.encode(), bytes);
        let _ = sealed.peek();
        let _ = sealed.open(&STATE);
        let _ = sealed.open_inception();
    }
    for kind in StatementKind::ALL {
        let Ok(statement) = Statement::decode(kind, bytes) else { continue };
        // Fields that this version does not know are left out, what it knows is kept.
        let body = statement.body().expect("what was read keeps the limits");
        assert_eq!(Statement::decode(kind, &body).as_ref(), Ok(&statement));

        let sealed = SealedStatement::seal(&statement, &KEY).expect("the body was just written");
        assert_eq!(SealedStatement::decode(&sealed.encode()).as_ref(), Ok(&sealed));
        assert_eq!(sealed.peek().ok(), Some(statement.header()));
        match sealed.open(&STATE) {
            Ok(opened) => assert_eq!(opened, statement),
            Err(_) => assert_ne!(statement.header().publisher, STATE.publisher),
        }
        let _ = sealed.open_inception();
    }
});
