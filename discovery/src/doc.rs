//! What the index keeps of one package: words to find it by, and its release to show it with.

use catalog::Digest;
use catalog::release::{PackageId, Release, ReleaseError, ReleaseId};

/// A package as the index sees it: its newest release that counts.
#[derive(Clone, Debug)]
pub struct Doc {
    pub(crate) package: String,
    pub(crate) publisher: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) summary: String,
    /// Keywords, tags and interfaces.
    pub(crate) keywords: Vec<String>,
    pub(crate) description: String,
    pub(crate) release: [u8; 32],
    pub(crate) record: Vec<u8>,
}

impl Doc {
    /// The document for `release`, whose id is `id`.
    ///
    /// # Errors
    /// [`ReleaseError`] when the release could not have been published either.
    pub fn from_release(id: ReleaseId, release: &Release) -> Result<Self, ReleaseError> {
        // The long text is there to be searched, not to be shown with a hit.
        let short = Release { description: None, ..release.clone() };
        let words = [&release.keywords, &release.tags, &release.provides];
        Ok(Self {
            package: package_key(&release.package()),
            publisher: release.publisher.to_string(),
            name: release.name.to_string(),
            kind: release.kind.as_str(),
            summary: release.summary.clone(),
            keywords: words.into_iter().flatten().cloned().collect(),
            description: release.description.clone().unwrap_or_default(),
            release: *id.as_bytes(),
            record: short.encode()?,
        })
    }
}

/// The name of a package's document. Name first: packages of equal rank stand in this order.
pub(crate) fn package_key(package: &PackageId) -> String {
    format!("{} {}", package.name, package.publisher)
}

/// What the index gives back of a document.
pub(crate) struct Stored {
    pub package: String,
    pub release: Vec<u8>,
    pub record: Vec<u8>,
}

impl Stored {
    /// The release, without its description; `None` when these bytes are not what was written.
    pub(crate) fn open(&self) -> Option<(ReleaseId, Release)> {
        let id = <[u8; 32]>::try_from(self.release.as_slice()).ok()?;
        let release = Release::decode(&self.record).ok()?;
        let id = ReleaseId::from_digest(Digest::from_bytes(id));
        (package_key(&release.package()) == self.package).then_some((id, release))
    }
}
