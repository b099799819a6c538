//! Who publishes, and what they ask for. Everything here is the same in every run.

use std::sync::OnceLock;

use catalog::release::{MirrorHints, Release};
use catalog::statement::{ChannelMove, Yank};
use catalog::{
    ByteSize, Digest, Identity, NodeId, PackageKind, Permission, Resources, SecretKey, Statement,
    Timestamp, Variant,
};

use super::super::NodeIndex;
use crate::dice::Dice;

/// How many nodes publish honestly: the first ones.
const PUBLISHERS: usize = 3;

/// Who may read what is not public: the first two nodes.
const MEMBERS: [NodeIndex; 2] = [NodeIndex(0), NodeIndex(1)];

/// A node that is no member of anything.
pub(super) const NOBODY: NodeId = NodeId::from_bytes([0xff; 32]);

/// What no message to others may contain: the beginning of the names of restricted packages.
const SECRET: &str = "secret";

/// What the people at a node want to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    package: String,
    version: String,
    what: What,
    /// What is in a release, besides its name and version.
    content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Release,
    Yank(bool),
    Channel,
}

impl Wish {
    /// Something to ask for.
    ///
    /// - `count`: how often these people asked already; each release has a number of its own.
    pub(super) fn any(count: u64, dice: &mut Dice) -> Self {
        let package = format!("{}-{}", [SECRET, "tool", "tool"][(count % 3) as usize], count % 2);
        let version = |number: u64| format!("1.{number}.0");
        // Of the same package: every sixth has the same name.
        let earlier = count - count.min(6 * dice.pick(1..3));
        let (what, number) = match dice.pick(0..10) {
            0 => (What::Yank(true), earlier),
            1 => (What::Yank(false), earlier),
            2 => (What::Channel, earlier),
            _ => (What::Release, count),
        };
        Self { package, version: version(number), what, content: String::new() }
    }

    /// The statement that says it.
    pub(super) fn statement(&self, identity: &Identity, seq: u64, time: Timestamp) -> Statement {
        let publisher = identity.publisher();
        let name = self.package.parse().expect("it is a name");
        let version = self.version.parse().expect("it is a version");
        match self.what {
            What::Release => Statement::Release(self.release(identity, seq, time)),
            What::Yank(yanked) => {
                let reason = "it does not start".to_owned();
                Statement::Yank(Yank { publisher, seq, time, name, version, yanked, reason })
            }
            What::Channel => {
                let channel = "stable".parse().expect("it is a name");
                let after = Default::default();
                let moved = ChannelMove { publisher, seq, time, name, channel, version, after };
                Statement::Channel(moved)
            }
        }
    }

    fn release(&self, identity: &Identity, seq: u64, time: Timestamp) -> Release {
        let content = Digest::of(format!("{self:?}").as_bytes());
        let members = MEMBERS.map(node_id).into();
        Release {
            publisher: identity.publisher(),
            seq,
            time,
            name: self.package.parse().expect("it is a name"),
            version: self.version.parse().expect("it is a version"),
            kind: PackageKind::Client,
            summary: "a package".to_owned(),
            license: "MIT".to_owned(),
            keywords: vec!["tools".to_owned()],
            tags: Vec::new(),
            provides: Vec::new(),
            dependencies: Vec::new(),
            capabilities: Default::default(),
            permission: match self.package.starts_with(SECRET) {
                true => Permission::Restricted(members),
                false => Permission::Public,
            },
            sealed: None,
            mirror: MirrorHints::default(),
            description: None,
            provenance: None,
            variants: vec![Variant {
                id: "generic".parse().expect("it is a name"),
                requires: Default::default(),
                prefers: Default::default(),
                resources: Resources::default(),
                fallback: false,
                quality: 50,
                root: content,
                tree: Digest::of(content.as_bytes()),
                size: ByteSize::bytes(1),
                files: 1,
            }],
            extensions: Default::default(),
        }
    }
}

/// When a publisher that contradicts itself says something: always the same, so that it says only
/// so many different things.
pub(super) const FORKED_AT: Timestamp = Timestamp::from_millis(1_785_000_000_000);

/// Statement `number` of a publisher that tells some nodes this and others that.
///
/// - `variant`: which of its stories; they begin alike.
pub(super) fn forked(number: u64, variant: u64) -> Wish {
    let content = if number < 2 { String::new() } else { format!("variant {variant}") };
    let what = match (number, variant) {
        (3, 0) => What::Yank(true),
        (3, _) => What::Channel,
        _ => What::Release,
    };
    let version = format!("1.{}.0", if number == 3 { 0 } else { number });
    Wish { package: "tool-9".to_owned(), version, what, content }
}

/// The publisher of the people at `node`, if they have one.
pub(super) fn publisher_at(node: NodeIndex) -> Option<&'static Identity> {
    identities()[..PUBLISHERS].get(node.0)
}

/// The publisher that contradicts itself.
pub(super) fn forker() -> &'static Identity {
    &identities()[PUBLISHERS]
}

fn identities() -> &'static [Identity] {
    static ALL: OnceLock<Vec<Identity>> = OnceLock::new();
    ALL.get_or_init(|| {
        let key = |number| SecretKey::from_bytes(&[number; 32]);
        let made = Timestamp::from_millis(1_780_000_000_000);
        let identity = |n| Identity::of_keys(key(2 * n + 1), key(2 * n + 2), None, made);
        (0..=PUBLISHERS as u8).map(identity).collect()
    })
}

/// The key by which others know `node`.
pub(super) fn node_id(node: NodeIndex) -> NodeId {
    NodeId::from_bytes([node.0 as u8; 32])
}

/// Whether the name of a restricted package, or the beginning of one, stands in `bytes`.
pub(super) fn names_secret(bytes: &[u8]) -> bool {
    let (first, rest) = SECRET.as_bytes().split_first().expect("it has letters");
    // Its first letter stands in it once, so that it is never cut in two.
    bytes.split(|byte| byte == first).skip(1).any(|part| part.starts_with(rest))
}

/// Whether `node` may read what is not public.
pub(super) fn is_member(node: NodeIndex) -> bool {
    MEMBERS.contains(&node)
}
