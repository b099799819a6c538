//! The decision itself: what was said last about a release and a reader holds.

use super::{Permission, Reader, Scope};
use crate::release::Release;
use crate::time::Timestamp;

/// What a publisher said about what one node may read: a grant, or a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands in the publisher's log; the highest position holds.
    pub seq: u64,
    /// Whether it grants; a revocation does not.
    pub granted: bool,
    /// Which releases it is about.
    pub scope: Scope,
    /// From when on a grant does not hold any more.
    pub until: Option<Timestamp>,
}

impl Word {
    /// Whether it lets the node read at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.granted && self.until.is_none_or(|until| now < until)
    }
}

/// Whether `who` may read a release, and know that it exists.
///
/// The last word counts: of all words about this release the one at the highest position, and of
/// two at one position the one that revokes. That a release lists a node is a word as well, at the
/// release's own position. A grant that has expired is a last word, too: it lets nobody read.
///
/// - `words`: what the release's publisher said about this node, in any order; others' words must
///   not be among them.
/// - `now`: the time by the clock of the one who is asked.
pub fn may_read(who: Reader, release: &Release, words: &[Word], now: Timestamp) -> bool {
    let Reader::Node(node) = who else { return true };
    if release.permission.is_open() {
        return true;
    }
    let listed =
        matches!(&release.permission, Permission::Restricted(nodes) if nodes.contains(&node));
    let about = words.iter().filter(|word| word.scope.covers(release));
    match about.max_by_key(|word| (word.seq, !word.granted)) {
        Some(last) if last.seq >= release.seq || !listed => last.holds(now),
        _ => listed,
    }
}
