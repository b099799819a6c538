//! What a release needs, and what that needs in turn, for `info --tree`.
//!
//! Every release is opened once, so the work is linear in what is printed however the packages are
//! tangled; loops are reported, not followed, and there is a ceiling on the whole.

use crate::defence::{self, Defence};
use crate::release::{Dependency, ReleaseId};
use std::collections::HashSet;

/// Most lines of a walk: more than any real package has, and far less than a hostile set of
/// packages can ask for.
pub const LINES_MAX: usize = 10_000;

/// All that a release needs, directly or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DependencyWalk {
    /// Depth first, each below what needs it, in the order that releases list them.
    pub lines: Vec<DependencyLine>,
    /// Whether there was more than [`LINES_MAX`] allows.
    pub cut: bool,
}

/// One dependency, at the place where it is needed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DependencyLine {
    /// 0 for what the release itself needs.
    pub depth: usize,
    /// What is needed.
    pub dependency: Dependency,
    /// What answers to it here.
    pub found: Option<ReleaseId>,
    /// Whether its own dependencies follow.
    pub state: DependencyState,
}

/// What became of one dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyState {
    /// What it needs follows.
    Opened,
    /// It was opened further up; it is not shown again.
    Repeated,
    /// It needs itself, through the lines above it.
    Cycle,
    /// No release here answers to it.
    Missing,
}

/// Walks what a release needs.
///
/// - `id`, `needs`: the release and its dependencies.
/// - `lookup`: the release that answers to a dependency, and its dependencies in turn; called at
///   most [`LINES_MAX`] times.
pub fn walk(
    id: ReleaseId,
    needs: Vec<Dependency>,
    mut lookup: impl FnMut(&Dependency) -> Option<(ReleaseId, Vec<Dependency>)>,
) -> DependencyWalk {
    let mut walk = DependencyWalk::default();
    let mut opened = HashSet::from([id]);
    // The way from the release down to here, each with what it still needs. A stack of our own,
    // because a chain of dependencies can be deeper than the stack of a thread.
    let mut way = vec![(id, needs.into_iter())];
    while let Some((_, open)) = way.last_mut() {
        let Some(dependency) = open.next() else {
            way.pop();
            continue;
        };
        if walk.lines.len() == LINES_MAX {
            walk.cut = true;
            break;
        }
        let depth = way.len() - 1;
        let Some((found, needs)) = lookup(&dependency) else {
            let state = DependencyState::Missing;
            walk.lines.push(DependencyLine { depth, dependency, found: None, state });
            continue;
        };
        let first_time = opened.insert(found);
        let state = if first_time {
            DependencyState::Opened
        } else if way.iter().any(|(above, _)| *above == found) {
            DependencyState::Cycle
        } else if defence::on(Defence::OpenOnce) {
            DependencyState::Repeated
        } else {
            DependencyState::Opened
        };
        walk.lines.push(DependencyLine { depth, dependency, found: Some(found), state });
        if state == DependencyState::Opened {
            way.push((found, needs.into_iter()));
        }
    }
    walk
}

impl DependencyWalk {
    /// The dependencies that lead back to something above them.
    pub fn cycles(&self) -> impl Iterator<Item = &DependencyLine> {
        self.lines.iter().filter(|line| line.state == DependencyState::Cycle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;
    use crate::digest::Digest;
    use crate::identity::PublisherId;
    use std::cell::Cell;

    /// A world of packages: what the package of each name needs.
    fn walk_in(world: impl Fn(&str) -> Option<Vec<String>>) -> DependencyWalk {
        let lookups = Cell::new(0);
        let dependency = |name: &String| Dependency {
            publisher: PublisherId::from_digest(Digest::of(b"acme")),
            name: name.parse().unwrap(),
            range: semver::VersionReq::STAR,
            optional: false,
            on: None,
        };
        let release = |name: &str| {
            let needs: Vec<_> = world(name)?.iter().map(dependency).collect();
            Some((ReleaseId::of(name.as_bytes()), needs))
        };
        let (id, needs) = release("p0").unwrap();
        let walk = walk(id, needs, |dependency| {
            lookups.set(lookups.get() + 1);
            release(dependency.name.as_str())
        });
        // The work is bounded by what is listed, and that has a ceiling.
        assert!(lookups.get() == walk.lines.len() && walk.lines.len() <= LINES_MAX);
        walk
    }

    fn listed(walk: &DependencyWalk) -> Vec<String> {
        let line = |line: &DependencyLine| {
            format!("{} {} {:?}", line.depth, line.dependency.name, line.state)
        };
        walk.lines.iter().map(line).collect()
    }

    fn number(name: &str) -> usize {
        name[1..].parse().unwrap()
    }

    #[test]
    fn dependencies_are_listed_below_what_needs_them_and_opened_once() {
        let walk = walk_in(|name| {
            let needs: &[&str] = match name {
                "p0" => &["p1", "p2", "gone"],
                "p1" => &["p2", "p0"],
                "p2" => &["p2"],
                _ => return None,
            };
            Some(needs.iter().map(ToString::to_string).collect())
        });
        assert_eq!(
            listed(&walk),
            [
                "0 p1 Opened",
                "1 p2 Opened",
                "2 p2 Cycle",
                "1 p0 Cycle",
                "0 p2 Repeated",
                "0 gone Missing"
            ]
        );
        assert_eq!((walk.cycles().count(), walk.cut), (2, false));
    }

    /// Each package needs both of the next pair: 2^40 ways down, 160 lines.
    fn diamonds(name: &str) -> Option<Vec<String>> {
        let pair = number(name).div_ceil(2);
        let next = (2 * pair + 1, 2 * pair + 2);
        Some(if pair < 40 { vec![format!("p{}", next.0), format!("p{}", next.1)] } else { vec![] })
    }

    /// Threat row 27: packages that need each other in exponentially many ways cost linear work.
    #[test]
    fn a_tangle_of_dependencies_costs_linear_work() {
        let walk = walk_in(diamonds);
        assert!(!walk.cut && walk.lines.len() < 200, "{} lines", walk.lines.len());
    }

    #[test]
    fn a_tangle_is_noticed_without_the_defence() {
        let walk = without(Defence::OpenOnce, || walk_in(diamonds));
        assert!(walk.cut && walk.lines.len() == LINES_MAX);
    }

    /// Threat row 27: an endless chain and a wide fan end at the ceiling.
    #[test]
    fn an_endless_chain_and_a_wide_fan_end_at_the_ceiling() {
        let chain = walk_in(|name| Some(vec![format!("p{}", number(name) + 1)]));
        assert!(chain.cut && chain.lines.len() == LINES_MAX);
        assert_eq!(chain.lines.last().unwrap().depth, LINES_MAX - 1);
        let fan = walk_in(|name| {
            let from = number(name) * 40;
            Some((1..=40).map(|at| format!("p{}", (from + at) % 1_000_003)).collect())
        });
        assert!(fan.cut && fan.lines.len() == LINES_MAX);
    }

    /// Threat row 27: a ring of any length is reported once and not followed.
    #[test]
    fn a_ring_of_dependencies_is_reported_and_not_followed() {
        for length in [1, 2, 7, 500] {
            let walk = walk_in(|name| Some(vec![format!("p{}", (number(name) + 1) % length)]));
            assert_eq!((walk.lines.len(), walk.cycles().count()), (length, 1));
        }
    }
}
