//! Reads `catalog.toml`, the page on which an author describes a package, and packs its files.
//!
//! In: the text of the manifest and the folder it lies in. Out: a [`Draft`] ready to publish, or
//! [`Finding`]s that each point at a place in the text and say what to do.
//!
//! Guarantees: a key that is not understood is an error, never ignored; everything wrong is found in
//! one go; packing never follows a symbolic link out of what is packed; the same files give the
//! same draft. Not here: hashing and signing (publishing), and whether a variant fits a machine
//! ([`resolve`](mod@crate::resolve)).

mod finding;
mod glob;
mod ignore;
mod keys;
mod lint;
mod nearby;
mod pack;
mod parse;
mod readme;
mod template;
mod words;

use std::path::Path;

use semver::Version;

pub use finding::{Finding, Severity, explain};
pub(crate) use pack::{folder, holds_something};
pub(crate) use readme::readme_text;
pub use template::{TemplateError, TemplateFile, template};
pub(crate) use words::is_unsafe_to_show;

use crate::draft::Draft;
use crate::name::PackageName;
use crate::release::PackageKind;
use glob::Glob;
use keys::Spanned;

/// The name of the file that describes a package.
pub const MANIFEST_FILE: &str = "catalog.toml";

/// The longest manifest; what it says must fit into a statement of 64 KiB.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// A manifest that was read and found sound; its files have not been looked at yet.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Everything but the entries of the variants.
    skeleton: Draft,
    /// What each variant packs, in the order of the skeleton's variants.
    packing: Vec<Packing>,
    readme: Option<Spanned<String>>,
}

/// Which files a variant packs.
#[derive(Clone, Debug)]
struct Packing {
    globs: Vec<Glob>,
    /// What is cut off from every path, instead of each pattern's own folder.
    root: Option<String>,
}

impl Manifest {
    /// Reads the text of a manifest.
    ///
    /// - `path`: where it was read from, for messages only.
    ///
    /// Returns it with the warnings about it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text, warnings included.
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        parse::manifest(text, path)
    }

    /// Collects the files of every variant.
    ///
    /// - `base`: the folder that the manifest lies in.
    ///
    /// # Errors
    /// Everything that is wrong with the files: patterns that match nothing, links out of the
    /// package, names that no tree may hold.
    pub fn draft(&self, base: &Path) -> Result<Draft, Vec<Finding>> {
        let (draft, findings) = pack::draft(self, base);
        let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
        if wrong { Err(findings) } else { Ok(draft) }
    }

    /// Everything that is wrong or doubtful about the files, without keeping them.
    pub fn check_files(&self, base: &Path) -> Vec<Finding> {
        pack::draft(self, base).1
    }

    /// What the package is called.
    pub fn name(&self) -> &PackageName {
        &self.skeleton.name
    }

    /// The version that it would be published as.
    pub fn version(&self) -> &Version {
        &self.skeleton.version
    }

    /// What it is.
    pub fn kind(&self) -> PackageKind {
        self.skeleton.kind
    }

    /// Everything but the files: each variant is there, with no entries.
    pub fn skeleton(&self) -> &Draft {
        &self.skeleton
    }
}

#[cfg(test)]
mod tests;
