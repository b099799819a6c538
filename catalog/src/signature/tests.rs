use super::*;
use crate::defence::without;

/// A published case: what it exercises, key, message and signature, and whether we accept it.
struct Case {
    what: &'static str,
    key: &'static str,
    message: Vec<u8>,
    signature: &'static str,
    accept: bool,
}

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

/// What a peer can make us do: read a key, then check a signature over raw bytes.
fn accepts(key: &str, message: &[u8], signature: &str) -> bool {
    let signature = Signature::from_bytes(bytes(signature));
    PublicKey::from_bytes(bytes(key)).is_ok_and(|key| key.verify_bytes(message, &signature).is_ok())
}

/// Encodings of the points of small order, canonical and not: the list of C2SP CCTV, `ed25519`.
const SMALL_ORDER: [&str; 14] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The twelve cases of *Taming the many EdDSAs*, section 5.1 (`ed25519-speccheck`).
fn taming_the_many_eddsas() -> Vec<Case> {
    const SMALL: &str = SMALL_ORDER[11];
    const MIXED: &str = "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43";
    const MIXED_TOO: &str = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
    const PRIME: &str = "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623";
    const BAD_KEY: &str = SMALL_ORDER[13];
    [
        (
            "S = 0, small A and R",
            SMALL,
            "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a\
             0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (
            "small A, mixed R",
            SMALL,
            "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43\
             a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        ),
        (
            "mixed A, small R",
            MIXED,
            "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
             8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        ),
        (
            "mixed A and R, valid without the cofactor",
            MIXED_TOO,
            "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
            "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f\
             87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        ),
        (
            "valid with the cofactor only",
            MIXED_TOO,
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512\
             5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        ),
        (
            "valid with the cofactor only, 8h not reduced first",
            MIXED_TOO,
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7\
             e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        ),
        (
            "S > L",
            PRIME,
            "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
            "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e\
             547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        ),
        (
            "S >> L",
            PRIME,
            "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
            "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942\
             7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        ),
        (
            "non-canonical R, reduced for the hash",
            MIXED,
            "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
             454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
        ),
        (
            "non-canonical R, not reduced for the hash",
            MIXED,
            "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
             084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
        ),
        (
            "non-canonical A, reduced for the hash",
            BAD_KEY,
            "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
            "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
             a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        ),
        (
            "non-canonical A, not reduced for the hash",
            BAD_KEY,
            "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
            "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
             a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        ),
    ]
    .into_iter()
    .map(|(what, key, message, signature)| Case {
        what,
        key,
        message: hex::decode(message).unwrap(),
        signature,
        accept: what.ends_with("without the cofactor"),
    })
    .collect()
}

/// Cases of C2SP CCTV `ed25519vectors.json` whose key is of large order with a small part, so that
/// only the checks of `R` and of the equation can refuse them.
fn cctv() -> Vec<Case> {
    const KEY: &str = "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f";
    [
        (
            "4: small R, residue",
            "ed25519vectors 7",
            "0000000000000000000000000000000000000000000000000000000000000000\
             5e176f12cfb0d4e6eb6929b19ae4c998ef05c1c2cf628a9b1fa1c21312627108",
        ),
        (
            "5: small R",
            "ed25519vectors 3",
            "0000000000000000000000000000000000000000000000000000000000000000\
             9472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09",
        ),
        (
            "6: residue",
            "ed25519vectors 10",
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56b\
             c02e2b9e63e385c058bf62b14b3a2b29ccefe8e38ddb536bc3f9865320a3d801",
        ),
        (
            "7: fits",
            "ed25519vectors",
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56b\
             bbfd00bd9c259d8d222d15e67a3d8228585050dbb9b9585be20d8fadc721da03",
        ),
        (
            "17: small and non-canonical R",
            "ed25519vectors 3",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
             ad7a355469b5c87e550469f6b2de409ee723acd584bf35f86b80c384e8ceb702",
        ),
        (
            "19: small and non-canonical R, encoded anew for the hash",
            "ed25519vectors 3",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
             9472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09",
        ),
        (
            "27: small R",
            "ed25519vectors 10",
            "0000000000000000000000000000000000000000000000000000000000000080\
             050abffcd4d8ccbb4b8d6bf6649f5aa99e8de5cc182a7409633856ff53f49e0c",
        ),
        (
            "29: fits",
            "ed25519vectors 2",
            "b797b156efcd45a4e2454d2fd0b21438b3ccd80d4c7fd1d1b2c8e55bd4ed4a94\
             732d9e0279fe001d90327efa319816e3e4506b78432b8b4e1f2fdc4b960d700f",
        ),
        (
            "39: small and non-canonical R, x = -0",
            "ed25519vectors 27",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
             1f5fae114eb0c534b5aed0a892d0a0e1d429df6a025c5ae08012e0ffce78310c",
        ),
    ]
    .into_iter()
    .map(|(what, message, signature)| Case {
        what,
        key: KEY,
        message: message.into(),
        signature,
        accept: what.ends_with("fits"),
    })
    .collect()
}

/// Threat row 22: the published edge cases are decided the strict way, each one.
#[test]
fn published_edge_cases_are_decided_strictly() {
    for Case { what, key, message, signature, accept } in
        taming_the_many_eddsas().into_iter().chain(cctv())
    {
        assert_eq!(accepts(key, &message, signature), accept, "{what}");
    }
}

/// Control for row 22: without the strict checks at least the small-order cases get through.
#[test]
fn lax_checks_are_noticed_without_the_defence() {
    let fooled: Vec<&str> = without(Defence::StrictKeys, || {
        taming_the_many_eddsas()
            .into_iter()
            .chain(cctv())
            .filter(|case| accepts(case.key, &case.message, case.signature) != case.accept)
            .map(|case| case.what)
            .collect()
    });
    for what in ["S = 0, small A and R", "small A, mixed R", "mixed A, small R", "5: small R"] {
        assert!(fooled.contains(&what), "{what} is not told apart: {fooled:?}");
    }
}

/// Threat row 22: no encoding of a point of small order is a key.
#[test]
fn no_key_of_small_order_is_accepted() {
    for encoding in SMALL_ORDER {
        let refused = PublicKey::from_bytes(bytes(encoding));
        assert!(
            matches!(refused, Err(KeyError::Weak | KeyError::NotCanonical)),
            "{encoding}: {refused:?}"
        );
    }
}

/// Control for row 22: with a weak key, one signature that nobody made fits every statement.
#[test]
fn a_weak_key_is_noticed_without_the_defence() {
    without(Defence::StrictKeys, || {
        let key = PublicKey::from_bytes(bytes(SMALL_ORDER[4])).unwrap();
        let mut forged = [0; 64];
        forged[0] = 1;
        let forged = Signature::from_bytes(forged);
        assert_eq!(key.verify("release", b"anything", &forged), Ok(()));
        assert_eq!(key.verify("yank", b"and its opposite", &forged), Ok(()));
    });
}

/// Threat row 22: a point whose y is written above the prime is refused, even of large order.
#[test]
fn keys_that_are_not_encoded_canonically_are_refused() {
    let mut points = 0;
    for above in 0..19 {
        for sign in [0x7f, 0xff] {
            let mut encoding = [0xff; 32];
            encoding[0] = 0xed + above;
            encoding[31] = sign;
            let refused = PublicKey::from_bytes(encoding).unwrap_err();
            assert!(matches!(refused, KeyError::NotCanonical | KeyError::NotAPoint));
            points += usize::from(refused == KeyError::NotCanonical);
        }
    }
    assert!(points > 4, "more than the points of small order are covered");
}

/// Threat row 22: adding the order of the group to S gives no second signature.
#[test]
fn a_malleated_signature_is_refused() {
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let key = SecretKey::from_bytes(&[7; 32]);
    let signature = key.sign("release", b"body");
    let mut malleated = *signature.as_bytes();
    let mut carry = 0;
    for (byte, order) in malleated[32..].iter_mut().zip(bytes::<32>(ORDER)) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(key.public().verify("release", b"body", &signature), Ok(()));
    let malleated = Signature::from_bytes(malleated);
    assert_eq!(key.public().verify("release", b"body", &malleated), Err(BadSignature));
}

#[test]
fn a_signature_fits_only_its_key_kind_and_body() {
    let key = SecretKey::from_bytes(&[7; 32]);
    let signature = key.sign("release", b"body");
    let other = SecretKey::from_bytes(&[8; 32]).public();
    assert_eq!(key.public().verify("release", b"body", &signature), Ok(()));
    assert_eq!(key.public().verify("release", b"bodz", &signature), Err(BadSignature));
    assert_eq!(key.public().verify("yank", b"body", &signature), Err(BadSignature));
    assert_eq!(other.verify("release", b"body", &signature), Err(BadSignature));
}

/// RFC 8032 section 7.1, test 1: the note is signed as it stands.
#[test]
fn notes_are_signed_as_rfc_8032_says() {
    let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let key = SecretKey::from_bytes(&seed);
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(key.public().to_string(), public);
    let signature = key.sign_note("");
    assert_eq!(
        hex::encode(signature.as_bytes()),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555\
         fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    );
    assert_eq!(key.public().verify_note("", &signature), Ok(()));
}

/// The example of the DSSE protocol.
#[test]
fn the_pre_authentication_encoding_is_that_of_dsse() {
    let encoded = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn what_a_statement_signs_names_its_kind_and_version() {
    assert_eq!(
        signed_bytes("release", b"\xa0"),
        b"DSSEv1 39 application/vnd.catalog.release.v1+cbor 1 \xa0"
    );
}

#[test]
fn keys_are_written_in_one_way() {
    let key = SecretKey::from_bytes(&[7; 32]).public();
    assert_eq!(key.to_string().parse(), Ok(key));
    assert!(key.to_string().to_uppercase().parse::<PublicKey>().is_err());
    assert!("ab".parse::<PublicKey>().is_err());
}

/// Threat row 55: a secret is not shown by what shows everything else.
#[test]
fn a_secret_key_is_never_shown() {
    let key = SecretKey::from_bytes(&[0xab; 32]);
    let shown = format!("{key:?} {:#?}", Some(&key));
    assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
}

#[test]
fn generated_keys_differ() {
    assert_ne!(SecretKey::generate().public(), SecretKey::generate().public());
}
