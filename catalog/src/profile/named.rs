//! Profiles of machines that we do not run on: what a publisher checks, and what `--profile` asks.
//!
//! They are starting values to edit, not measurements: `catalog profile export` writes one to a
//! file. What they do not list is absent.

use super::Profile;

/// The built-in profiles: name and document, in the order they are listed.
const NAMED: [(&str, &str); 10] = [
    ("android-low", include_str!("named/android-low.toml")),
    ("android-high", include_str!("named/android-high.toml")),
    ("iphone-low", include_str!("named/iphone-low.toml")),
    ("iphone-high", include_str!("named/iphone-high.toml")),
    ("pi-low", include_str!("named/pi-low.toml")),
    ("laptop", include_str!("named/laptop.toml")),
    ("workstation-gpu", include_str!("named/workstation-gpu.toml")),
    ("server-high", include_str!("named/server-high.toml")),
    ("web-low", include_str!("named/web-low.toml")),
    ("web-high", include_str!("named/web-high.toml")),
];

impl Profile {
    /// The built-in profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, document) = NAMED.iter().find(|(known, _)| *known == name)?;
        Some(Self::from_toml(document).expect("built-in profiles are read by a test"))
    }

    /// The names of the built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_complete_and_goes_by_its_name() {
        for name in Profile::names() {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name(), name);
            let facts = profile.facts();
            assert!(facts.memory.usable().is_some() && facts.disk_free.is_some(), "{name}");
            assert!(facts.cores.is_some() && facts.values.contains_key("runtime"), "{name}");
            assert!(facts.values.contains_key("os"), "{name}");
            assert_eq!(Profile::from_toml(&profile.to_toml()).unwrap(), profile);
        }
        assert_eq!(Profile::named("pi-high"), None);
    }
}
