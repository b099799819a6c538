//! One conversation about one view, from the greeting to the end.

use std::fmt;
use std::time::Duration;

use catalog::Timestamp;
use catalog_sync::conversation::{Conversation, ConversationError, Next, Terms};
use catalog_sync::exchange::{Known, Outcome};
use catalog_sync::{Keeper, View};

use super::wire::Wire;

/// A conversation that is under way.
pub(super) struct Talk {
    /// What we dialled for; nothing if we were dialled.
    pub wants: Option<Wants>,
    /// When the peer said something last.
    pub heard: Duration,
    pub terms: Terms,
    /// The epoch of the peer's store.
    pub epoch: Option<[u8; 16]>,
    conversation: Option<Conversation>,
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("wants", &self.wants).finish_non_exhaustive()
    }
}

/// What a node dials another one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// To become equal in what comes first.
    Urgent,
    /// To become equal in everything.
    All,
    /// To see what others may not show.
    Bare,
}

/// How far a talk came.
pub(super) enum Step {
    /// It goes on.
    Listen,
    /// It is over.
    Over(Outcome),
}

impl Talk {
    pub fn new(wants: Option<Wants>, heard: Duration, terms: Terms) -> Self {
        Self { wants, heard, terms, epoch: None, conversation: None }
    }

    /// What it is about, once that is known.
    pub fn view(&self) -> Option<&View> {
        self.conversation.as_ref().map(Conversation::view)
    }

    /// Whether what came contradicted what came before.
    pub fn starts_over(&self) -> bool {
        self.conversation.as_ref().is_some_and(|talk| talk.report().start_over)
    }

    /// Begins the conversation that we dialled for.
    pub fn open(&mut self, keeper: &Keeper, known: Known) -> Result<(), ConversationError> {
        self.conversation = match self.wants {
            None => None,
            Some(Wants::Urgent) => {
                Some(Conversation::open(keeper, View::Urgent, known, self.terms)?)
            }
            Some(Wants::All) => Some(Conversation::open(keeper, View::All, known, self.terms)?),
            Some(Wants::Bare) => Conversation::fetch(keeper, 0, self.terms)?.map(|(talk, _)| talk),
        };
        Ok(())
    }

    /// Takes in a frame.
    pub fn hear(&mut self, keeper: &Keeper, frame: &[u8]) -> Result<(), ConversationError> {
        match &mut self.conversation {
            Some(conversation) => conversation.hear(frame)?,
            None => self.conversation = Some(Conversation::answer(keeper, frame, self.terms)?),
        }
        Ok(())
    }

    /// Says what is to be said now.
    pub fn speak(
        &mut self,
        now: Timestamp,
        mut send: impl FnMut(Wire),
    ) -> Result<Step, ConversationError> {
        let Some(conversation) = &mut self.conversation else { return Ok(Step::Listen) };
        loop {
            match conversation.next(now)? {
                Next::Send(frame) => send(Wire::Frame(frame)),
                Next::Listen => return Ok(Step::Listen),
                Next::Over(outcome) => return Ok(Step::Over(outcome)),
            }
        }
    }
}
