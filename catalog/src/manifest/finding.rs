//! What a check of `catalog.toml` found: where, how bad, and what to do.

use std::fmt;
use std::ops::Range;

/// Whether a finding stops a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be published until it is mended.
    Error,
    /// It can be published; somebody will probably regret it.
    Warning,
}

/// One thing wrong with a manifest or with the files it names.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Whether it stops a publish.
    pub severity: Severity,
    /// The stable code, `CAT01xx`; [`explain`] tells more about it.
    pub code: &'static str,
    /// One line: what is wrong.
    pub message: String,
    /// One line: what to do about it.
    pub hint: Option<String>,
    /// The bytes of the manifest it is about; `None` when it is about a file, or about something
    /// that is missing altogether.
    pub span: Option<Range<usize>>,
}

impl Finding {
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: Code, message: String) -> Self {
        Self { severity, code: code.id(), message, hint: None, span: None }
    }

    /// Adds the next step.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place in the manifest text.
    pub(crate) fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{word}[{}]: {}", self.code, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal: $text:literal;)*) => {
        /// The kinds of finding. A number is never given a second meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $text] $name,)*
        }

        impl Code {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(crate) const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }

        /// Says in one paragraph what a `CAT01xx` code means and how to mend it.
        pub fn explain(code: &str) -> Option<&'static str> {
            match code {
                $($id => Some($text),)*
                _ => None,
            }
        }
    };
}

codes! {
    Syntax = "CAT0101": "catalog.toml is not valid TOML. The place shown is where reading stopped, \
        which is at or just after the mistake: a quote that is not closed, a key given twice, a \
        value without quotes.";
    UnknownKey = "CAT0102": "A key that catalog does not know. Unknown keys are refused because a \
        misspelt one would silently do nothing. Keys of your own start with `x-`; they are signed \
        and kept as text.";
    MissingKey = "CAT0103": "A key that every package needs is not there. A manifest needs \
        `schema = 1`, a `[package]` with `name`, `version` and `kind`, and at least one \
        `[[variant]]` with `id` and `files`.";
    WrongType = "CAT0104": "The value has another TOML type than the key needs, such as a number \
        where text belongs. Sizes and versions are text, in quotes; lists stand in brackets.";
    BadValue = "CAT0105": "The value has the right type but cannot be used: a version that is not \
        semver, a size without a number, a name with characters that names do not have. The \
        message says which rule it breaks.";
    Schema = "CAT0106": "`schema` says which edition of the manifest format the file is written \
        in. This program reads edition 1. A higher number was written for a newer catalog.";
    PublisherInName = "CAT0107": "The package name holds a publisher. A package belongs to whoever \
        signs it, so the manifest gives the bare name (`name = \"graphdb\"`) and the key that \
        publishes it decides under which publisher it appears.";
    DependencyName = "CAT0108": "A dependency is named by the publisher's id and the package name, \
        `\"cat1…/name\" = \"^2.1\"`. A bare name or a petname means something else on every \
        machine, and somebody could publish another package under it. `catalog info` shows the \
        full id of a package.";
    NotSupported = "CAT0109": "The manifest asks for something that is planned but that this \
        version cannot do yet. It is refused rather than ignored, because ignoring a permission \
        or a set of components would publish something other than what was meant.";
    Permission = "CAT0110": "`[share]` is not consistent. `permission = \"public\"` takes no \
        `nodes`; `permission = \"restricted\"` lists the node ids (64 hex digits each) that may \
        read the package.";
    DuplicateVariant = "CAT0111": "Two variants have the same `id`. The id is how people and \
        programs name one build (`graphdb#low-x86`), so each has its own.";
    Resources = "CAT0112": "An amount under `resources` is not `{ min = \"…\", recommended = \"…\" }`, \
        or `recommended` is below `min`. Below `min` a machine is refused; at `recommended` it \
        is graded great.";
    ControlCharacter = "CAT0113": "A text holds control characters or marks that change the \
        reading direction. They could hide or reorder what people see, so they are refused in \
        everything that is shown.";
    GlobSyntax = "CAT0120": "An entry of `files` is not a usable pattern. Patterns are relative to \
        the folder of catalog.toml, use `/`, and know `*`, `?`, `**`, `[abc]` and `{a,b}`. They \
        cannot be absolute or contain `..`.";
    GlobEmpty = "CAT0121": "An entry of `files` matches no file, so a variant would be published \
        without them. Usually the build has not run, or the path has a typo.";
    OutsideRoot = "CAT0122": "The variant sets `root`, which is cut off from every packed path, but \
        a file lies outside of it.";
    LinkEscapes = "CAT0123": "A symbolic link points outside of what is packed. Following it could \
        publish private files, and keeping it would break on other machines, so it is refused. \
        Copy the file in, leave the link out with .catalogignore, or make it relative to a file \
        of the same variant.";
    SpecialFile = "CAT0124": "Only files, folders and symbolic links can be packed; a socket, a \
        pipe or a device cannot. Leave it out with .catalogignore.";
    BadPath = "CAT0125": "A file name cannot be stored on every system: it is not UTF-8, is too \
        long, is a Windows device name, ends in a dot or space, or holds a character that \
        some systems do not allow. Rename the file.";
    PathCollision = "CAT0126": "Two files would be packed under one path, or under paths that some \
        systems treat as the same (upper and lower case, or two spellings of one letter). Rename \
        one, or pack them in different folders.";
    Unreadable = "CAT0127": "A file or folder could not be looked at. The message has the answer of \
        the operating system.";
    TooManyFiles = "CAT0128": "A variant holds more files than a tree can list. Pack fewer files, or \
        put the small ones into an archive of your own.";
    DanglingLink = "CAT0129": "A symbolic link stays inside of the package, but what it leads to is \
        not packed, so it will lead nowhere after installing. Pack its target, too, or leave the \
        link out.";
    NoFallback = "CAT0130": "No variant is marked `fallback = true`. On a machine that nobody built \
        for, installing will fail. A WebAssembly or source build makes a good fallback.";
    NoLicense = "CAT0131": "The package has no `license`. People cannot know what they may do with \
        it. Give an SPDX expression such as `MIT` or `Apache-2.0 OR MIT`.";
    SameRequires = "CAT0132": "Two variants need exactly the same of a machine, so one of them will \
        hardly ever be chosen. Tell them apart in `requires` or `resources`.";
    CommonMachine = "CAT0133": "No variant can run on a kind of machine that many people have. That \
        may be what you want; if not, add a variant or a fallback for it.";
    Summary = "CAT0134": "The summary is missing or long. It is the one line that search results \
        show and that search looks through first; up to 120 characters are shown.";
    SameQuality = "CAT0135": "Two variants can fit the same machine and have the same `quality`, so \
        the one that needs less, or comes first by name, wins. Set `quality` (0 to 100, higher \
        is better) to say which one you prefer.";
    Readme = "CAT0136": "The README is longer than what a release carries (16 KiB), or cannot be \
        used as text. A long one is cut; the full file can still be packed in a variant.";
    UnknownFact = "CAT0137": "A variant requires a fact that no machine reports today. It will be \
        unknown everywhere, so the variant is graded unknown at best.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_explained() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.id()), "{} is used twice", code.id());
            let text = explain(code.id()).unwrap();
            assert!(text.len() > 60 && text.ends_with('.'), "{}", code.id());
        }
        assert_eq!(explain("CAT0199"), None);
    }
}
