//! Finds the files that a manifest's patterns mean and gives them their paths in the package.
//!
//! Every file is looked at without following links (`lstat`), the folders on the way to it
//! included. A link is packed as a link, and only if it stays inside of what is packed; anything
//! else than files, folders and links is refused. The result is in path order.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::finding::{Code, Finding, Severity};
use super::glob::Glob;
use super::ignore::{IGNORE_FILE, Ignore};
use super::nearby::nothing_matched;
use super::readme::readme;
use super::{Manifest, Packing};
use crate::defence::{self, Defence};
use crate::draft::{Draft, SourceEntry};
use crate::path::{PATH_BYTES_MAX, TreePath, collisions};
use crate::tree::TREE_ENTRIES_MAX;

/// Collects the files of every variant; the draft is complete when no finding is an error.
pub(super) fn draft(manifest: &Manifest, base: &Path) -> (Draft, Vec<Finding>) {
    let mut draft = manifest.skeleton.clone();
    let mut findings = Vec::new();
    draft.description = readme(base, manifest.readme.as_ref(), &mut findings);
    let ignore = match Ignore::read(base) {
        Ok(ignore) => ignore,
        Err(finding) => {
            findings.push(finding);
            return (draft, findings);
        }
    };
    for (variant, packing) in draft.variants.iter_mut().zip(&manifest.packing) {
        let mut pack = Pack::new(base, &ignore, format!("variant {}", variant.id));
        pack.packing(packing);
        let (entries, found) = pack.finish();
        variant.entries = entries;
        findings.extend(found);
    }
    (draft, findings)
}

/// Collects everything in the folder `base` but what its `.catalogignore` leaves out, and reads
/// the README there.
pub(crate) fn folder(base: &Path) -> Result<(Vec<SourceEntry>, Option<String>), Vec<Finding>> {
    let ignore = Ignore::read(base).map_err(|finding| vec![finding])?;
    let mut pack = Pack::new(base, &ignore, "the folder".into());
    pack.everything();
    let (entries, mut findings) = pack.finish();
    let readme = readme(base, None, &mut findings);
    findings.retain(|finding| finding.severity == Severity::Error);
    if findings.is_empty() { Ok((entries, readme)) } else { Err(findings) }
}

/// Most findings about one variant: after these, the next step is clear.
const FINDINGS_MAX: usize = 50;

/// What is packed for one variant.
struct Pack<'a> {
    base: &'a Path,
    ignore: &'a Ignore,
    /// How messages call it.
    what: String,
    entries: BTreeMap<TreePath, SourceEntry>,
    findings: Vec<Finding>,
}

/// Which of the files that are found are meant, and what is cut off from their paths.
struct Selection<'a> {
    glob: Option<&'a Glob>,
    strip: &'a str,
    matched: usize,
    left_out: usize,
}

impl<'a> Pack<'a> {
    fn new(base: &'a Path, ignore: &'a Ignore, what: String) -> Self {
        Self { base, ignore, what, entries: BTreeMap::new(), findings: Vec::new() }
    }

    fn everything(&mut self) {
        let mut all = Selection { glob: None, strip: "", matched: 0, left_out: 0 };
        self.walk("", &mut all);
    }

    fn packing(&mut self, packing: &Packing) {
        for glob in &packing.globs {
            let findings = self.findings.len();
            let is_folder = fs::symlink_metadata(self.base.join(glob.literal()))
                .is_ok_and(|metadata| metadata.is_dir());
            let own = match glob.is_plain() && !is_folder {
                true => glob.literal().rsplit_once('/').map_or("", |(folder, _)| folder),
                false => glob.literal(),
            };
            let strip = packing.root.as_deref().unwrap_or(own);
            let mut selection = Selection { glob: Some(glob), strip, matched: 0, left_out: 0 };
            self.glob(glob, &mut selection);
            for finding in &mut self.findings[findings..] {
                finding.span = finding.span.take().or(glob.span());
            }
            if selection.matched == 0 && self.findings.len() == findings {
                let finding = nothing_matched(self.base, glob, selection.left_out);
                self.report(finding.at(glob.span()));
            }
        }
    }

    fn glob(&mut self, glob: &Glob, selection: &mut Selection<'_>) {
        let literal = glob.literal();
        if literal.is_empty() {
            return self.walk("", selection);
        }
        let above = literal.match_indices('/').map(|(at, _)| &literal[..at]);
        if above.clone().any(|folder| self.ignore.leaves_out(folder, true)) {
            selection.left_out += 1;
            return;
        }
        match metadata_without_links(self.base, literal) {
            Ok(None) => {}
            Ok(Some(metadata)) if metadata.is_symlink() && !glob.is_plain() => {
                self.report(linked_folder(self.base, literal, glob.text()));
            }
            Ok(Some(metadata)) => self.one(literal, &metadata, selection),
            Err(finding) => self.report(finding),
        }
    }

    /// Packs everything in one folder that is meant.
    fn walk(&mut self, folder: &str, selection: &mut Selection<'_>) {
        if folder.len() > PATH_BYTES_MAX {
            let message = format!("a folder lies too deep to be packed: {folder}");
            let hint = format!("leave it out with {IGNORE_FILE}");
            return self.report(Finding::error(Code::BadPath, message).with_hint(hint));
        }
        let names = match names(&self.base.join(folder)) {
            Ok(names) => names,
            Err(error) => {
                let message = format!("cannot list the folder {folder:?}: {error}");
                return self.report(Finding::error(Code::Unreadable, message));
            }
        };
        for name in names {
            let Some(name) = name.to_str() else {
                let message = format!("the name {name:?} in {folder:?} is not UTF-8");
                self.report(Finding::error(Code::BadPath, message).with_hint("rename the file"));
                continue;
            };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            match fs::symlink_metadata(self.base.join(&path)) {
                Ok(metadata) => self.one(&path, &metadata, selection),
                Err(error) => {
                    let message = format!("cannot look at {path}: {error}");
                    self.report(Finding::error(Code::Unreadable, message));
                }
            }
        }
    }

    /// Packs what lies at `path`, if it is meant.
    fn one(&mut self, path: &str, metadata: &Metadata, selection: &mut Selection<'_>) {
        if self.is_full() {
            return;
        }
        if self.ignore.leaves_out(path, metadata.is_dir()) {
            selection.left_out += 1;
            return;
        }
        if metadata.is_dir() {
            let before = self.entries.len();
            self.walk(path, selection);
            let holds_something = self.entries.len() > before || !is_empty(&self.base.join(path));
            // A folder needs an entry of its own only when nothing else shows that it is there.
            if holds_something || path == selection.strip || !selection.means(path) {
                return;
            }
        } else if !selection.means(path) {
            return;
        }
        selection.matched += 1;
        match self.entry(path, metadata, selection.strip) {
            Ok(entry) => self.insert(path, entry),
            Err(finding) => self.report(finding),
        }
    }

    /// Turns what lies at `path` into an entry.
    fn entry(&self, path: &str, metadata: &Metadata, strip: &str) -> Result<SourceEntry, Finding> {
        let inside = match strip {
            "" => Some(path),
            _ => path.strip_prefix(strip).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(inside) = inside else {
            let message = format!("{path} of {} lies outside of its root {strip}", self.what);
            let hint = "choose a root above it, or leave `root` out";
            return Err(Finding::error(Code::OutsideRoot, message).with_hint(hint));
        };
        let tree_path: TreePath = inside.nfc().collect::<String>().parse().map_err(|error| {
            Finding::error(Code::BadPath, format!("{path} cannot be packed: {error}"))
                .with_hint(format!("rename it, or leave it out with {IGNORE_FILE}"))
        })?;
        let source = self.base.join(path);
        let executable = metadata.permissions().mode() & 0o111 != 0;
        let kind = metadata.file_type();
        if kind.is_file() || (kind.is_symlink() && !defence::on(Defence::PackLinks)) {
            Ok(SourceEntry::File { path: tree_path, source, executable })
        } else if kind.is_dir() {
            Ok(SourceEntry::Dir { path: tree_path })
        } else if kind.is_symlink() {
            link(path, tree_path, &source)
        } else {
            let message = format!("{path} is neither a file nor a folder nor a link");
            let hint = format!("leave it out with {IGNORE_FILE}");
            Err(Finding::error(Code::SpecialFile, message).with_hint(hint))
        }
    }

    fn insert(&mut self, path: &str, entry: SourceEntry) {
        match self.entries.get(entry.path()) {
            // Two patterns may mean the same file.
            Some(known) if *known == entry => {}
            Some(known) => {
                let first = match known {
                    SourceEntry::File { source, .. } => source.strip_prefix(self.base).ok(),
                    _ => None,
                };
                let first = first.unwrap_or(Path::new("another entry")).display();
                let message =
                    format!("{first} and {path} would both be packed as {}", entry.path());
                let hint = "rename one, or set `root` so that their folders are kept";
                self.report(Finding::error(Code::PathCollision, message).with_hint(hint));
            }
            None => drop(self.entries.insert(entry.path().clone(), entry)),
        }
    }

    fn report(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Whether there is nothing to gain from looking further.
    fn is_full(&self) -> bool {
        self.entries.len() > TREE_ENTRIES_MAX || self.findings.len() >= FINDINGS_MAX
    }

    fn finish(mut self) -> (Vec<SourceEntry>, Vec<Finding>) {
        if self.entries.len() > TREE_ENTRIES_MAX {
            let message = format!("{} has more than {TREE_ENTRIES_MAX} files", self.what);
            let hint = "narrow `files`, or put small files into an archive";
            self.report(Finding::error(Code::TooManyFiles, message).with_hint(hint));
        } else if let Err(error) =
            collisions(self.entries.values().map(|entry| (entry.path(), entry.kind())))
        {
            let message = format!("{}: {error}", self.what);
            let hint = "rename one of them";
            self.report(Finding::error(Code::PathCollision, message).with_hint(hint));
        }
        for finding in self.dangling() {
            self.report(finding);
        }
        (self.entries.into_values().collect(), self.findings)
    }

    /// Warns of links that stay inside but whose target is not packed.
    fn dangling(&self) -> Vec<Finding> {
        let sorted: Vec<&str> = self.entries.keys().map(TreePath::as_str).collect();
        let dangling = self.entries.values().filter_map(|entry| {
            let SourceEntry::Symlink { path, target } = entry else { return None };
            let place = path.resolve_link(target).ok()??;
            let packed = self.entries.contains_key(&place) || holds_something(&sorted, &place);
            let message =
                format!("link {path} of {} leads to {place}, which is not packed", self.what);
            let hint = "pack the target, too, or leave the link out";
            (!packed).then(|| Finding::warning(Code::DanglingLink, message).with_hint(hint))
        });
        dangling.collect()
    }
}

impl Selection<'_> {
    fn means(&self, path: &str) -> bool {
        self.glob.is_none_or(|glob| glob.matches(path))
    }
}

/// Whether some path lies below `folder`.
///
/// - `sorted`: paths in the order of their bytes.
pub(crate) fn holds_something(sorted: &[&str], folder: &TreePath) -> bool {
    let below = format!("{folder}/");
    let first = sorted.partition_point(|path| *path < below.as_str());
    sorted.get(first).is_some_and(|path| path.starts_with(&below))
}

/// A link as an entry, if it stays inside of what is packed.
fn link(shown: &str, path: TreePath, source: &Path) -> Result<SourceEntry, Finding> {
    let target = fs::read_link(source).map_err(|error| {
        Finding::error(Code::Unreadable, format!("cannot read {shown}: {error}"))
    })?;
    let inside = target.to_str().filter(|target| path.resolve_link(target).is_ok());
    match inside {
        Some(target) => Ok(SourceEntry::Symlink { target: target.to_owned(), path }),
        None => {
            let message =
                format!("{shown} is a link to {}, outside of what is packed", target.display());
            let hint = format!("copy the file in, or leave the link out with {IGNORE_FILE}");
            Err(Finding::error(Code::LinkEscapes, message).with_hint(hint))
        }
    }
}

/// Looks at `path` below `base` without following a link anywhere on the way; `None` when there
/// is nothing.
pub(super) fn metadata_without_links(base: &Path, path: &str) -> Result<Option<Metadata>, Finding> {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    for folder in folders.filter(|_| defence::on(Defence::PackLinks)) {
        if fs::symlink_metadata(base.join(folder)).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(linked_folder(base, folder, path));
        }
    }
    match fs::symlink_metadata(base.join(path)) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if missing(&error) => Ok(None),
        Err(error) => {
            Err(Finding::error(Code::Unreadable, format!("cannot look at {path}: {error}")))
        }
    }
}

fn linked_folder(base: &Path, folder: &str, path: &str) -> Finding {
    let target = fs::read_link(base.join(folder)).unwrap_or_default();
    let message = format!("{folder}, on the way to {path}, is a link to {}", target.display());
    let hint = "name the real folder, or copy the files in";
    Finding::error(Code::LinkEscapes, message).with_hint(hint)
}

fn missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
