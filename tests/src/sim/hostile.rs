//! What a hostile node makes of an honest machine's messages on their way out.

use std::collections::VecDeque;

use super::coverage::{Coverage, Fault};
use super::machine::{Machine, Message, NodeIndex, Order};
use crate::dice::Dice;

/// How many messages it remembers, its own and those it was sent, to send them again.
const REMEMBERED: usize = 64;

#[derive(Debug)]
pub(super) struct Hostile<M: Machine> {
    heard: VecDeque<M::Message>,
}

impl<M: Machine> Hostile<M> {
    pub fn new() -> Self {
        Self { heard: VecDeque::new() }
    }

    pub fn hear(&mut self, message: &M::Message) {
        if self.heard.len() == REMEMBERED {
            self.heard.pop_front();
        }
        self.heard.push_back(message.clone());
    }

    /// What it does instead of `order`.
    ///
    /// - `nodes`: how many nodes there are; it may send to any of them.
    pub fn twist(
        &mut self,
        order: Order<M>,
        me: NodeIndex,
        nodes: usize,
        dice: &mut Dice,
        coverage: &mut Coverage,
    ) -> Vec<Order<M>> {
        let (Order::Send { message, .. } | Order::Stream { message, .. }) = &order else {
            return vec![order];
        };
        self.hear(message);
        let mut orders = vec![order];
        match dice.pick(0..10) {
            0..3 => {
                coverage.note(Fault::Spoilt);
                let (Order::Send { message, .. } | Order::Stream { message, .. }) = &mut orders[0]
                else {
                    return orders;
                };
                message.spoil(dice);
            }
            3 => {
                coverage.note(Fault::Replayed);
                let again = self.heard[dice.pick(0..self.heard.len() as u64) as usize].clone();
                orders.extend(place(&orders[0], again, me, nodes, dice));
            }
            4 => {
                coverage.note(Fault::Invented);
                let new = M::Message::invent(dice);
                orders.extend(place(&orders[0], new, me, nodes, dice));
            }
            // A tenth of the time it says nothing, which looks like a very bad link.
            5 => orders.clear(),
            _ => {}
        }
        orders
    }
}

/// Sends `message` where `like` goes, or to another node, by itself or on a stream.
fn place<M: Machine>(
    like: &Order<M>,
    message: M::Message,
    me: NodeIndex,
    nodes: usize,
    dice: &mut Dice,
) -> Option<Order<M>> {
    let to = NodeIndex(dice.pick(0..nodes as u64) as usize);
    match (like, dice.pick(0..4)) {
        (Order::Stream { to, stream, .. }, 0..2) => {
            Some(Order::Stream { to: *to, stream: *stream, message })
        }
        _ if to == me => None,
        (_, 2) => Some(Order::Stream { to, stream: dice.roll(), message }),
        _ => Some(Order::Send { to, message }),
    }
}
