//! Releases for unit tests.

use catalog::Timestamp;
use catalog::identity::PublisherId;
use catalog::release::{PackageId, Release};
use catalog_tests::releases;

pub(crate) fn publisher(name: &str) -> PublisherId {
    PublisherId::of_inception(name.as_bytes())
}

/// `acme/graphdb` as an id.
pub(crate) fn package(text: &str) -> PackageId {
    let (by, name) = text.split_once('/').unwrap();
    PackageId { publisher: publisher(by), name: name.parse().unwrap() }
}

/// A release of `acme/graphdb` that runs anywhere.
pub(crate) fn release(text: &str) -> Release {
    let PackageId { publisher, name } = package(text);
    Release {
        time: Timestamp::from_millis(1),
        summary: format!("The {name} database"),
        variants: vec![releases::variant("any")],
        ..releases::release(publisher, name.as_str())
    }
}
