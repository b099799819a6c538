//! What a mirror holds, and how many copies there should be, as settings say it.

use std::str::FromStr;

use catalog::profile::Profile;
use catalog_mirror::filter::Filter;

/// Words such as `profile:pi-low tag:graph`; words of one sort are alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored(pub Filter);

/// Text that does not say what a mirror holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what a mirror holds is said by words such as profile:pi-low or tag:graph")]
pub struct MirroredError;

impl FromStr for Mirrored {
    type Err = MirroredError;

    fn from_str(text: &str) -> Result<Self, MirroredError> {
        let mut filter = Filter::default();
        for word in text.split_whitespace() {
            let (sort, value) = word.split_once(':').ok_or(MirroredError)?;
            match sort {
                "profile" => filter.profiles.push(Profile::named(value).ok_or(MirroredError)?),
                "variant" => drop(filter.variants.insert(read(value)?)),
                "tag" if !value.is_empty() => drop(filter.tags.insert(value.to_owned())),
                "kind" => drop(filter.kinds.insert(read(value)?)),
                "package" => drop(filter.packages.insert(read(value)?)),
                "not" => drop(filter.except.insert(read(value)?)),
                "publisher" => drop(filter.publishers.insert(read(value)?)),
                _ => return Err(MirroredError),
            }
        }
        match filter.is_everything() || filter.encode().is_err() {
            true => Err(MirroredError),
            false => Ok(Self(filter)),
        }
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, MirroredError> {
    text.parse().map_err(|_| MirroredError)
}

/// How many copies there should be at least: 1 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies(pub u8);

impl FromStr for Copies {
    type Err = MirroredError;

    fn from_str(text: &str) -> Result<Self, MirroredError> {
        read::<u8>(text)
            .ok()
            .filter(|copies| (1..=16).contains(copies))
            .map(Self)
            .ok_or(MirroredError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_a_mirror_holds() {
        let Mirrored(filter) = "profile:pi-low tag:graph tag:db package:graph*".parse().unwrap();
        let counts = (filter.profiles.len(), filter.tags.len(), filter.packages.len());
        assert_eq!(counts, (1, 2, 1));
        for text in ["", "graph", "tag:", "colour:red", "publisher:acme", "profile:toaster"] {
            assert_eq!(text.parse::<Mirrored>(), Err(MirroredError), "{text}");
        }
    }

    #[test]
    fn there_is_one_copy_at_least_and_not_any_number() {
        assert_eq!("16".parse(), Ok(Copies(16)));
        for text in ["0", "17", "-1", "three", ""] {
            assert!(text.parse::<Copies>().is_err(), "{text}");
        }
    }
}
