//! `new`: writes the files that a package starts with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use catalog::manifest::{TemplateFile, template};
use catalog::name::{PackageName, VariantId};
use catalog::release::PackageKind;
use catalog_node::control::{Code, Failure};
use serde_json::{Value, json};

use crate::args::NewArgs;
use crate::line::{Ink, Line};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Makes a folder for a new package.
pub fn new(session: &Session, args: &NewArgs) -> Result<(), Stop> {
    let name: PackageName = args.name.parse().map_err(|error| {
        Failure::new(Code::NAME, format_args!("{:?} is not a package name", args.name)).cause(error)
    })?;
    let kind: PackageKind = args.kind.parse().map_err(|_| {
        Failure::new(Code::USAGE, format_args!("{:?} is not a kind of package", args.kind))
            .hint("app-fragment, service, client, asset, model, profile or node-set")
    })?;
    let variants = args.variants.iter().map(|id| {
        id.parse::<VariantId>().map_err(|error| {
            Failure::new(Code::NAME, format_args!("{id:?} is not a variant")).cause(error)
        })
    });
    let variants = variants.collect::<Result<Vec<_>, _>>()?;
    let files =
        template(&name, kind, &variants).map_err(|error| Failure::of(Code::USAGE, &error))?;
    let dir = Path::new(name.as_str());
    fs::create_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(Code::USAGE, format_args!("{name} is there already"))
                .hint("nothing was written; choose another name or move the folder away")
        }
        _ => cannot_write(dir, &error),
    })?;
    for file in &files {
        write(dir, file).map_err(|error| cannot_write(&dir.join(&file.path), &error))?;
    }
    let files = files.into_iter().map(|file| file.path).collect();
    session.screen.emit(&Made { name: name.to_string(), files })
}

fn write(dir: &Path, file: &TemplateFile) -> io::Result<()> {
    let path = dir.join(&file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = if file.executable { 0o755 } else { 0o644 };
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    open.write_all(&file.contents)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::IO, format_args!("cannot write {}", path.display())).caused_by(Some(error))
}

struct Made {
    name: String,
    files: Vec<String>,
}

impl Document for Made {
    const SCHEMA: &'static str = "catalog.new/1";

    fn json(&self) -> Value {
        json!({ "folder": self.name, "files": self.files })
    }

    fn human(&self) -> Vec<Line> {
        let mut lines =
            vec![Line::done().text("wrote ").ink(Ink::Strong, format!("{}/", self.name))];
        lines.extend(self.files.iter().map(|file| Line::from(format!("  {file}"))));
        lines.push(
            Line::new()
                .ink(Ink::Accent, "Next: ")
                .text(format!("cd {} && catalog publish --dry-run", self.name)),
        );
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.files.iter().map(|file| format!("{}/{file}", self.name)).collect()
    }
}
