//! What holds for any statement and any bytes.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::permission::{NodeId, Permission};
use crate::release::{MirrorHints, PackageKind, Release};
use crate::signature::{PublicKey, Signature};
use crate::statement::fixture::{bare_release, identity};
use crate::statement::{SealedStatement, Statement, StatementKind};
use crate::time::Timestamp;
use crate::variant::tests::fixture as variant;

fn line() -> impl Strategy<Value = String> {
    "[a-z0-9 äß→-]{1,20}".prop_map(|text| {
        use unicode_normalization::UnicodeNormalization;
        text.nfc().collect()
    })
}

fn distinct_lines() -> impl Strategy<Value = Vec<String>> {
    btree_set(line(), 0..6).prop_map(|lines| lines.into_iter().collect())
}

fn permission() -> impl Strategy<Value = Permission> {
    prop_oneof![
        Just(Permission::Public),
        Just(Permission::Private),
        Just(Permission::Friends),
        Just(Permission::Anonymous),
        Just(Permission::Verified),
        btree_set(any::<[u8; 32]>().prop_map(NodeId::from_bytes), 0..5)
            .prop_map(Permission::Restricted),
    ]
}

prop_compose! {
    fn release()(
        seq in 1..1u64 << 48,
        time in any::<u64>(),
        version in (any::<u64>(), any::<u64>(), any::<u64>()),
        kind in proptest::sample::select(PackageKind::ALL.to_vec()),
        summary in line(),
        keywords in distinct_lines(),
        tags in distinct_lines(),
        capabilities in btree_map("[a-z]{1,8}", distinct_lines(), 0..4),
        permission in permission(),
        replicas in option::of(any::<u64>()),
        regions in distinct_lines(),
        description in option::of("[a-z\n\t]{1,40}"),
        variants in btree_set("[a-z][a-z0-9]{0,8}", 1..20),
        extensions in btree_map("x-[a-z]{1,8}", line(), 0..4),
    ) -> Release {
        let variants = variants.iter().filter(|id| id.parse::<crate::VariantId>().is_ok());
        let mut release = Release {
            time: Timestamp::from_millis(time),
            version: semver::Version::new(version.0, version.1, version.2),
            kind, summary, keywords, tags, capabilities, permission, description, extensions,
            mirror: MirrorHints { replicas, regions, priority: None },
            variants: variants.map(|id| variant(id, "os=linux")).collect(),
            ..bare_release(identity(1).publisher(), seq)
        };
        if release.variants.is_empty() {
            release.variants.push(variant("any", ""));
        }
        release
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_release_is_read_as_it_was_written(release in release()) {
        let body = release.encode().unwrap();
        prop_assert_eq!(Release::decode(&body).unwrap(), release);
    }

    /// Threat row 24: what is accepted is written again in the same bytes, so no two bodies mean
    /// the same. (Fields that we do not know are the exception, and mutation hardly ever makes one.)
    #[test]
    fn a_mutated_release_is_refused_or_means_something_else(
        release in release(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let body = release.encode().unwrap();
        let mut mutated = body.clone();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        if let Ok(read) = Release::decode(&mutated) {
            prop_assert!(mutated == body || read != release || unknown_field(&body, &mutated));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = SealedStatement::decode(&bytes).map(|sealed| sealed.open_inception());
        for kind in StatementKind::ALL {
            let _ = Statement::decode(kind, &bytes);
        }
        if let Ok(bytes) = bytes[..bytes.len().min(32)].try_into() {
            let _ = PublicKey::from_bytes(bytes)
                .map(|key| key.verify("yank", &bytes, &Signature::from_bytes([bytes[0]; 64])));
        }
    }

    #[test]
    fn a_mutated_envelope_is_refused_or_does_not_open(
        release in release(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let identity = identity(1);
        let statement = Statement::Release(release);
        let sealed = SealedStatement::seal(&statement, identity.key()).unwrap().encode();
        let mut mutated = sealed.clone();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        if let Ok(read) = SealedStatement::decode(&mutated) {
            prop_assert_eq!(&read.encode(), &mutated, "one encoding of one envelope");
            prop_assert_eq!(read.open(identity.state()).is_ok(), mutated == sealed);
        }
    }
}

/// Whether a mutation renamed an optional field: the release is then the same without it.
fn unknown_field(body: &[u8], mutated: &[u8]) -> bool {
    let keys = |bytes: &[u8]| {
        let mut keys = Vec::new();
        super::super::fixture::rewrite(bytes, |map| {
            keys.extend(map.iter().map(|(k, _)| k.to_owned()))
        });
        keys
    };
    keys(body) != keys(mutated)
}
