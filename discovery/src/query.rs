//! What a person asks of the catalog, and what they get.

use catalog::identity::PublisherId;
use catalog::name::Petname;
use catalog::profile::Profile;
use catalog::release::{PackageId, PackageKind, Release, ReleaseId};
use catalog::resolve::{Fit, Preference, resolve};

use crate::index::{Index, IndexError};

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
    /// id before a `/` narrows to that publisher.
    pub text: String,
    /// Only packages of this kind.
    pub kind: Option<PackageKind>,
    /// Only packages of this publisher.
    pub publisher: Option<PublisherId>,
    /// Only packages with a variant for this hardware.
    pub fits: Option<&'a Profile>,
    /// The names that this node's user has for publishers.
    pub petnames: Vec<(Petname, PublisherId)>,
    /// Hits to skip.
    pub offset: usize,
    /// Hits to return; at most [`LIMIT_MAX`].
    pub limit: usize,
}

/// One page of what was found, best first.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The packages, at most as many as the limit.
    pub hits: Vec<Hit>,
    /// Whether there are more after this page.
    pub more: bool,
}

/// A package that answers a query.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its newest release that is not yanked.
    pub id: ReleaseId,
    /// That release, without its description.
    pub release: Release,
    /// How well it answers; comparable only inside one answer.
    pub score: f32,
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
            offset: 0,
            limit: 20,
        }
    }

    /// The publisher that the text names before a `/`, and the rest of the text.
    fn narrowed<'q>(&self, text: &'q str) -> (Option<PublisherId>, &'q str) {
        let named = text.split_once('/').and_then(|(publisher, rest)| {
            let publisher = publisher.trim();
            let pinned = self.petnames.iter().find(|(petname, _)| petname.as_str() == publisher);
            let id = pinned.map(|(_, id)| *id).or_else(|| publisher.parse().ok())?;
            Some((Some(id), rest.trim()))
        });
        named.unwrap_or((None, text))
    }
}

/// A query as the index is asked it.
pub(crate) struct Filters<'a> {
    pub text: &'a str,
    pub kind: Option<&'a str>,
    pub publisher: Option<&'a str>,
    pub aliases: Vec<(&'a str, &'a str)>,
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
        let text = within(query.text.trim(), TEXT_BYTES_MAX);
        let (named, text) = query.narrowed(text);
        if let (Some(named), Some(asked)) = (named, query.publisher)
            && named != asked
        {
            return Ok(Found::default());
        }
        let publisher = named.or(query.publisher).map(|id| id.to_string());
        let ids: Vec<String> = query.petnames.iter().map(|(_, id)| id.to_string()).collect();
        let petnames = query.petnames.iter().map(|(petname, _)| petname.as_str());
        let filters = Filters {
            text,
            kind: query.kind.map(PackageKind::as_str),
            publisher: publisher.as_deref(),
            aliases: petnames.zip(ids.iter().map(String::as_str)).collect(),
        };
        let page =
            Page { offset: query.offset.min(CANDIDATES_MAX), limit: query.limit.min(LIMIT_MAX) };
        let mut damaged = false;
        let (hits, more) = self.best(&filters, page, |score, stored| {
            let Some((id, release)) = stored.open() else {
                damaged = true;
                return None;
            };
            let fit = match query.fits {
                None => None,
                Some(profile) => Some(fit(&release, profile)?),
            };
            Some(Hit { id, release, score, fit })
        })?;
        match damaged {
            true => Err(self.damaged("a stored release is unreadable".to_owned())),
            false => Ok(Found { hits, more }),
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
