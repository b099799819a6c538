//! What authors write, right and wrong.

mod packing;
mod reading;
mod warning;

use std::path::Path;

use super::{Finding, Manifest};
use crate::PublisherId;

/// A manifest with nothing to say against it.
pub(super) const GRAPHDB: &str = include_str!("tests/graphdb.toml");

pub(super) fn read(text: &str) -> Result<(Manifest, Vec<Finding>), Vec<Finding>> {
    Manifest::parse(text, Path::new("catalog.toml"))
}

/// The only finding about a manifest that cannot be published.
pub(super) fn refused(text: &str) -> Finding {
    let mut findings = read(text).unwrap_err();
    findings.retain(|finding| finding.severity == super::Severity::Error);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// A manifest with `from` replaced, which must be in it.
pub(super) fn with(from: &str, to: &str) -> String {
    assert!(GRAPHDB.contains(from), "{from}");
    GRAPHDB.replacen(from, to, 1)
}

/// Asserts what is found: its code, the text its span covers, and parts of message and hint.
pub(super) fn assert_found(text: &str, code: &str, at: &str, message: &str, hint: &str) {
    let found = refused(text);
    assert_eq!(found.code, code, "{found}");
    let span = found.span.clone().map(|span| &text[span]);
    assert_eq!(span.unwrap_or(""), at, "{found}");
    assert!(found.message.contains(message), "{found}");
    assert!(found.hint.as_deref().unwrap_or("").contains(hint), "{found}");
}

pub(super) fn somebody() -> PublisherId {
    PublisherId::of_inception(b"somebody")
}
