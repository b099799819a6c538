//! What is to happen when: a simulated world jumps from one entry to the next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use catalog::Timestamp;

/// Entries by their time; of one time, first come, first served.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    entries: BinaryHeap<Entry<E>>,
    written: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Timestamp,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { entries: BinaryHeap::new(), written: 0 }
    }

    /// Writes down that `event` happens at `at`.
    pub(super) fn put(&mut self, at: Timestamp, event: E) {
        self.written += 1;
        self.entries.push(Entry { at, number: self.written, event });
    }

    /// Takes what is next, when that is before `end`.
    pub(super) fn next_before(&mut self, end: Timestamp) -> Option<(Timestamp, E)> {
        if self.entries.peek()?.at >= end {
            return None;
        }
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest: a heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_then_by_age() {
        let at = Timestamp::from_millis;
        let mut agenda = Agenda::new();
        for (time, name) in [(5, 'd'), (3, 'a'), (3, 'b'), (4, 'c'), (9, 'e')] {
            agenda.put(at(time), name);
        }
        let order: String = std::iter::from_fn(|| agenda.next_before(at(9))).map(|e| e.1).collect();
        assert_eq!(order, "abcd");
        assert_eq!(agenda.next_before(at(10)), Some((at(9), 'e')));
    }
}
