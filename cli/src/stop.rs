//! Why a command ends early.

use catalog_node::control::Failure;

/// Anything but success.
#[derive(Debug)]
pub enum Stop {
    /// Nobody reads what we print any more; that is fine.
    PipeClosed,
    /// It failed, and this is to be shown.
    Failed(Box<Failure>),
    /// It failed, and all there is to say has been printed.
    Shown(catalog_node::control::Exit),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
