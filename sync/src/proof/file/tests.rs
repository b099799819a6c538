use super::*;
use catalog::identity::Inception;
use catalog::log::root_of;
use catalog::statement::{StatementKind, Yank};
use catalog::{Digest, SecretKey, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

const GOLDEN: &[u8] = include_bytes!("golden.tlog-proof");

/// A publisher with one log.
struct Log {
    key: SecretKey,
    sealed: Vec<SealedStatement>,
}

impl Log {
    fn new(key: u8, statements: u64) -> Self {
        let key = SecretKey::from_bytes(&[key; 32]);
        let next = Digest::of(b"next");
        let alias = Some("acme".parse().unwrap());
        let inception = Inception::new(vec![key.public()], 1, next, NOW, alias).unwrap();
        let publisher = inception.id();
        let yank = |seq| {
            Statement::Yank(Yank {
                publisher,
                seq,
                time: NOW,
                name: "graphdb".parse().unwrap(),
                version: format!("1.{seq}.0").parse().unwrap(),
                yanked: true,
                reason: "broken".to_owned(),
            })
        };
        let statements =
            [Statement::Inception(inception)].into_iter().chain((1..statements).map(yank));
        let sealed = statements.map(|s| SealedStatement::seal(&s, &key).unwrap()).collect();
        Self { key, sealed }
    }

    fn leaves(&self) -> Vec<Sha256Digest> {
        self.sealed.iter().map(SealedStatement::leaf).collect()
    }

    fn head(&self, size: usize) -> SealedHead {
        let publisher = self.sealed[0].peek().unwrap().publisher;
        let root = root_of(self.leaves()[..size].iter().copied());
        let head = Head { publisher, key: self.key.public(), size: size as u64, root };
        SealedHead::seal(&head, &self.key)
    }

    fn prove(&self, seq: usize) -> Result<Proof, ProofError> {
        let (inception, statement) = (self.sealed[0].clone(), self.sealed[seq].clone());
        Proof::make(inception, statement, self.head(self.sealed.len()), &self.leaves())
    }
}

#[test]
fn a_proof_has_these_bytes() {
    let proof = Log::new(1, 6).prove(4).unwrap();
    assert_eq!(String::from_utf8(proof.encode()).unwrap(), str::from_utf8(GOLDEN).unwrap());
    assert_eq!(Proof::decode(GOLDEN).unwrap(), proof);
}

#[test]
fn a_proof_says_what_its_publisher_signed() {
    let log = Log::new(1, 6);
    for seq in 0..6 {
        let proven = verify_proof(&log.prove(seq).unwrap().encode()).unwrap();
        assert_eq!(proven.id, log.sealed[seq].id());
        assert_eq!(proven.statement.header().seq, seq as u64);
        assert_eq!(proven.head, *log.head(6).peek());
        assert_eq!(proven.stamped, None);
    }
    let Statement::Yank(yank) = verify_proof(GOLDEN).unwrap().statement else { panic!() };
    assert_eq!((yank.version.to_string().as_str(), yank.yanked), ("1.4.0", true));
}

/// A head carries what was signed over it, so a proof says how fresh it was.
#[test]
fn a_proof_says_when_its_head_was_the_newest() {
    let log = Log::new(1, 6);
    let head = log.head(6).stamp(&log.key, NOW).unwrap();
    let (inception, statement) = (log.sealed[0].clone(), log.sealed[4].clone());
    let proof = Proof::make(inception, statement, head, &log.leaves()).unwrap().encode();
    assert_eq!(verify_proof(&proof).unwrap().stamped, Some(NOW));
}

/// Threat row 23: what was signed for one place proves nothing in another.
#[test]
fn no_part_of_a_proof_can_be_swapped_for_another() {
    let (log, other) = (Log::new(1, 6), Log::new(2, 6));
    let (proof, strange) = (log.prove(4).unwrap(), other.prove(4).unwrap());
    let verify = |forge: &dyn Fn(&mut Proof)| {
        let mut forged = proof.clone();
        forge(&mut forged);
        // Whatever is forged can still be written down; it is the checking that refuses it.
        assert_eq!(Proof::decode(&forged.encode()), Ok(forged.clone()));
        verify_proof(&forged.encode()).unwrap_err()
    };
    use ProofError as E;
    let found = verify(&|forged| forged.statement = log.sealed[3].clone());
    assert_eq!(found, E::OtherPosition { signed: 3, claimed: 4 });
    let found = verify(&|forged| forged.index = 3);
    assert_eq!(found, E::OtherPosition { signed: 4, claimed: 3 });
    let found = verify(&|forged| (forged.statement, forged.index) = (log.sealed[5].clone(), 5));
    assert_eq!(found, E::Inclusion(InclusionError::Root));
    let found = verify(&|forged| forged.head = log.head(4));
    assert_eq!(found, E::Inclusion(InclusionError::Beyond { position: 4, size: 4 }));
    let found = verify(&|forged| forged.head = log.head(5));
    assert!(matches!(found, E::Inclusion(InclusionError::Length { .. })));
    let found = verify(&|forged| forged.head = strange.head.clone());
    assert!(matches!(found, E::FalseHead(HeadOpenError::OtherPublisher { .. })));
    let found = verify(&|forged| forged.statement = strange.statement.clone());
    assert!(matches!(found, E::Statement(OpenError::Stranger { .. })));
    let found = verify(&|forged| forged.inception = strange.inception.clone());
    assert!(matches!(found, E::FalseHead(HeadOpenError::OtherPublisher { .. })));
    let found = verify(&|forged| forged.inception = log.sealed[1].clone());
    let kind = StatementKind::Yank;
    assert_eq!(found, E::Inception(OpenError::NotInception { found: kind }));
    let found = verify(&|forged| forged.inclusion = log.prove(5).unwrap().inclusion);
    assert_eq!(found, E::Inclusion(InclusionError::Root));
}

/// The head's signature covers the size: a proof cannot bring its own number of leaves.
#[test]
fn a_head_with_another_size_is_forged() {
    let text = str::from_utf8(GOLDEN).unwrap();
    for size in ["5", "7", "8"] {
        let forged = text.replace("\n6\n", &format!("\n{size}\n"));
        assert_ne!(forged, text);
        let found = verify_proof(forged.as_bytes());
        assert!(matches!(found, Err(ProofError::FalseHead(HeadOpenError::Forged { .. }))));
    }
}

/// A key of the same publisher has a log of its own; its head says nothing about another's.
#[test]
fn a_head_of_another_key_of_the_publisher_does_not_vouch() {
    let keys = [1, 2].map(|key| SecretKey::from_bytes(&[key; 32]));
    let publics = keys.iter().map(SecretKey::public).collect();
    let inception = Inception::new(publics, 1, Digest::of(b"next"), NOW, None).unwrap();
    let publisher = inception.id();
    let inception = SealedStatement::seal(&Statement::Inception(inception), &keys[0]).unwrap();
    let yank = Statement::Yank(Yank {
        publisher,
        seq: 1,
        time: NOW,
        name: "graphdb".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        yanked: true,
        reason: String::new(),
    });
    let statement = SealedStatement::seal(&yank, &keys[0]).unwrap();
    let leaves = [inception.leaf(), statement.leaf()];
    let made = |key: &SecretKey| {
        let head = Head { publisher, key: key.public(), size: 2, root: root_of(leaves) };
        let head = SealedHead::seal(&head, key);
        Proof::make(inception.clone(), statement.clone(), head, &leaves)
    };
    made(&keys[0]).unwrap();
    assert_eq!(made(&keys[1]), Err(ProofError::OtherLog));
}

#[test]
fn a_false_proof_is_not_made() {
    let log = Log::new(1, 6);
    let made = |seq: usize, head, leaves: &[_]| {
        Proof::make(log.sealed[0].clone(), log.sealed[seq].clone(), head, leaves)
    };
    let mut leaves = log.leaves();
    made(4, log.head(5), &leaves).unwrap();
    assert!(made(4, log.head(4), &leaves).is_err());
    assert!(made(4, log.head(6), &leaves[..5]).is_err());
    leaves[0] = leaves[1];
    assert_eq!(made(4, log.head(6), &leaves), Err(ProofError::Inclusion(InclusionError::Root)));
}

#[test]
fn bytes_that_are_no_proof_are_told_from_a_false_one() {
    for bytes in [&b""[..], b"catalog", b"c2sp.org/tlog-proof@v2\n", b"\xff\xfe"] {
        assert_eq!(verify_proof(bytes), Err(ProofError::NotAProof));
        assert!(!ProofError::NotAProof.is_false());
    }
    let huge = vec![b'a'; PROOF_BYTES_MAX + 1];
    assert_eq!(verify_proof(&huge), Err(ProofError::TooLarge { bytes: huge.len() }));
}

#[test]
fn every_proof_has_one_spelling() {
    let text = str::from_utf8(GOLDEN).unwrap();
    let index = text.replace("index 4", "index 04");
    let plus = text.replace("index 4", "index +4");
    let returns = text.replace('\n', "\r\n");
    let longer = format!("{text}\n");
    let repeated = text.replace("index 4\n", "index 4\nindex 4\n");
    let headless = text.split("\n\n").next().unwrap().to_owned();
    for (at, spelled) in [index, plus, returns, longer, repeated, headless].iter().enumerate() {
        assert_ne!(spelled, text);
        verify_proof(spelled.as_bytes()).expect_err(&at.to_string());
    }
}

#[test]
fn no_cut_and_no_flipped_bit_leaves_a_proof() {
    for end in 0..GOLDEN.len() {
        verify_proof(&GOLDEN[..end]).unwrap_err();
    }
    for at in 0..GOLDEN.len() {
        for bit in 0..8 {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] ^= 1 << bit;
            verify_proof(&bytes).unwrap_err();
        }
    }
}

#[test]
fn the_largest_proof_fits() {
    let (extra, hash) = (BASE64.encode(vec![0; EXTRA_BYTES_MAX]), BASE64.encode([0; 32]));
    let hashes = format!("{hash}\n").repeat(HASHES_MAX);
    let text = format!("{FIRST_LINE}\n{EXTRA}{extra}\n{INDEX}{}\n{hashes}\n", u64::MAX);
    assert!(text.len() + HEAD_BYTES_MAX <= PROOF_BYTES_MAX);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = verify_proof(&bytes);
        let _ = verify_proof(&[FIRST_LINE.as_bytes(), b"\n", &bytes].concat());
    }

    #[test]
    fn lines_in_any_order_are_read_without_a_panic(
        order in proptest::collection::vec(0usize..12, 0..20),
    ) {
        let lines: Vec<_> = str::from_utf8(GOLDEN).unwrap().split('\n').collect();
        let text: Vec<_> = order.iter().filter_map(|&at| lines.get(at).copied()).collect();
        let _ = verify_proof(format!("{FIRST_LINE}\n{}", text.join("\n")).as_bytes());
    }
}
