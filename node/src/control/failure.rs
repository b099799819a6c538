//! A failure as people and scripts see it: a code, one line, its causes and a next step.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::code::{Code, Exit};

/// What went wrong, ready to be shown or sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable number.
    pub code: Code,
    /// How the command ends.
    pub exit: Exit,
    /// One line: what happened.
    pub message: String,
    /// Why, from near to far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<String>,
    /// The next step, where we know one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that ends as its code's topic says.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        let exit = code.topic().map_or(Exit::Usage, |topic| topic.exit);
        Self { code, exit, message: message.to_string(), cause: Vec::new(), hint: None }
    }

    /// A failure with an error's own words, and its sources as causes.
    pub fn of(code: Code, error: &(dyn Error + 'static)) -> Self {
        Self::new(code, error).caused_by(error.source())
    }

    /// Adds one line of cause.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause.push(cause.to_string());
        self
    }

    /// Adds an error and its sources as causes.
    pub fn caused_by<'a>(mut self, error: Option<&'a (dyn Error + 'static)>) -> Self {
        let mut next: Option<&'a (dyn Error + 'static)> = error;
        while let Some(error) = next {
            let line = error.to_string();
            // Wrappers that repeat their source say nothing new.
            if self.message != line && self.cause.last() != Some(&line) {
                self.cause.push(line);
            }
            next = error.source();
        }
        self
    }

    /// Adds the next step.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_a_failure_is_fixed() {
        let failure = Failure::new(Code::STORE_HELD, "the store is held by process 7")
            .cause("it has no control socket")
            .hint("wait for it to end");
        assert_eq!(
            serde_json::to_string(&failure).unwrap(),
            r#"{"code":"CAT0901","exit":9,"message":"the store is held by process 7","cause":["it has no control socket"],"hint":"wait for it to end"}"#
        );
    }

    #[test]
    fn causes_do_not_repeat_the_message() {
        let source = std::io::Error::other("no space left on device");
        let failure = Failure::new(Code::IO, "cannot write x").caused_by(Some(&source));
        assert_eq!(failure.cause, ["no space left on device"]);
        let failure = Failure::of(Code::IO, &source);
        assert!(failure.cause.is_empty());
    }
}
