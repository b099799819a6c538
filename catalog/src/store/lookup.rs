//! Answers questions about packages: which exist, in which versions, and what a reference means.
//!
//! A bare name means a package of somebody that a person here relies on; strangers can neither take
//! it over nor make it ambiguous. One that several of those use means nobody: the candidates are
//! listed, and there is no order among them that could let one shadow another.

use std::fmt;

use super::batch::record;
use super::rows::{
    ChannelRow, Leaf, PublisherRow, Standing, Trust, YankRow, decode_ids, version_of,
};
use super::tables::{
    CHANNELS, LEAVES, LogId, NAMES, PUBLISHERS, RECORDS, ROOTS, VERSIONS, YANKS, digest_of, get,
    name_prefix, of_leaf_key, of_name_key, of_package_key, package_item_key, package_key,
    with_prefix,
};
use super::{Store, StoreError, View, derived};
use crate::digest::{Digest, Sha256Digest};
use crate::identity::PublisherId;
use crate::name::{ChannelName, PackageName, Petname, VariantId};
use crate::reference::{PublisherReference, Reference, ReleaseReference, VersionReference};
use crate::release::{PackageId, Release, ReleaseId};
use crate::statement::{SealedStatement, Statement, StatementId};

/// How many suggestions or versions an error lists.
const LISTED_MAX: usize = 5;

/// How alike a name must be to be suggested, from 0 to 1.
const LIKENESS_MIN: f64 = 0.6;

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The version.
    pub version: semver::Version,
    /// The release: of several at odds the one that a person chose, or else that came first.
    pub id: ReleaseId,
    /// Why it was withdrawn, when it was; may be empty text.
    pub yanked: Option<String>,
    /// Whether its publisher contradicts itself about it and no person decided which release is
    /// meant. No range picks it then.
    pub contested: bool,
}

/// What a reference means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The package.
    pub package: PackageId,
    /// The version, and whether anything is wrong with it.
    pub row: VersionRow,
    /// How we know its publisher. Of one that was merely [`Seen`](Trust::Seen) nobody here said
    /// who it is: before a bare name of theirs is relied on, a person compares the fingerprint.
    pub trust: Trust,
}

/// A package that could be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The package.
    pub package: PackageId,
    /// What its publisher is called here.
    pub petname: Option<Petname>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.petname {
            Some(petname) => write!(f, "{petname}/{}", self.package.name),
            None => self.package.fmt(f),
        }
    }
}

/// Why a reference means nothing, or nothing certain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No known publisher has such a package.
    #[error("there is no package {name}")]
    UnknownPackage {
        /// What was asked for.
        name: String,
        /// What is alike, best first.
        suggestions: Vec<Candidate>,
    },
    /// Nobody is called so here.
    #[error("no publisher is called {petname}")]
    UnknownPublisher {
        /// The petname.
        petname: Petname,
        /// Petnames that are alike, best first.
        suggestions: Vec<Petname>,
    },
    /// Several publishers have a package of this name.
    #[error("{name} is a package of {} publishers", candidates.len())]
    Ambiguous {
        /// The bare name.
        name: PackageName,
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// The package is known, the version is not, or it may not be picked.
    #[error("{package} has no version {wanted}")]
    UnknownVersion {
        /// The package.
        package: PackageId,
        /// What was asked for.
        wanted: String,
        /// The newest versions that it has.
        available: Vec<VersionRow>,
    },
    /// The package has no such channel.
    #[error("{package} has no channel {channel}")]
    UnknownChannel {
        /// The package.
        package: PackageId,
        /// The channel.
        channel: ChannelName,
        /// Those that it has.
        available: Vec<ChannelName>,
    },
    /// The channel points to a version that was withdrawn or is contested.
    #[error("channel {channel} of {package} points to {version}, which is withdrawn or contested")]
    Withdrawn {
        /// The package.
        package: PackageId,
        /// The channel.
        channel: ChannelName,
        /// What it points to.
        version: semver::Version,
    },
    /// The channel was moved to several versions, neither writer knowing of the other, and neither
    /// a policy nor a person says which one is meant.
    #[error("channel {channel} of {candidate} points to more than one version")]
    Disputed {
        /// The package.
        candidate: Candidate,
        /// The channel.
        channel: ChannelName,
        /// What it points to, ascending.
        versions: Vec<semver::Version>,
    },
    /// The publisher signed two histories of its log that exclude each other. Until a person here
    /// decides (`catalog conflicts` shows both, `catalog resolve` decides), nothing of it is
    /// picked but a release that is named by its id.
    #[error("{candidate} is frozen: its publisher signed two histories that exclude each other")]
    Frozen {
        /// The package that was meant.
        candidate: Candidate,
    },
    /// There is no release with this id.
    #[error("there is no release {id}")]
    UnknownRelease {
        /// The id.
        id: ReleaseId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The statement with this id, as it was sealed.
    pub fn statement(&self, id: &StatementId) -> Result<Option<SealedStatement>, StoreError> {
        record(&self.read()?.rows(RECORDS)?, id)
    }

    /// The release with this id; its signature is checked once more.
    pub fn release(&self, id: &ReleaseId) -> Result<Option<Release>, StoreError> {
        let view = self.read()?;
        let Some(sealed) = record(&view.rows(RECORDS)?, id)? else { return Ok(None) };
        let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
        let state = view.key_state(&header.publisher)?;
        match state.and_then(|state| sealed.open(&state).ok()) {
            Some(Statement::Release(release)) => Ok(Some(release)),
            Some(_) => Ok(None),
            None => Err(StoreError::damaged("a record")),
        }
    }

    /// The leaf hashes of a log from its first statement on: the first `count`, or as many as are
    /// here without a gap. They take 32 bytes each.
    pub fn leaf_hashes(&self, log: &LogId, count: u64) -> Result<Vec<Sha256Digest>, StoreError> {
        let rows = self.read()?.rows(LEAVES)?;
        let mut hashes = Vec::new();
        for row in with_prefix(&rows, &log.row_key())? {
            let (key, row) = row?;
            let (_, seq) = of_leaf_key(key.value())?;
            if seq == count || seq != hashes.len() as u64 {
                break;
            }
            // Of two at odds, the first is the one that the pinned head vouches for.
            hashes.extend(Leaf::decode_all(row.value())?.first().map(|leaf| leaf.hash));
        }
        Ok(hashes)
    }

    /// The releases and variants whose content root this is.
    pub fn release_of_root(
        &self,
        root: &Digest,
    ) -> Result<Vec<(ReleaseId, VariantId)>, StoreError> {
        let rows = self.read()?.rows(ROOTS)?;
        with_prefix(&rows, root.as_bytes())?
            .map(|row| {
                let (key, _) = row?;
                let damaged = || StoreError::damaged("a content root");
                let (id, variant) = key.value()[32..].split_at_checked(32).ok_or_else(damaged)?;
                let variant = std::str::from_utf8(variant).ok().and_then(|text| text.parse().ok());
                Ok((ReleaseId::from_digest(digest_of(id)?), variant.ok_or_else(damaged)?))
            })
            .collect()
    }

    /// Every known package, by name, then by publisher.
    pub fn packages(&self) -> Result<Vec<PackageId>, StoreError> {
        self.read()?.packages(&[])
    }

    /// Every known package of this name, by publisher.
    pub fn packages_named(&self, name: &PackageName) -> Result<Vec<PackageId>, StoreError> {
        self.read()?.packages(&name_prefix(name))
    }

    /// The versions of a package, newest first.
    pub fn versions(&self, package: &PackageId) -> Result<Vec<VersionRow>, StoreError> {
        self.read()?.versions(package)
    }

    /// What a channel of a package points to.
    pub fn channel(
        &self,
        package: &PackageId,
        channel: &ChannelName,
    ) -> Result<Option<semver::Version>, StoreError> {
        let row = get(&self.read()?.rows(CHANNELS)?, &package_item_key(package, channel.as_str()))?;
        row.map(|row| Ok(ChannelRow::decode(&row)?.version)).transpose()
    }

    /// The channels of a package and what they point to, by name.
    pub fn channels(
        &self,
        package: &PackageId,
    ) -> Result<Vec<(ChannelName, semver::Version)>, StoreError> {
        self.read()?.channels(package)
    }

    /// The release that a reference means.
    ///
    /// A bare name is looked for among the publishers that a person named and our own; only when
    /// none of them has it, among the others, and [`Found::trust`] says so.
    ///
    /// Without a version, and for a range, it is the newest that is neither yanked nor contested;
    /// a pre-release only if the range names one. An exact version is found even when it is yanked
    /// or contested: [`Found::row`] says so.
    ///
    /// # Errors
    /// [`LookupError`] with what could be meant instead.
    pub fn resolve_reference(&self, reference: &Reference) -> Result<Found, LookupError> {
        let view = self.read()?;
        match &reference.release {
            ReleaseReference::Exact(id) => view.exact(id),
            ReleaseReference::Named { publisher, name, version } => {
                let package = view.package(publisher.as_ref(), name)?;
                if view.is_frozen(&package.publisher)? {
                    return Err(LookupError::Frozen { candidate: view.candidate(package)? });
                }
                let row = view.version(&package, version)?;
                let trust = view.trust(&package.publisher)?;
                Ok(Found { package, row, trust })
            }
        }
    }

    /// The package that a reference means, whatever its version.
    ///
    /// # Errors
    /// [`LookupError`] with what could be meant instead.
    pub fn resolve_package(&self, reference: &Reference) -> Result<PackageId, LookupError> {
        let view = self.read()?;
        match &reference.release {
            ReleaseReference::Exact(id) => Ok(view.exact(id)?.package),
            ReleaseReference::Named { publisher, name, .. } => {
                view.package(publisher.as_ref(), name)
            }
        }
    }
}

impl View {
    fn packages(&self, prefix: &[u8]) -> Result<Vec<PackageId>, StoreError> {
        let rows = self.rows(NAMES)?;
        with_prefix(&rows, prefix)?.map(|row| of_name_key(row?.0.value())).collect()
    }

    fn versions(&self, package: &PackageId) -> Result<Vec<VersionRow>, StoreError> {
        let rows = self.rows(VERSIONS)?;
        let mut versions = with_prefix(&rows, &package_key(package))?
            .map(|row| {
                let (key, row) = row?;
                let (_, version) = of_package_key(key.value())?;
                self.version_row(package, version_of(version)?, row.value())
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        versions.sort_by(|one, other| other.version.cmp(&one.version));
        Ok(versions)
    }

    fn version_row(
        &self,
        package: &PackageId,
        version: semver::Version,
        row: &[u8],
    ) -> Result<VersionRow, StoreError> {
        let (ids, standing) = decode_ids(row)?;
        let yank = get(&self.rows(YANKS)?, &package_item_key(package, &version.to_string()))?;
        let yanked = match yank.map(|yank| YankRow::decode(&yank)).transpose()? {
            Some(row) if row.yanked => {
                match derived::statement(&self.rows(RECORDS)?, &row.statement)? {
                    Statement::Yank(yank) => Some(yank.reason),
                    _ => return Err(StoreError::damaged("a yank")),
                }
            }
            _ => None,
        };
        let chosen = match standing {
            Standing::Contested => self.chosen(package, &version)?,
            Standing::Sound => Some(ids[0]),
        };
        let (id, contested) = (chosen.unwrap_or(ids[0]), chosen.is_none());
        Ok(VersionRow { version, id, yanked, contested })
    }

    fn channels(
        &self,
        package: &PackageId,
    ) -> Result<Vec<(ChannelName, semver::Version)>, StoreError> {
        let rows = self.rows(CHANNELS)?;
        with_prefix(&rows, &package_key(package))?
            .map(|row| {
                let (key, row) = row?;
                let channel = std::str::from_utf8(of_package_key(key.value())?.1).ok();
                let channel = channel.and_then(|channel| channel.parse().ok());
                let version = ChannelRow::decode(row.value())?.version;
                Ok((channel.ok_or(StoreError::damaged("a channel"))?, version))
            })
            .collect()
    }

    fn exact(&self, id: &ReleaseId) -> Result<Found, LookupError> {
        let records = self.rows(RECORDS)?;
        let unknown = || LookupError::UnknownRelease { id: *id };
        record(&records, id)?.ok_or_else(unknown)?;
        let Statement::Release(release) = derived::statement(&records, id)? else {
            return Err(unknown());
        };
        let package = release.package();
        let key = package_item_key(&package, &release.version.to_string());
        let row = get(&self.rows(VERSIONS)?, &key)?.ok_or(StoreError::damaged("a version"))?;
        let is_sound = decode_ids(&row)?.1 == Standing::Sound;
        let row = self.version_row(&package, release.version, &row)?;
        // Also when another release was chosen for this version.
        let contested = row.contested || (row.id != *id && !is_sound);
        let row = VersionRow { id: *id, contested, ..row };
        let trust = self.trust(&package.publisher)?;
        Ok(Found { package, row, trust })
    }

    fn trust(&self, publisher: &PublisherId) -> Result<Trust, StoreError> {
        let row = get(&self.rows(PUBLISHERS)?, publisher.as_bytes())?;
        let row = row.ok_or(StoreError::damaged("a missing publisher"))?;
        Ok(PublisherRow::decode(&row)?.trust)
    }

    fn package(
        &self,
        publisher: Option<&PublisherReference>,
        name: &PackageName,
    ) -> Result<PackageId, LookupError> {
        let named = self.packages(&name_prefix(name))?;
        let publisher = match publisher {
            Some(PublisherReference::Id(id)) => Some(*id),
            Some(PublisherReference::Petname(petname)) => match self.by_petname(petname)? {
                Some(id) => Some(id),
                None => return Err(self.unknown_publisher(petname)?),
            },
            None => None,
        };
        let mut candidates: Vec<_> = match publisher {
            Some(publisher) => {
                named.into_iter().filter(|package| package.publisher == publisher).collect()
            }
            None => self.relied_on(named)?,
        };
        match candidates.len() {
            0 => {
                let name = match publisher {
                    Some(publisher) => {
                        self.candidate(PackageId { publisher, name: name.clone() })?.to_string()
                    }
                    None => name.to_string(),
                };
                Err(LookupError::UnknownPackage { suggestions: self.alike(&name)?, name })
            }
            1 => Ok(candidates.remove(0)),
            _ => {
                let candidates = candidates.into_iter().map(|package| self.candidate(package));
                let candidates = candidates.collect::<Result<_, _>>()?;
                Err(LookupError::Ambiguous { name: name.clone(), candidates })
            }
        }
    }

    /// Those whose publisher was not merely seen, or all of them if there is none.
    fn relied_on(&self, packages: Vec<PackageId>) -> Result<Vec<PackageId>, StoreError> {
        let mut relied_on = Vec::new();
        for package in &packages {
            if self.trust(&package.publisher)? > Trust::Seen {
                relied_on.push(package.clone());
            }
        }
        Ok(if relied_on.is_empty() { packages } else { relied_on })
    }

    fn version(
        &self,
        package: &PackageId,
        wanted: &VersionReference,
    ) -> Result<VersionRow, LookupError> {
        let mut versions = self.versions(package)?;
        let sound = |row: &VersionRow| row.yanked.is_none() && !row.contested;
        let position = match wanted {
            VersionReference::Latest => {
                versions.iter().position(|row| sound(row) && row.version.pre.is_empty())
            }
            VersionReference::Range(range) => {
                versions.iter().position(|row| sound(row) && range.matches(&row.version))
            }
            VersionReference::Exact(version) => {
                versions.iter().position(|row| row.version == *version)
            }
            VersionReference::Channel(channel) => {
                let channels = self.channels(package)?;
                let Some((_, version)) = channels.iter().find(|(name, _)| name == channel) else {
                    return Err(LookupError::UnknownChannel {
                        package: package.clone(),
                        channel: channel.clone(),
                        available: channels.into_iter().map(|(name, _)| name).collect(),
                    });
                };
                let position = versions.iter().position(|row| row.version == *version);
                if position.is_some_and(|position| !sound(&versions[position])) {
                    return Err(LookupError::Withdrawn {
                        package: package.clone(),
                        channel: channel.clone(),
                        version: version.clone(),
                    });
                }
                position
            }
        };
        match position {
            Some(position) => Ok(versions.swap_remove(position)),
            None => {
                versions.truncate(LISTED_MAX);
                let wanted = match wanted {
                    VersionReference::Latest => "that is stable".to_owned(),
                    VersionReference::Range(range) => range.to_string(),
                    VersionReference::Exact(version) => version.to_string(),
                    VersionReference::Channel(channel) => channel.to_string(),
                };
                let package = package.clone();
                Err(LookupError::UnknownVersion { package, wanted, available: versions })
            }
        }
    }

    fn candidate(&self, package: PackageId) -> Result<Candidate, StoreError> {
        let petname = self.petname(&package.publisher)?;
        Ok(Candidate { package, petname })
    }

    /// Packages whose name is like `wanted`, which may have a petname in front; best first.
    fn alike(&self, wanted: &str) -> Result<Vec<Candidate>, StoreError> {
        let bare = wanted.rsplit('/').next().unwrap_or(wanted);
        let names = self.packages(&[])?;
        let mut names: Vec<_> = names
            .into_iter()
            .map(|package| (likeness(bare, package.name.as_str()), package))
            .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
            .collect();
        names.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        names.into_iter().take(LISTED_MAX).map(|(_, package)| self.candidate(package)).collect()
    }

    fn unknown_publisher(&self, petname: &Petname) -> Result<LookupError, StoreError> {
        let mut known: Vec<_> = self
            .petnames()?
            .into_iter()
            .map(|known| (likeness(petname.as_str(), known.as_str()), known))
            .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
            .collect();
        known.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        let suggestions = known.into_iter().take(LISTED_MAX).map(|(_, known)| known).collect();
        Ok(LookupError::UnknownPublisher { petname: petname.clone(), suggestions })
    }
}

fn likeness(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(one, other)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, channel, publisher, store, yank};
    use super::*;
    use crate::permission::Reader;

    fn find(store: &Store, reference: &str) -> Result<String, LookupError> {
        let found = store.resolve_reference(&reference.parse().unwrap())?;
        Ok(found.row.version.to_string())
    }

    #[test]
    fn a_reference_means_the_newest_sound_version() {
        let (store, acme) = (store(), publisher("acme"));
        for version in ["1.0.0", "1.2.0", "1.10.0", "2.0.0", "3.0.0-rc.1"] {
            store.publish(&acme, "graphdb", version);
        }
        store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "2.0.0", true)).unwrap();
        store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.2.0")).unwrap();
        let id = acme.publisher();
        for (reference, version) in [
            ("graphdb", "1.10.0"),
            ("acme/graphdb", "1.10.0"),
            (&format!("{id}/graphdb"), "1.10.0"),
            ("graphdb@^1.1", "1.10.0"),
            ("graphdb@>=1.0, <1.5", "1.2.0"),
            ("graphdb@>=3.0.0-rc.0", "3.0.0-rc.1"),
            ("graphdb@3.0.0-rc.1", "3.0.0-rc.1"),
            ("graphdb@stable", "1.2.0"),
            ("graphdb@2.0.0", "2.0.0"),
        ] {
            assert_eq!(find(&store, reference).unwrap(), version, "{reference}");
        }
        let yanked = store.resolve_reference(&"graphdb@2.0.0".parse().unwrap()).unwrap();
        assert_eq!(yanked.row.yanked.as_deref(), Some("broken"));
        let exact = format!("cat:{}", yanked.row.id);
        assert_eq!(store.resolve_reference(&exact.parse().unwrap()).unwrap(), yanked);

        // Restored, it is picked again.
        store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "2.0.0", false)).unwrap();
        assert_eq!(find(&store, "graphdb").unwrap(), "2.0.0");
    }

    #[test]
    fn what_is_not_there_comes_with_what_could_be_meant() {
        let (store, acme) = (store(), publisher("acme"));
        for version in ["1.0.0", "1.1.0"] {
            store.publish(&acme, "graphdb", version);
        }
        store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.1.0")).unwrap();
        store.append(&acme, NOW, |seq| yank(&acme, seq, "graphdb", "1.1.0", true)).unwrap();
        match find(&store, "acme/grahpdb") {
            Err(LookupError::UnknownPackage { name, suggestions }) => {
                assert_eq!(name, "acme/grahpdb");
                assert_eq!(suggestions[0].to_string(), "acme/graphdb");
            }
            other => panic!("{other:?}"),
        }
        match find(&store, "acne/graphdb") {
            Err(LookupError::UnknownPublisher { suggestions, .. }) => {
                assert_eq!(suggestions, ["acme".parse().unwrap()]);
            }
            other => panic!("{other:?}"),
        }
        match find(&store, "graphdb@^2") {
            Err(LookupError::UnknownVersion { wanted, available, .. }) => {
                assert_eq!((wanted.as_str(), available.len()), ("^2", 2));
            }
            other => panic!("{other:?}"),
        }
        match find(&store, "graphdb@beta") {
            Err(LookupError::UnknownChannel { available, .. }) => {
                assert_eq!(available, ["stable".parse().unwrap()]);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(find(&store, "graphdb@stable"), Err(LookupError::Withdrawn { .. })));
        let absent = format!("cat:{}", Digest::of(b"absent"));
        assert!(matches!(find(&store, &absent), Err(LookupError::UnknownRelease { .. })));
        let inception = format!("cat:{}", acme.publisher().digest());
        assert!(matches!(find(&store, &inception), Err(LookupError::UnknownRelease { .. })));
    }

    #[test]
    fn a_bare_name_of_two_publishers_means_nobody() {
        let (store, acme, other) = (store(), publisher("acme"), publisher("acme"));
        store.publish(&acme, "graphdb", "1.0.0");
        store.publish(&other, "graphdb", "9.0.0");
        match find(&store, "graphdb") {
            Err(LookupError::Ambiguous { candidates, .. }) => {
                let mut shown: Vec<_> = candidates.iter().map(ToString::to_string).collect();
                shown.sort();
                assert_eq!(shown, ["acme-2/graphdb", "acme/graphdb"]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(find(&store, "acme/graphdb").unwrap(), "1.0.0");
        assert_eq!(find(&store, "acme-2/graphdb").unwrap(), "9.0.0");
    }

    #[test]
    fn the_leaves_of_a_log_give_the_root_of_its_head() {
        let (store, acme) = (store(), publisher("acme"));
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            store.publish(&acme, "graphdb", version);
        }
        let log = LogId { publisher: acme.publisher(), key: acme.key().public() };
        let head = store.log(&log).unwrap().unwrap().head.unwrap();
        let leaves = store.leaf_hashes(&log, head.peek().size).unwrap();
        assert_eq!(crate::log::root_of(leaves.iter().copied()), head.peek().root);
        assert_eq!(store.leaf_hashes(&log, 2).unwrap(), leaves[..2]);
        assert_eq!(store.leaf_hashes(&log, 9).unwrap(), leaves);
        let other = LogId { publisher: publisher("eve").publisher(), ..log };
        assert!(store.leaf_hashes(&other, 9).unwrap().is_empty());
    }

    /// A stranger's package neither takes a bare name over nor makes it ambiguous.
    #[test]
    fn a_bare_name_means_whom_a_person_relies_on() {
        let (store, acme) = (store(), publisher("acme"));
        let squatters = [publisher("acme"), publisher("eve")];
        let meet = |squatter| {
            let theirs = super::super::testing::store();
            theirs.publish(squatter, "graphdb", "9.0.0");
            store.accept(theirs.sent_to(Reader::Local, 0), NOW).unwrap();
        };
        let resolve = || store.resolve_reference(&"graphdb".parse().unwrap());
        meet(&squatters[0]);
        let found = resolve().unwrap();
        assert_eq!((found.package.publisher, found.trust), (squatters[0].publisher(), Trust::Seen));
        meet(&squatters[1]);
        assert!(matches!(resolve(), Err(LookupError::Ambiguous { .. })));
        store.publish(&acme, "graphdb", "1.0.0");
        let found = resolve().unwrap();
        assert_eq!((found.package.publisher, found.trust), (acme.publisher(), Trust::Own));
        store.trust(&squatters[1].publisher(), None, NOW).unwrap();
        match resolve() {
            Err(LookupError::Ambiguous { candidates, .. }) => assert_eq!(candidates.len(), 2),
            other => panic!("{other:?}"),
        }
    }
}
