//! Imports a folder as it is: one variant, `any`, that holds everything in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::{ImportError, ImportOptions, LICENSE_UNKNOWN, file_label};
use crate::draft::{Draft, VariantDraft};
use crate::manifest::{MANIFEST_FILE, Manifest, folder};
use crate::permission::Permission;
use crate::release::{MirrorHints, PackageKind};
use crate::variant::Resources;

/// Quality of the only variant.
const QUALITY: u8 = 50;

/// Makes a release with one variant of the folder `path`, apart from what its `.catalogignore`
/// leaves out.
///
/// Name, version and the rest come from `options`, then from a `catalog.toml` in the folder (whose
/// variants are not looked at), then from the name of the folder.
///
/// # Errors
/// [`ImportError`]: no version anywhere, a link that leads out, a name that no tree may hold.
pub fn dir(path: &Path, options: &ImportOptions) -> Result<Draft, ImportError> {
    let manifest = manifest(path)?;
    let (entries, readme) = folder(path)
        .map_err(|findings| ImportError::Manifest { path: path.to_owned(), findings })?;
    if entries.is_empty() {
        return Err(ImportError::EmptyFolder { path: path.to_owned() });
    }
    let mut draft = match manifest {
        Some(manifest) => manifest.skeleton().clone(),
        None => bare(path, options)?,
    };
    draft.name = options.name.clone().unwrap_or(draft.name);
    draft.version = options.version.clone().unwrap_or(draft.version);
    draft.kind = options.kind.unwrap_or(draft.kind);
    draft.summary = options.summary.clone().unwrap_or(draft.summary);
    draft.license = options.license.clone().unwrap_or(draft.license);
    draft.description = readme;
    draft.variants = vec![VariantDraft {
        id: "any".parse().expect("a name"),
        requires: BTreeMap::new(),
        prefers: BTreeMap::new(),
        resources: Resources::default(),
        fallback: true,
        quality: QUALITY,
        entries,
    }];
    Ok(draft)
}

/// The manifest in the folder, if there is one.
fn manifest(folder: &Path) -> Result<Option<Manifest>, ImportError> {
    let path = folder.join(MANIFEST_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match Manifest::parse(&text, &path) {
            Ok((manifest, _)) => Ok(Some(manifest)),
            Err(findings) => Err(ImportError::Manifest { path, findings }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ImportError::Read { path, source }),
    }
}

/// A draft of a folder that says nothing about itself.
fn bare(path: &Path, options: &ImportOptions) -> Result<Draft, ImportError> {
    let full = fs::canonicalize(path)
        .map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => {
            let name = file_label(&full).to_lowercase();
            name.parse().map_err(|source| ImportError::Name { name, source })?
        }
    };
    let version = options.version.clone();
    Ok(Draft {
        name,
        version: version.ok_or_else(|| ImportError::NoVersion { path: path.to_owned() })?,
        kind: PackageKind::Asset,
        summary: String::new(),
        license: LICENSE_UNKNOWN.into(),
        keywords: Vec::new(),
        tags: Vec::new(),
        provides: Vec::new(),
        dependencies: Vec::new(),
        capabilities: BTreeMap::new(),
        permission: Permission::Public,
        mirror: MirrorHints::default(),
        description: None,
        provenance: None,
        extensions: BTreeMap::new(),
        variants: Vec::new(),
    })
}
