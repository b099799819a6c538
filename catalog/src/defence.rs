//! Lets a test take one defence out, to show that the test would notice.
//!
//! A test of a defence is worth something only if it fails without it. Code guards a check with
//! [`on`]; in every build but a crate's own unit tests that is the constant `true`.

/// Names the defences of a crate: an enum, `on` to ask whether one is in force, and in unit tests
/// `without`, which takes one out on its own thread.
#[doc(hidden)]
#[macro_export]
macro_rules! defences {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// A defence that a unit test can switch off on its own thread, one name per threat.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Defence {
            $($(#[$doc])+ $name,)+
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
    };
}

defences! {
    /// Path rules of a tree: no `..`, absolute paths, device names and the like.
    PathRules,
    /// Case-fold, NFC and file/directory collisions inside one tree.
    PathCollisions,
    /// Symlinks stay inside the tree.
    LinkTargets,
    /// Installing never follows a symlink.
    NoFollow,
    /// Files are hashed again while they are installed.
    HashOnInstall,
    /// A decoder that would re-encode differently rejects.
    CanonicalBytes,
    /// Sizes are checked before memory is taken.
    SizeLimits,
    /// The payload type is part of what is signed.
    DomainSeparation,
    /// Only distinct keys count towards a threshold.
    DistinctSigners,
    /// Weak and non-canonical keys are refused.
    StrictKeys,
    /// A version is never replaced by other bytes.
    ImmutableVersions,
    /// Packing refuses links out of the tree.
    PackLinks,
    /// Unpacking stops at the declared size and at the ratio cap.
    UnpackCaps,
    /// A secret key that others can read is refused.
    KeyMode,
    /// A release is opened once in a walk of dependencies.
    OpenOnce,
    /// Names one edit away from a known one are reported, not only those of the same shape.
    NearNames,
}
