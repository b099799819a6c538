//! Lets a test take one defence out, to show that the test would notice.
//!
//! As in `catalog`: code guards a check with [`on`], which is the constant `true` in every build
//! but this crate's own unit tests.

/// A defence that a unit test can switch off on its own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defence {
    /// What a peer answers has to be signed by whom it names.
    AnswerSignatures,
    /// Publishers that nobody here knows have a few of the places on a page.
    PublisherShare,
}

/// Whether `defence` is in force.
#[cfg(not(test))]
pub(crate) const fn on(_defence: Defence) -> bool {
    true
}

#[cfg(test)]
pub(crate) use switch::{on, without};

#[cfg(test)]
mod switch {
    use super::Defence;
    use std::cell::Cell;

    thread_local! {
        static OFF: Cell<Option<Defence>> = const { Cell::new(None) };
    }

    pub(crate) fn on(defence: Defence) -> bool {
        OFF.get() != Some(defence)
    }

    /// Runs `attack` on this thread with `defence` taken out.
    pub(crate) fn without<R>(defence: Defence, attack: impl FnOnce() -> R) -> R {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                OFF.set(None);
            }
        }
        OFF.set(Some(defence));
        let _restore = Restore;
        attack()
    }
}
