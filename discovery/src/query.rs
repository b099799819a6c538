//! What a person asks of the catalog, and what they get.

use std::str::FromStr;

use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::profile::Profile;
use catalog::release::{PackageId, PackageKind, Release, ReleaseId};
use catalog::resolve::{Fit, Preference, resolve};

use crate::evidence::Evidence;
use crate::facets::Facets;
use crate::federation::Question;
use crate::index::{Index, IndexError};
use crate::mend::Rebuilt;
use crate::ranking::{Alias, Standing};
use crate::typed::{Condition, Typed};

/// Text beyond this is not looked at: nobody reads what a longer query finds.
pub const TEXT_BYTES_MAX: usize = 512;
/// Words beyond this are not looked at.
pub const TERMS_MAX: usize = 12;
/// Hits on one page.
pub const LIMIT_MAX: usize = 500;
/// Packages that one query looks at, best first; what comes after them is not found.
pub const CANDIDATES_MAX: usize = 5_000;

/// A question to the index. [`Query::new`] asks for anything with these words.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Any text; without words, every package matches, in order of name. A petname or publisher
    /// id before a `/` narrows to that publisher. `"these words"` stand side by side, `-this` does
    /// not occur, and `kind:`, `tag:`, `license:`, `publisher:` and `size:<10MiB` narrow further.
    pub text: String,
    /// Only packages of this kind.
    pub kind: Option<PackageKind>,
    /// Only packages of this publisher.
    pub publisher: Option<PublisherId>,
    /// Only packages with a variant for this hardware.
    pub fits: Option<&'a Profile>,
    /// The names that this node's user has for publishers.
    pub petnames: Vec<(Petname, PublisherId)>,
    /// Publishers that this node's user trusts by name, and the user's own.
    pub known: Vec<PublisherId>,
    /// Packages that are used on this machine, and how [warm](crate::Usage::warmth) each is.
    pub warm: Vec<(PackageId, f32)>,
    /// In which order.
    pub sort: Sort,
    /// Whether the last word may go on.
    pub typing: Typing,
    /// How many values of each facet to count; 0 counts nothing.
    pub facets: usize,
    /// Hits to skip.
    pub offset: usize,
    /// Hits to return; at most [`LIMIT_MAX`].
    pub limit: usize,
}

/// Whether a query was typed to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Typing {
    /// Its words are whole.
    #[default]
    Done,
    /// Its last word also stands for every word that begins so.
    Going,
}

/// In which order packages are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sort {
    /// The best answer first; without words, by name.
    #[default]
    Relevance,
    /// The newest release first, of those with every word.
    Recent,
    /// The smallest variant first, of those with every word.
    Small,
    /// What is used here and what others need first, of those with every word.
    Popular,
}

/// Text that names no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no order: relevance, popular, recent or small")]
pub struct SortError {
    /// What stands there.
    pub found: Box<str>,
}

impl FromStr for Sort {
    type Err = SortError;

    fn from_str(text: &str) -> Result<Self, SortError> {
        match text {
            "relevance" => Ok(Self::Relevance),
            "recent" => Ok(Self::Recent),
            "small" => Ok(Self::Small),
            "popular" => Ok(Self::Popular),
            _ => Err(SortError { found: text.chars().take(40).collect() }),
        }
    }
}

/// One page of what was found, best first.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The packages, at most as many as the limit.
    pub hits: Vec<Hit>,
    /// Whether there are more after this page.
    pub more: bool,
    /// What was probably meant, when the catalog does not know a word of the query.
    pub meant: Option<String>,
    /// How many there are of each kind of them, when that was asked.
    pub facets: Option<Facets>,
    /// That the index was built anew on the way.
    pub rebuilt: Option<Rebuilt>,
}

/// A package that answers a query.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its newest release that is not yanked.
    pub id: ReleaseId,
    /// That release, without its description, dependencies, provenance, extensions, and the content
    /// of its variants, whose digests are all zero.
    pub release: Release,
    /// How well it answers; comparable only inside one answer.
    pub score: f32,
    /// What speaks for it; `None` far down, where nothing was weighed.
    pub evidence: Option<Evidence>,
    /// How the hardware that was asked for suits it; `None` when none was asked for.
    pub fit: Option<Fit>,
}

impl Hit {
    /// The package.
    pub fn package(&self) -> PackageId {
        self.release.package()
    }
}

impl<'a> Query<'a> {
    /// Asks for the best 20 packages for `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: None,
            publisher: None,
            fits: None,
            petnames: Vec::new(),
            known: Vec::new(),
            warm: Vec::new(),
            sort: Sort::default(),
            typing: Typing::default(),
            facets: 0,
            offset: 0,
            limit: 20,
        }
    }

    /// What was typed, as far as it is looked at.
    pub(crate) fn typed(&self) -> Typed {
        Typed::read(within(self.text.trim(), TEXT_BYTES_MAX))
    }

    pub(crate) fn tally(&self) -> Option<Tally> {
        let of = if self.fits.is_some() { Counted::Kept } else { Counted::Matching };
        (self.facets > 0).then_some(Tally { values: self.facets, of })
    }

    /// The publisher that the text names before a `/`, and the rest of the text.
    pub(crate) fn narrowed<'q>(&self, text: &'q str) -> (Option<PublisherId>, &'q str) {
        let named = text.split_once('/').and_then(|(publisher, rest)| {
            Some((Some(self.publisher_named(publisher.trim())?), rest.trim()))
        });
        named.unwrap_or((None, text))
    }

    /// The publisher with this petname or id.
    pub(crate) fn publisher_named(&self, name: &str) -> Option<PublisherId> {
        let pinned = self.petnames.iter().find(|(petname, _)| petname.as_str() == name);
        pinned.map(|(_, id)| *id).or_else(|| name.parse().ok())
    }
}

/// A query as the index is asked it.
pub(crate) struct Filters<'a> {
    /// The words.
    pub text: &'a str,
    /// What the words mean, when somebody else read them.
    pub question: Option<&'a Question>,
    /// What every answer meets; publishers as ids.
    pub conditions: Vec<Condition>,
    pub aliases: Vec<Alias<'a>>,
    pub sort: Sort,
    pub typing: Typing,
    /// Which packages to count, if any.
    pub tally: Option<Tally>,
    pub standing: Standing<'a>,
}

/// What to count.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    /// How many values of each facet.
    pub values: usize,
    pub of: Counted,
}

/// Which packages are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// All that match.
    Matching,
    /// Those of them that are kept.
    Kept,
}

/// Which part of the answer.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    pub offset: usize,
    pub limit: usize,
}

impl Index {
    /// The packages that answer `query`, best first; any text is a valid query.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the files are: empty the index with [`Index::reset`], follow
    /// the store again, and ask again.
    pub fn search(&self, query: &Query<'_>) -> Result<Found, IndexError> {
        let read = query.read();
        let filters = query.filters(&read);
        let page =
            Page { offset: query.offset.min(CANDIDATES_MAX), limit: query.limit.min(LIMIT_MAX) };
        let mut damaged = false;
        let best = self.best(&filters, page, |found, stored| {
            let Some((id, release)) = stored.open() else {
                damaged = true;
                return None;
            };
            let fit = match query.fits {
                None => None,
                Some(profile) => Some(fit(&release, profile)?),
            };
            Some(Hit { id, release, score: found.score, evidence: found.evidence, fit })
        })?;
        match damaged {
            true => Err(self.damaged("a stored release is unreadable".to_owned())),
            false => Ok(Found {
                hits: best.kept,
                more: best.more,
                meant: best.meant,
                facets: best.facets,
                rebuilt: None,
            }),
        }
    }
}

/// How the variant that would be chosen suits `profile`; `None` when none would.
fn fit(release: &Release, profile: &Profile) -> Option<Fit> {
    let resolution = resolve(release, profile, Preference::HighPerformance);
    resolution.chosen_verdict().map(|verdict| verdict.fit)
}

/// The start of `text` with at most `bytes` bytes, without the word that the cut went through.
fn within(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let start = &text[..text.floor_char_boundary(bytes)];
    start.rfind(char::is_whitespace).map_or(start, |end| &start[..end])
}
