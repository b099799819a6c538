//! One entry of `files`: which files it means, and what is cut off from their paths.

use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};

use super::finding::{Code, Finding};
use super::keys::Spanned;

/// The characters that make a pattern out of a path.
const META: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A pattern over paths relative to the folder of the manifest.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    text: String,
    span: Option<Range<usize>>,
    /// The folders that every match lies in, because the pattern spells them out.
    literal: String,
    /// `None` when the whole pattern is one path.
    matcher: Option<GlobMatcher>,
}

impl Glob {
    pub(super) fn parse(text: Spanned<String>) -> Result<Self, Finding> {
        let refuse = |reason: String, hint: &str| {
            let message = format!("the pattern {:?} {reason}", text.value);
            Err(Finding::error(Code::GlobSyntax, message).with_hint(hint))
        };
        let mut pattern = text.value.as_str();
        while let Some(rest) = pattern.strip_prefix("./") {
            pattern = rest;
        }
        let pattern = pattern.trim_end_matches('/');
        if pattern.starts_with('/') || text.value.starts_with('/') {
            return refuse("is absolute".into(), "patterns are relative to catalog.toml");
        }
        if pattern.contains('\\') {
            return refuse("holds a backslash".into(), "write / between folders");
        }
        if pattern.split('/').any(|part| part == "..") {
            let hint = "move catalog.toml up, or copy the files below it";
            return refuse("leads out of the package with `..`".into(), hint);
        }
        if pattern.split('/').any(|part| part.is_empty() || part == ".") {
            let hint = "write folders and file names with one / between them";
            return refuse("has an empty part".into(), hint);
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        let plain = parts.iter().take_while(|part| !part.contains(META)).count();
        let literal = parts[..plain].join("/");
        let matcher = match plain == parts.len() {
            true => None,
            false => match GlobBuilder::new(pattern).literal_separator(true).build() {
                Ok(glob) => Some(glob.compile_matcher()),
                Err(error) => {
                    return refuse(
                        format!("is not usable: {}", error.kind()),
                        "close the brackets",
                    );
                }
            },
        };
        Ok(Self { text: text.value.clone(), span: text.span, literal, matcher })
    }

    /// The pattern as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// The folders that the pattern spells out before its first wildcard; the whole path when it
    /// has none. Empty for a pattern that starts with a wildcard.
    pub(super) fn literal(&self) -> &str {
        &self.literal
    }

    /// Whether it is one path, of a file or of a whole folder.
    pub(super) fn is_plain(&self) -> bool {
        self.matcher.is_none()
    }

    /// Whether it means the file at `path`; a plain path means everything below it, too.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Some(matcher) => matcher.is_match(path),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Glob, Finding> {
        Glob::parse(Spanned { value: text.into(), span: None })
    }

    #[test]
    fn the_literal_folders_of_a_pattern_are_known() {
        for (text, literal, plain) in [
            ("dist/high-v3/**", "dist/high-v3", false),
            ("./dist/*.so", "dist", false),
            ("**", "", false),
            ("out/app.apk", "out/app.apk", true),
            ("web/", "web", true),
        ] {
            let glob = parse(text).unwrap();
            assert_eq!((glob.literal(), glob.is_plain()), (literal, plain), "{text}");
        }
    }

    #[test]
    fn one_star_stays_in_its_folder_and_two_do_not() {
        let star = parse("dist/*.so").unwrap();
        assert!(star.matches("dist/a.so") && !star.matches("dist/x/a.so"));
        let stars = parse("dist/**").unwrap();
        assert!(stars.matches("dist/x/a.so") && stars.matches("dist/a"));
        let either = parse("dist/{a,b}/[cd]?").unwrap();
        assert!(either.matches("dist/a/c1") && !either.matches("dist/c/c1"));
    }

    #[test]
    fn patterns_that_lead_out_or_do_not_close_are_refused() {
        for text in ["/etc/passwd", "../x/**", "a/../../b", "a//b", "", ".", "a\\b", "a/[b", "//x"]
        {
            let finding = parse(text).unwrap_err();
            assert_eq!(finding.code, Code::GlobSyntax.id(), "{text}");
            assert!(finding.hint.is_some());
        }
    }
}
