//! `.catalogignore`: which files are left out, whatever the manifest's patterns say.
//!
//! The rules are those of `.gitignore`: one pattern a line, the last one that matches decides, `!`
//! takes a file back in, a slash at the end means folders only, a slash elsewhere ties the pattern
//! to the folder of the file. What lies in a folder that is left out cannot be taken back in.

use std::fs;
use std::io;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::finding::{Code, Finding};

/// The name of the file with the rules.
pub(super) const IGNORE_FILE: &str = ".catalogignore";

/// What is left out unless a rule takes it back in.
const DEFAULTS: &str = ".git/\n.catalogignore\n/catalog.toml\n.DS_Store\n";

/// Longest file of rules.
const IGNORE_BYTES_MAX: u64 = 64 << 10;

/// Rules about paths relative to the folder of the manifest.
#[derive(Debug)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    matcher: GlobMatcher,
    takes_back: bool,
    folders_only: bool,
}

impl Ignore {
    /// Reads the rules in `base`; without a file there, the usual things are left out.
    pub(super) fn read(base: &Path) -> Result<Self, Finding> {
        let path = base.join(IGNORE_FILE);
        let unreadable = |reason: String| {
            Finding::error(Code::Unreadable, format!("cannot read {}: {reason}", path.display()))
        };
        let text = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Ok(metadata) if !metadata.is_file() => {
                return Err(unreadable("it is not a regular file".into()));
            }
            Ok(metadata) if metadata.len() > IGNORE_BYTES_MAX => {
                return Err(unreadable("it is longer than 64 KiB".into()));
            }
            _ => fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?,
        };
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Finding> {
        let mut rules = Vec::new();
        for line in DEFAULTS.lines() {
            rules.extend(rule(line).map_err(|error| refused(line, 0, &error))?);
        }
        for (index, line) in text.lines().enumerate() {
            rules.extend(rule(line).map_err(|error| refused(line, index + 1, &error))?);
        }
        Ok(Self { rules })
    }

    /// Whether the file or folder itself is left out, not looking at the folders above it.
    pub(super) fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let applies =
            |rule: &&Rule| (is_folder || !rule.folders_only) && rule.matcher.is_match(path);
        self.rules.iter().rev().find(applies).is_some_and(|rule| !rule.takes_back)
    }
}

fn refused(line: &str, number: usize, error: &globset::Error) -> Finding {
    let message =
        format!("line {number} of {IGNORE_FILE}, {line:?}, is not a pattern: {}", error.kind());
    Finding::error(Code::GlobSyntax, message)
        .with_hint("close the brackets, or write \\ before them")
}

/// Reads one line; `None` for an empty one or a comment.
fn rule(line: &str) -> Result<Option<Rule>, globset::Error> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (takes_back, pattern) = match line.strip_prefix('!') {
        Some(pattern) => (true, pattern),
        None => (false, line),
    };
    let (folders_only, pattern) = match pattern.strip_suffix('/') {
        Some(pattern) => (true, pattern),
        None => (false, pattern),
    };
    let tied = pattern.contains('/');
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    let pattern = if tied { pattern.to_owned() } else { format!("**/{pattern}") };
    let glob = GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(true).build()?;
    Ok(Some(Rule { matcher: glob.compile_matcher(), takes_back, folders_only }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(text).unwrap()
    }

    #[test]
    fn rules_are_read_as_git_reads_them() {
        let rules = ignore("# comment\n\n*.log\n!keep.log\n/build\nout/\ndocs/*.txt\n\\#odd\n");
        for (path, is_folder, left_out) in [
            ("a.log", false, true),
            ("x/y/a.log", false, true),
            ("x/keep.log", false, false),
            ("build", true, true),
            ("x/build", true, false),
            ("x/out", true, true),
            ("x/out", false, false),
            ("docs/a.txt", false, true),
            ("x/docs/a.txt", false, false),
            ("docs/x/a.txt", false, false),
            ("#odd", false, true),
            ("src/main.rs", false, false),
        ] {
            assert_eq!(rules.leaves_out(path, is_folder), left_out, "{path}");
        }
    }

    #[test]
    fn the_usual_things_are_left_out_unless_taken_back() {
        let usual = ignore("");
        assert!(usual.leaves_out(".git", true) && usual.leaves_out("catalog.toml", false));
        assert!(!usual.leaves_out("dist/catalog.toml", false));
        assert!(!ignore("!/catalog.toml").leaves_out("catalog.toml", false));
    }

    #[test]
    fn a_broken_rule_is_named_with_its_line() {
        let finding = Ignore::parse("*.o\n[a\n").unwrap_err();
        assert!(finding.message.starts_with("line 2 of .catalogignore"), "{}", finding.message);
    }
}
