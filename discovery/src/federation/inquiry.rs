//! One question on its way through the peers: whom to ask, whom to ask instead, when it is enough.
//!
//! In: collections in the order in which they promise most, each with the peers that hold it; then
//! answers, failures and the passing of time. Out: orders to ask somebody, a time to be woken at,
//! and what has come so far with how complete it is. The time is what the caller says.
//!
//! Guarantees: it ends at its deadline at the latest; each peer is asked once; a second replica is
//! asked only for what nobody else covers, and only as often as the budget allows.

use std::collections::VecDeque;
use std::time::Duration;

use catalog::permission::NodeId;

use crate::federation::answer::Opened;
use crate::federation::budget::Budgets;

/// How long a search takes at most, unless somebody says otherwise.
pub const DEADLINE: Duration = Duration::from_millis(500);
/// The share of the time for asking after which a second replica is asked.
const HEDGE_AFTER: u32 = 3;

/// What the machine is told.
#[derive(Debug)]
pub enum Event {
    /// A peer answered, and its signatures are good.
    Answered {
        /// Who.
        node: NodeId,
        /// With what.
        opened: Opened,
    },
    /// A peer was not reached, broke off, or has no time for us.
    Failed {
        /// Who.
        node: NodeId,
    },
    /// A peer sent what an honest one does not send.
    Lied {
        /// Who.
        node: NodeId,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send the question to this peer.
    Ask(NodeId),
}

/// How much of what could be asked was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Collections that somebody was asked for.
    pub asked: usize,
    /// Those of them that an answer came from.
    pub answered: usize,
    /// Peers that sent what an honest one does not send.
    pub lied: usize,
    /// How long it took.
    pub took: Duration,
}

/// A question that is being asked.
#[derive(Debug)]
pub struct Inquiry {
    began: Duration,
    deadline: Duration,
    hedge_at: Duration,
    groups: Vec<Group>,
    orders: VecDeque<Order>,
    answers: Vec<(NodeId, Opened)>,
    lied: usize,
    ended: Option<Duration>,
}

/// Peers that hold the same.
#[derive(Debug)]
struct Group {
    /// Who may still be asked, first to be asked first.
    left: VecDeque<NodeId>,
    /// Who was asked and has not answered.
    open: Vec<NodeId>,
    asked: bool,
    answered: bool,
    hedged: bool,
}

impl Inquiry {
    /// Begins to ask.
    ///
    /// - `groups`: from [`Collections::groups`](crate::federation::Collections::groups).
    /// - `deadline`: when answers are waited for no longer; see
    ///   [`Finishing`](crate::federation::Finishing).
    pub fn new(
        now: Duration,
        groups: Vec<Vec<NodeId>>,
        deadline: Duration,
        budgets: &mut Budgets,
    ) -> Self {
        let groups = groups.into_iter().map(|nodes| Group {
            left: nodes.into(),
            open: Vec::new(),
            asked: false,
            answered: false,
            hedged: false,
        });
        let mut inquiry = Self {
            began: now,
            deadline,
            hedge_at: now + deadline.saturating_sub(now) / HEDGE_AFTER,
            groups: groups.collect(),
            orders: VecDeque::new(),
            answers: Vec::new(),
            lied: 0,
            ended: None,
        };
        for group in 0..inquiry.groups.len() {
            inquiry.ask(now, group, budgets);
        }
        inquiry.settle(now);
        inquiry
    }

    /// Takes in what happened. What comes from somebody who was not asked, comes twice or comes too
    /// late changes nothing.
    pub fn handle(&mut self, now: Duration, event: Event, budgets: &mut Budgets) {
        if let Event::Lied { node } = &event {
            budgets.shun(now, *node);
        }
        if self.ended.is_some() {
            return;
        }
        match event {
            _ if now >= self.deadline => {}
            Event::Answered { node, opened } => {
                if let Some(group) = self.close(node) {
                    self.groups[group].answered = true;
                    self.answers.push((node, opened));
                }
            }
            Event::Failed { node } => {
                if let Some(group) = self.close(node) {
                    self.ask(now, group, budgets);
                }
            }
            Event::Lied { node } => {
                if let Some(group) = self.close(node) {
                    self.lied += 1;
                    self.ask(now, group, budgets);
                }
            }
            Event::Tick => {}
        }
        if now >= self.hedge_at && now < self.deadline {
            self.hedge(now, budgets);
        }
        self.settle(now);
    }

    /// What is to be done next; empty this after every event.
    pub fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When to send a [`Event::Tick`]; `None` when it is over.
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        match self.ended {
            Some(_) => None,
            None if now < self.hedge_at => Some(self.hedge_at),
            None => Some(self.deadline),
        }
    }

    /// Whether nothing more is waited for.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// When it was over: at its deadline at the latest.
    pub fn ended(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.min(self.deadline))
    }

    /// What has come so far.
    pub fn answers(&self) -> &[(NodeId, Opened)] {
        &self.answers
    }

    /// Gives out what has come.
    pub fn into_answers(self) -> Vec<(NodeId, Opened)> {
        self.answers
    }

    /// How complete that is.
    pub fn coverage(&self, now: Duration) -> Coverage {
        let end = self.ended().unwrap_or(now.min(self.deadline));
        Coverage {
            asked: self.groups.iter().filter(|group| group.asked).count(),
            answered: self.groups.iter().filter(|group| group.answered).count(),
            lied: self.lied,
            took: end.saturating_sub(self.began),
        }
    }

    /// Ends the wait for `node`; answers which group it was asked for.
    fn close(&mut self, node: NodeId) -> Option<usize> {
        let group = self.groups.iter().position(|group| group.open.contains(&node))?;
        self.groups[group].open.retain(|open| *open != node);
        Some(group)
    }

    /// Asks the next peer of a group that nobody is asked for and nobody answered for.
    fn ask(&mut self, now: Duration, group: usize, budgets: &mut Budgets) {
        let group = &mut self.groups[group];
        if group.answered || !group.open.is_empty() {
            return;
        }
        if let Some(node) = group.next(now, budgets) {
            self.orders.push_back(Order::Ask(node));
        }
    }

    /// Asks a second replica of what is still missing.
    fn hedge(&mut self, now: Duration, budgets: &mut Budgets) {
        for group in &mut self.groups {
            let waits = !group.answered && !group.open.is_empty() && !group.hedged;
            if waits && !group.left.is_empty() && budgets.hedge() {
                group.hedged = true;
                self.orders.extend(group.next(now, budgets).map(Order::Ask));
            }
        }
    }

    fn settle(&mut self, now: Duration) {
        let waits = |group: &Group| !group.answered && !group.open.is_empty();
        if now >= self.deadline || !self.groups.iter().any(waits) {
            self.ended.get_or_insert(now);
            self.orders.clear();
        }
    }
}

impl Group {
    /// The next peer that may be asked; it counts as asked.
    fn next(&mut self, now: Duration, budgets: &mut Budgets) -> Option<NodeId> {
        while let Some(node) = self.left.pop_front() {
            if budgets.take(now, node) {
                self.asked = true;
                self.open.push(node);
                return Some(node);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixture::node;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn orders(inquiry: &mut Inquiry) -> Vec<NodeId> {
        std::iter::from_fn(|| inquiry.next_order()).map(|Order::Ask(node)| node).collect()
    }

    fn answered(number: u8) -> Event {
        Event::Answered { node: node(number), opened: Opened::default() }
    }

    fn failed(number: u8) -> Event {
        Event::Failed { node: node(number) }
    }

    #[test]
    fn it_is_over_when_everybody_answered() {
        let mut budgets = Budgets::default();
        let groups = vec![vec![node(1)], vec![node(2)]];
        let mut inquiry = Inquiry::new(ms(0), groups, DEADLINE, &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(1), node(2)]);
        inquiry.handle(ms(20), answered(2), &mut budgets);
        assert!(!inquiry.is_over());
        inquiry.handle(ms(41), answered(1), &mut budgets);
        assert!(inquiry.is_over());
        let coverage = Coverage { asked: 2, answered: 2, lied: 0, took: ms(41) };
        assert_eq!(inquiry.coverage(ms(9000)), coverage);
        assert_eq!(inquiry.next_wake(ms(41)), None);
    }

    #[test]
    fn a_silent_peer_is_waited_for_until_the_deadline_only() {
        let mut budgets = Budgets::default();
        let groups = vec![vec![node(1)], vec![node(2)]];
        let mut inquiry = Inquiry::new(ms(100), groups, ms(100) + DEADLINE, &mut budgets);
        inquiry.handle(ms(120), answered(1), &mut budgets);
        assert_eq!(inquiry.next_wake(ms(400)), Some(ms(600)));
        inquiry.handle(ms(600), Event::Tick, &mut budgets);
        assert!(inquiry.is_over());
        inquiry.handle(ms(601), answered(2), &mut budgets);
        assert_eq!(inquiry.answers().len(), 1, "too late");
        let coverage = Coverage { asked: 2, answered: 1, lied: 0, took: DEADLINE };
        assert_eq!(inquiry.coverage(ms(700)), coverage);
    }

    #[test]
    fn a_failure_goes_to_the_next_replica_at_once() {
        let mut budgets = Budgets::default();
        let groups = vec![vec![node(1), node(2), node(3)]];
        let mut inquiry = Inquiry::new(ms(0), groups, DEADLINE, &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(1)]);
        inquiry.handle(ms(1), failed(1), &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(2)]);
        inquiry.handle(ms(2), Event::Lied { node: node(2) }, &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(3)]);
        assert!(budgets.is_shunned(ms(2), &node(2)));
        inquiry.handle(ms(3), failed(3), &mut budgets);
        assert!(inquiry.is_over(), "nobody is left");
        let coverage = Coverage { asked: 1, answered: 0, lied: 1, took: ms(3) };
        assert_eq!(inquiry.coverage(ms(3)), coverage);
    }

    #[test]
    fn only_what_nobody_else_covers_is_asked_twice() {
        let mut budgets = Budgets::default();
        let groups = vec![vec![node(1), node(2)], vec![node(3)], vec![node(4), node(5)]];
        let mut inquiry = Inquiry::new(ms(0), groups, DEADLINE, &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(1), node(3), node(4)]);
        inquiry.handle(ms(50), answered(4), &mut budgets);
        assert!(orders(&mut inquiry).is_empty());
        let wake = inquiry.next_wake(ms(50)).unwrap();
        inquiry.handle(wake, Event::Tick, &mut budgets);
        assert_eq!(orders(&mut inquiry), [node(2)]);
        inquiry.handle(wake, Event::Tick, &mut budgets);
        assert!(orders(&mut inquiry).is_empty(), "once is enough");
        inquiry.handle(ms(200), answered(2), &mut budgets);
        inquiry.handle(ms(201), answered(1), &mut budgets);
        assert_eq!(inquiry.answers().len(), 3, "the slow replica is welcome while we wait");
    }

    #[test]
    fn hedges_end_with_their_budget() {
        let mut budgets = Budgets::default();
        while budgets.hedge() {}
        let groups = vec![vec![node(1), node(2)]];
        let mut inquiry = Inquiry::new(ms(0), groups, DEADLINE, &mut budgets);
        orders(&mut inquiry);
        inquiry.handle(ms(300), Event::Tick, &mut budgets);
        assert!(orders(&mut inquiry).is_empty());
    }

    #[test]
    fn who_was_not_asked_cannot_answer() {
        let mut budgets = Budgets::default();
        let mut inquiry = Inquiry::new(ms(0), vec![vec![node(1)]], DEADLINE, &mut budgets);
        for _ in 0..3 {
            inquiry.handle(ms(1), answered(2), &mut budgets);
        }
        assert!(!inquiry.is_over() && inquiry.answers().is_empty());
        inquiry.handle(ms(1), answered(1), &mut budgets);
        inquiry.handle(ms(1), answered(1), &mut budgets);
        assert_eq!(inquiry.answers().len(), 1);
    }

    #[test]
    fn without_peers_it_is_over_at_once() {
        let inquiry = Inquiry::new(ms(0), Vec::new(), DEADLINE, &mut Budgets::default());
        assert!(inquiry.is_over());
        assert_eq!(inquiry.coverage(ms(0)), Coverage::default());
    }
}
