//! What happened: the last events as text, and all of them as one number.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many events are kept to be shown.
const KEPT: usize = 60;

/// How much of one event is shown.
const SHOWN_CHARS: usize = 200;

#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    last: VecDeque<String>,
    hasher: DefaultHasher,
}

impl Trace {
    /// Notes an event.
    ///
    /// - `content`: what makes it differ from others that look the same.
    pub fn note(&mut self, at: u64, content: impl Hash, text: String) {
        (at, content).hash(&mut self.hasher);
        text.hash(&mut self.hasher);
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let seconds = at as f64 / 1e6;
        let mut text = format!("{seconds:>12.6} {text}");
        if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS) {
            text.truncate(end);
            text.push('…');
        }
        self.last.push_back(text);
    }

    /// The last events, oldest first.
    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// A number that follows from every event so far.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }
}
