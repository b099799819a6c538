//! What a channel with two owners means under each policy, on a node.

use std::collections::BTreeMap;

use catalog::identity::Inception;
use catalog::reference::Reference;
use catalog::release::{PackageId, Release};
use catalog::statement::{ChannelMove, SealedStatement, Statement};
use catalog::store::{Incoming, LookupError};
use catalog::variant::Variant;
use catalog::{Digest, PublicKey, SecretKey, Timestamp};
use catalog_tests::releases;

use crate::conflicts::{About, ResolveError, Verdict};
use crate::{Node, NodeConfig};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A publisher with two keys, each of which signs a log of its own.
struct Team {
    keys: [SecretKey; 2],
    sealed: Vec<SealedStatement>,
    package: PackageId,
}

impl Team {
    fn new() -> Self {
        let keys = [1, 2].map(|n| SecretKey::from_bytes(&[n; 32]));
        let publics = keys.iter().map(SecretKey::public).collect();
        let inception = Inception::new(publics, 1, Digest::of(b"next"), NOW, None).unwrap();
        let package = PackageId { publisher: inception.id(), name: "graphdb".parse().unwrap() };
        let sealed = SealedStatement::seal(&Statement::Inception(inception), &keys[0]).unwrap();
        Self { keys, sealed: vec![sealed], package }
    }

    fn release(&mut self, key: usize, seq: u64, version: &str) {
        self.release_of(key, seq, version, Digest::of(version.as_bytes()));
    }

    fn release_of(&mut self, key: usize, seq: u64, version: &str, root: Digest) {
        let (publisher, name) = (self.package.publisher, self.package.name.clone());
        let variant = Variant { root, tree: root, ..releases::variant("any") };
        let release = Release {
            seq,
            time: NOW,
            version: version.parse().unwrap(),
            variants: vec![variant],
            ..releases::release(publisher, name.as_str())
        };
        self.seal(key, &Statement::Release(release));
    }

    fn point(&mut self, key: usize, seq: u64, version: &str, after: &[(PublicKey, u64)]) {
        let (publisher, name) = (self.package.publisher, self.package.name.clone());
        let (channel, version) = ("stable".parse().unwrap(), version.parse().unwrap());
        let after = after.iter().copied().collect();
        let moved = ChannelMove { publisher, seq, time: NOW, name, channel, version, after };
        self.seal(key, &Statement::Channel(moved));
    }

    fn seal(&mut self, key: usize, statement: &Statement) {
        self.sealed.push(SealedStatement::seal(statement, &self.keys[key]).unwrap());
    }

    fn tell(&self, node: &Node) {
        let items = self.sealed.iter().cloned().map(Incoming::Statement).collect();
        let accepted = node.store().accept(items, NOW).unwrap();
        assert!(accepted.rejected.is_empty(), "{accepted:?}");
    }
}

async fn node(policies: &str) -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig::at(dir.path()).answer_conflicts_by(policies.parse().unwrap());
    let node = Node::builder(config).spawn().await.unwrap();
    (dir, node)
}

fn stable(node: &Node) -> Result<String, LookupError> {
    let reference: Reference = "graphdb@stable".parse().unwrap();
    node.look_up(&reference).map(|found| found.row.version.to_string())
}

/// Two keys move one channel, neither knowing of the other: nobody guesses, a policy or a person
/// decides, and the next move of the publisher ends it.
#[tokio::test]
async fn a_disputed_channel_is_answered_by_its_policy_or_a_person() {
    let mut team = Team::new();
    team.release(0, 1, "1.0.0");
    team.release(1, 1, "1.1.0");
    team.point(0, 3, "1.0.0", &[]);
    team.point(1, 2, "1.1.0", &[]);
    for (policies, expected) in [
        ("", None),
        ("*=keep-both", None),
        ("*=manual", None),
        ("*/graphdb=newest-wins", Some("1.0.0")),
        ("*/graph*=merge", Some("1.1.0")),
        ("*=consensus-wins", None),
    ] {
        let (_dir, node) = node(policies).await;
        team.tell(&node);
        match (stable(&node), expected) {
            (Ok(version), Some(expected)) => assert_eq!(version, expected, "{policies}"),
            (Err(LookupError::Disputed { versions, .. }), None) => {
                assert_eq!(versions.len(), 2, "{policies}");
            }
            other => panic!("{policies}: {other:?}"),
        }
        let disputes = node.conflicts().unwrap();
        assert_eq!(disputes.len(), 1, "{policies}");
        assert_eq!((disputes[0].about, disputes[0].sides.len()), (About::Channel, 2));
        assert_eq!(disputes[0].blocked, expected.is_none());
        node.shutdown().await.unwrap();
    }

    let (_dir, node) = node("").await;
    team.tell(&node);
    let subject = format!("{}@stable", team.package);
    let decided = node.resolve(&subject, &Verdict::Keep("1.0.0".to_owned())).unwrap();
    assert!(!decided.blocked && decided.decided.is_some());
    assert_eq!(stable(&node).unwrap(), "1.0.0");
    assert!(node.resolve(&subject, &Verdict::Keep("9.0.0".to_owned())).is_err());
    assert!(node.resolve(&subject, &Verdict::Undo).unwrap().blocked);

    // A move that knew of both is no conflict any more.
    let seen = team.keys[0].public();
    team.point(1, 3, "1.1.0", &[(seen, 3)]);
    team.tell(&node);
    assert_eq!(stable(&node).unwrap(), "1.1.0");
    assert!(node.conflicts().unwrap().is_empty());
    node.shutdown().await.unwrap();
}

/// A side is named by as much of its id as tells it from the others.
#[tokio::test]
async fn a_side_is_named_by_its_beginning_unless_another_begins_like_it() {
    let mut team = Team::new();
    // Two releases of one version, whose ids share their first two bytes, one in each log.
    let mut found = BTreeMap::new();
    let alike = (0_u32..).find_map(|number| {
        let at = team.sealed.len();
        team.release_of(number as usize % 2, 1, "1.0.0", Digest::of(&number.to_be_bytes()));
        let sealed = team.sealed.remove(at);
        let beginning = sealed.id().to_string()[..4].to_owned();
        found.insert((beginning.clone(), number % 2), sealed.clone());
        let other = found.get(&(beginning, 1 - number % 2))?.clone();
        Some([sealed, other])
    });
    let alike = alike.unwrap();
    let names = alike.each_ref().map(|sealed| format!("cat:{}", sealed.id()));
    team.sealed.extend(alike);
    let (_dir, node) = node("").await;
    team.tell(&node);
    let subject = format!("{}@1.0.0", team.package);
    let keep = |name: &str| node.resolve(&subject, &Verdict::Keep(name.to_owned()));
    let chosen = |name: &str| {
        let sides = keep(name).unwrap().sides.into_iter();
        sides.filter(|side| side.chosen).map(|side| side.name).collect::<Vec<_>>()
    };
    let shared = &names[0][..8];
    match keep(shared) {
        Err(ResolveError::Ambiguous { sides, .. }) => assert_eq!(sides.len(), 2),
        other => panic!("{other:?}"),
    }
    assert!(matches!(keep(&names[0][..7]), Err(ResolveError::NotASide { .. })), "too short");
    assert!(matches!(keep("cat:"), Err(ResolveError::NotASide { .. })));
    assert!(matches!(keep("ffffzzzz"), Err(ResolveError::NotASide { .. })));
    for name in &names {
        assert_eq!(chosen(&name[..20]), [name.as_str()]);
        assert_eq!(chosen(&name["cat:".len()..]), [name.as_str()]);
    }
    let publisher = team.package.publisher.to_string();
    let beginning = node.resolve(&publisher[..12], &Verdict::Lift);
    assert!(matches!(beginning, Err(ResolveError::NoConflict { .. })), "{beginning:?}");
    node.shutdown().await.unwrap();
}
