//! How packages are named to people: by petname where there is one, exactly otherwise.

use catalog::identity::PublisherId;
use catalog::release::PackageId;
use catalog::store::{Store, StoreError};
use semver::Version;

/// `acme`, or the beginning of an id without a petname.
pub(crate) fn publisher(store: &Store, publisher: &PublisherId) -> Result<String, StoreError> {
    let petname = store.petname(publisher)?;
    Ok(petname.map_or_else(|| publisher.short(), |name| name.to_string()))
}

/// `acme/graphdb`, or `cat1…/graphdb` without a petname.
pub(crate) fn package(store: &Store, package: &PackageId) -> Result<String, StoreError> {
    Ok(match store.petname(&package.publisher)? {
        Some(petname) => format!("{petname}/{}", package.name),
        None => package.to_string(),
    })
}

/// `acme/graphdb@1.4.0`.
pub(crate) fn release(
    store: &Store,
    id: &PackageId,
    version: &Version,
) -> Result<String, StoreError> {
    Ok(format!("{}@{version}", package(store, id)?))
}
