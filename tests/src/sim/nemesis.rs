//! What goes wrong next, to whom, and for how long.

use super::machine::NodeIndex;
use super::network::Weather;
use crate::dice::Dice;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Ten years, in milliseconds.
const DECADE_MS: i64 = 10 * 365 * 24 * 3_600_000;

/// Something that goes wrong. Times are in microseconds.
#[derive(Clone, Debug)]
pub(super) enum Misfortune {
    Weather(Weather),
    /// The nodes of one group cannot reach the others, nor be reached.
    Partition {
        group: Vec<NodeIndex>,
        lasts: u64,
    },
    OneWayCut {
        from: NodeIndex,
        to: NodeIndex,
        lasts: u64,
    },
    /// Somebody else fills the link.
    Flood {
        from: NodeIndex,
        to: NodeIndex,
        lasts: u64,
    },
    PowerCut {
        node: NodeIndex,
        lasts: u64,
    },
    /// The write after so many more fails, and the node with it.
    FailedWrite {
        node: NodeIndex,
        after: u64,
    },
    ClockJump {
        node: NodeIndex,
        by_ms: i64,
    },
    ClockStop {
        node: NodeIndex,
        lasts: u64,
    },
    /// Every event takes so long.
    SlowNode {
        node: NodeIndex,
        each: u64,
        lasts: u64,
    },
}

impl Misfortune {
    pub fn any(nodes: usize, dice: &mut Dice) -> Self {
        let node = any_node(nodes, dice);
        match dice.pick(0..18) {
            0..3 => Self::Weather(Weather::any(dice)),
            3..5 => {
                let group: Vec<_> =
                    (0..nodes).map(NodeIndex).filter(|_| dice.pick(0..2) == 0).collect();
                Self::Partition { group, lasts: lasting(dice) }
            }
            5..7 => {
                Self::OneWayCut { from: node, to: another(node, nodes, dice), lasts: lasting(dice) }
            }
            7..10 => Self::PowerCut { node, lasts: down_for(dice) },
            10..13 => Self::FailedWrite { node, after: dice.pick(0..60) },
            13 => {
                let span = [5_000, 15 * 60_000, DECADE_MS][dice.pick(0..3) as usize];
                let by_ms = dice.pick(0..2 * span as u64) as i64 - span;
                Self::ClockJump { node, by_ms }
            }
            14..16 => {
                let lasts = dice.pick(SECOND..2 * MINUTE);
                Self::Flood { from: node, to: another(node, nodes, dice), lasts }
            }
            16 => Self::ClockStop { node, lasts: lasting(dice) },
            _ => {
                let each = dice.pick(10 * MS..2 * SECOND);
                Self::SlowNode { node, each, lasts: lasting(dice) }
            }
        }
    }
}

fn any_node(nodes: usize, dice: &mut Dice) -> NodeIndex {
    NodeIndex(dice.pick(0..nodes as u64) as usize)
}

fn another(node: NodeIndex, nodes: usize, dice: &mut Dice) -> NodeIndex {
    NodeIndex((node.0 + 1 + any_node(nodes - 1, dice).0) % nodes)
}

/// From half a minute to half an hour, short ones as likely as long ones.
fn lasting(dice: &mut Dice) -> u64 {
    (MINUTE / 2) << dice.pick(0..6)
}

/// How long a node that lost its power is down.
pub(super) fn down_for(dice: &mut Dice) -> u64 {
    SECOND << dice.pick(0..10)
}
