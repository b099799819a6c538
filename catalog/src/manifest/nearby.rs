//! What is there instead of the files that a pattern was meant for.

use std::path::{Path, PathBuf};

use super::finding::{Code, Finding};
use super::glob::Glob;
use super::ignore::IGNORE_FILE;
use super::pack::names;
use super::words::nearest;

/// Says that a pattern matches nothing, and what there is instead.
pub(super) fn nothing_matched(base: &Path, glob: &Glob, left_out: usize) -> Finding {
    let finding =
        Finding::error(Code::GlobEmpty, format!("the pattern {:?} matches no file", glob.text()));
    finding.with_hint(match left_out {
        0 => instead(base, glob),
        _ => format!("what it would match is left out by {IGNORE_FILE}"),
    })
}

/// What is nearest to a pattern that matches nothing.
fn instead(base: &Path, glob: &Glob) -> String {
    let mut folder = PathBuf::new();
    for part in glob.literal().split('/').filter(|part| !part.is_empty()) {
        let there = listing(&base.join(&folder));
        if there.iter().any(|name| name == part) {
            folder.push(part);
            continue;
        }
        if let Some(near) = nearest(part, there.iter().map(String::as_str)) {
            return format!("did you mean `{}`?", folder.join(near).display());
        }
        let place = if folder.as_os_str().is_empty() {
            "the folder".into()
        } else {
            format!("{}/", folder.display())
        };
        return match &there[..] {
            [] => format!("{place} is empty; has the build run?"),
            some => format!("{place} holds {}; has the build run?", first_few(some)),
        };
    }
    match &listing(&base.join(&folder))[..] {
        [] => format!("{}/ is empty; has the build run?", folder.display()),
        some => format!("{}/ holds {}", folder.display(), first_few(some)),
    }
}

fn listing(folder: &Path) -> Vec<String> {
    let names = names(folder).unwrap_or_default();
    names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

fn first_few(names: &[String]) -> String {
    let more = if names.len() > 3 { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(3)].join(", "))
}
