//! Checks a condition against a release by itself, as the index would for one that is in it.

use catalog::release::Release;

use crate::doc;
use crate::query::TERMS_MAX;
use crate::typed::{Condition, What};

/// Whether `release` meets `condition`.
///
/// - `everything`: all words of the release, stemmed.
/// - `stems`: gives the stems of a text.
pub(crate) fn meets(
    condition: &Condition,
    release: &Release,
    everything: &[String],
    stems: impl FnOnce(&str) -> Vec<String>,
) -> bool {
    let is_so = match &condition.what {
        What::Phrase(text) => {
            let mut phrase = stems(text);
            phrase.truncate(TERMS_MAX);
            // Without words there is nothing to ask for.
            if phrase.is_empty() {
                return true;
            }
            everything.windows(phrase.len()).any(|words| words == phrase)
        }
        What::Kind(kind) => release.kind.as_str() == kind,
        What::Tag(tag) => {
            release.tags.iter().chain(&release.keywords).any(|one| one.to_lowercase() == *tag)
        }
        What::License(license) => doc::licenses(&release.license).any(|one| one == *license),
        What::Publisher(publisher) => release.publisher.to_string() == *publisher,
        What::Size { least, most } => (*least..=*most).contains(&doc::size(release)),
    };
    is_so != condition.not
}
