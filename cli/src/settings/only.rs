//! Which releases a node holds, as a setting says it.

use std::str::FromStr;

use catalog_sync::view::Selection;

/// Words such as `tag:graph kind:service`; words of one sort are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only(pub Selection);

/// Text that does not say which releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("releases are selected by words such as tag:graph or kind:service")]
pub struct OnlyError;

impl FromStr for Only {
    type Err = OnlyError;

    fn from_str(text: &str) -> Result<Self, OnlyError> {
        let mut selection = Selection::default();
        for word in text.split_whitespace() {
            let (sort, value) = word.split_once(':').ok_or(OnlyError)?;
            let wrong = |()| OnlyError;
            match sort {
                "tag" => drop(selection.tags.insert(value.parse().map_err(drop).map_err(wrong)?)),
                "kind" => drop(selection.kinds.insert(value.parse().map_err(drop).map_err(wrong)?)),
                "fits" => drop(selection.fits.insert(value.parse().map_err(drop).map_err(wrong)?)),
                "publisher" => {
                    selection.publishers.insert(value.parse().map_err(drop).map_err(wrong)?);
                }
                _ => return Err(OnlyError),
            }
        }
        match selection == Selection::default() {
            true => Err(OnlyError),
            false => Ok(Self(selection)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_sort_are_alternatives() {
        let Only(selection) = "tag:graph tag:db fits:linux-x86_64".parse().unwrap();
        assert_eq!((selection.tags.len(), selection.fits.len(), selection.kinds.len()), (2, 1, 0));
        for text in ["", "graph", "tag:", "colour:red", "publisher:acme", "fits:linux"] {
            assert_eq!(text.parse::<Only>(), Err(OnlyError), "{text}");
        }
    }
}
