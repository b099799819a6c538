//! `import`: publishes packages of other families.

use std::path::{Path, PathBuf};

use catalog_node::control::requests::{Drafted, Family, Import};
use catalog_node::control::{Code, Failure};

use super::publish::send;
use crate::args::{ImportArgs, ImportCommand, NamedArgs};
use crate::session::Session;
use crate::stop::Stop;

/// Imports files as one release, signed by the importer.
pub fn import(session: &Session, args: &ImportArgs) -> Result<(), Stop> {
    let (family, paths, named) = match &args.family {
        ImportCommand::Npm { files, named } => (Family::Npm, files.as_slice(), named),
        ImportCommand::Wheel { files, named } => (Family::Wheel, files.as_slice(), named),
        ImportCommand::Dir { dir, named } => (Family::Dir, std::slice::from_ref(dir), named),
    };
    // The node may run in another folder.
    let paths = paths.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
    let NamedArgs { name, version, kind, summary, license, dry_run } = named;
    let import = Import {
        family,
        paths,
        name: name.clone(),
        version: version.clone(),
        kind: kind.clone(),
        summary: summary.clone(),
        license: license.clone(),
    };
    send(session, &Drafted::Import(Box::new(import)), *dry_run)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::of(Code::IMPORT, &error))
}
