//! What a machine has to be to run here, and what it is told and may ask for.

use std::fmt;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use super::clock::Now;
use super::rule::Rule;
use crate::dice::Dice;

/// One of the nodes, counted from 0; the hostile ones come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub usize);

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What travels between nodes.
pub trait Message: Clone + Debug + Hash {
    /// How many bytes it has on the wire.
    fn size(&self) -> usize;

    /// Changes it as somebody would who wants to do harm.
    fn spoil(&mut self, dice: &mut Dice);

    /// One that nobody asked for.
    fn invent(dice: &mut Dice) -> Self;
}

/// The process has ended: its disk failed, so it knows no more what is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Died(pub String);

/// A node without I/O.
pub trait Machine: Debug + Sized {
    /// What it sends.
    type Message: Message;
    /// What the people at the node ask for.
    type Command: Clone + Debug;
    /// What it tells them, above all: that something is safe now.
    type Effect: Clone + Debug;
    /// What is left of it when the power goes.
    type Disk;

    /// Takes in one event and says what is to be done, in order.
    ///
    /// # Errors
    /// [`Died`] ends the process; nothing of what it wanted to do happens.
    fn handle(&mut self, now: Now, event: Event<Self>) -> Result<Vec<Order<Self>>, Died>;

    /// When it wants to be woken next, in its steady time.
    fn next_wake(&self) -> Option<Duration>;

    /// Takes its power away: what was not synced may be lost, in any part.
    fn power_cut(self, dice: &mut Dice) -> Self::Disk;

    /// Lets a write fail that comes after `count` more; `None` takes that back.
    fn fail_write(&mut self, count: Option<u64>);
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Event<M: Machine> {
    /// The time that it wanted to be woken at has come.
    Wake,
    /// Its people ask for something.
    Command(M::Command),
    /// A message that may have been lost, doubled or overtaken.
    Message {
        /// Who sent it.
        from: NodeIndex,
        /// What it says.
        message: M::Message,
    },
    /// The next message on a stream: there is none missing before it.
    Stream {
        /// The other end.
        from: NodeIndex,
        /// Which of the streams between the two.
        stream: u64,
        /// What it says.
        message: M::Message,
    },
    /// A stream ended, whichever way.
    Closed {
        /// The other end.
        peer: NodeIndex,
        /// Which of the streams between the two.
        stream: u64,
    },
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Order<M: Machine> {
    /// Send a message and forget it.
    Send {
        /// To whom.
        to: NodeIndex,
        /// What it says.
        message: M::Message,
    },
    /// Send the next message on a stream, which the first message opens.
    Stream {
        /// The other end.
        to: NodeIndex,
        /// Which one; a number that the opener never used before.
        stream: u64,
        /// What it says.
        message: M::Message,
    },
    /// End a stream after what was sent on it.
    Close {
        /// The other end.
        peer: NodeIndex,
        /// Which one.
        stream: u64,
    },
    /// Tell the people at the node.
    Tell(M::Effect),
}

/// Whether a node keeps to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does.
    Honest,
    /// What it sends is spoilt, repeated and invented on the way out.
    Hostile,
}

/// Who takes part and what is expected of them.
pub trait Scenario {
    /// What each node runs.
    type Machine: Machine;

    /// Starts a node.
    ///
    /// - `disk`: what the last power cut left; `None` the first time.
    /// - `seed`: where the machine's own chance comes from, another one at each start.
    ///
    /// # Errors
    /// Says why it does not start, which breaks the run.
    fn boot(
        &self,
        node: NodeIndex,
        role: Role,
        disk: Option<<Self::Machine as Machine>::Disk>,
        now: Now,
        seed: u64,
    ) -> Result<Self::Machine, String>;

    /// Something that the people at `node` ask for now, if they do.
    fn command(
        &mut self,
        node: NodeIndex,
        dice: &mut Dice,
    ) -> Option<<Self::Machine as Machine>::Command>;

    /// What holds after every step.
    fn rules(&self) -> Vec<Box<dyn Rule<Self::Machine>>>;

    /// What is still to be done until all honest nodes agree and nothing waits; `None` when that
    /// is reached. Asked only after the faults have stopped, with every honest node running.
    fn unsettled(&self, honest: &[(NodeIndex, &Self::Machine)]) -> Option<String>;
}
