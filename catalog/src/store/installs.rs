//! What is installed, and what was before: enough to roll back without asking anybody.
//!
//! Each package has a few rows, oldest first, and one of them is in use. Recording one holds its
//! content; forgetting it gives the hold up, unless another install has the same content.

use redb::ReadableTable;

use super::holds::{HoldReason, hold_key};
use super::tables::{
    IN_USE, INSTALLS, Tables, all, get, get_number, number, of_package_key, package_key, put,
    remove, with_prefix,
};
use super::{Store, StoreError, View};
use crate::Digest;
use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::install::Place;
use crate::name::VariantId;
use crate::release::{PackageId, ReleaseId};
use crate::time::Timestamp;

/// How many installs of a package are kept, with the one in use.
pub const HISTORY_MAX: usize = 4;

/// The longest row; a reference is the longest text in it.
const INSTALL_BYTES_MAX: usize = 16 * 1024;

/// How much of a variant an install has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All its files, in a folder of their own.
    Whole,
    /// The file list; files come when they are touched.
    Lazy,
}

/// One install of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRow {
    /// The package.
    pub package: PackageId,
    /// The version.
    pub version: semver::Version,
    /// The release.
    pub release: ReleaseId,
    /// The variant.
    pub variant: VariantId,
    /// The variant's content root.
    pub root: Digest,
    /// How much of it is here.
    pub extent: Extent,
    /// What the user asked for: an update follows it.
    pub requested: String,
    /// When.
    pub at: Timestamp,
}

impl InstallRow {
    /// Where it is installed.
    pub fn place(&self) -> Place {
        Place {
            publisher: self.package.publisher,
            name: self.package.name.clone(),
            version: self.version.clone(),
            variant: self.variant.clone(),
            root: self.root,
        }
    }
}

impl Store {
    /// What is in use of every installed package, by publisher and name.
    pub fn installs(&self) -> Result<Vec<InstallRow>, StoreError> {
        let view = self.read()?;
        let rows = view.rows(INSTALLS)?;
        let mut installs = Vec::new();
        for used in all(&view.rows(IN_USE)?)? {
            let (key, serial) = used?;
            let key = [key.value(), serial.value()].concat();
            let row = get(&rows, &key)?.ok_or(StoreError::damaged("an install"))?;
            installs.push(install_of_row(&key, &row)?.1);
        }
        Ok(installs)
    }

    /// What is in use of a package.
    pub fn install(&self, package: &PackageId) -> Result<Option<InstallRow>, StoreError> {
        let (rows, used) = self.read()?.installs(package)?;
        Ok(rows.into_iter().find(|(serial, _)| Some(*serial) == used).map(|(_, row)| row))
    }

    /// Every install of a package that is kept, newest first, whether in use or not.
    pub fn install_history(&self, package: &PackageId) -> Result<Vec<InstallRow>, StoreError> {
        let (rows, _) = self.read()?.installs(package)?;
        Ok(rows.into_iter().rev().map(|(_, row)| row).collect())
    }

    /// What a rollback of a package would return to: the install before the one in use.
    pub fn previous_install(&self, package: &PackageId) -> Result<Option<InstallRow>, StoreError> {
        let (rows, used) = self.read()?.installs(package)?;
        let before =
            rows.into_iter().rev().find(|(serial, _)| used.is_some_and(|used| *serial < used));
        Ok(before.map(|(_, row)| row))
    }

    /// Records an install and puts it in use; its content is held.
    ///
    /// The same content again moves to the front of the history. What was rolled back from is
    /// forgotten, as is the oldest when there are more than [`HISTORY_MAX`].
    ///
    /// - result: the rows that were forgotten and whose folder nothing else uses; it may go.
    pub fn record_install(&self, install: &InstallRow) -> Result<Vec<InstallRow>, StoreError> {
        self.write(|tables| {
            let (rows, used) = installs_of(&tables.installs, &tables.in_use, &install.package)?;
            let serial = rows.last().map_or(0, |(serial, _)| serial + 1);
            let kept = rows.iter().filter(|(serial, row)| {
                used.is_some_and(|used| *serial <= used) && row.place() != install.place()
            });
            let kept: Vec<u64> = kept.map(|(serial, _)| *serial).collect();
            let kept = &kept[(kept.len() + 1).saturating_sub(HISTORY_MAX)..];
            let mut forgotten = Vec::new();
            for (serial, row) in rows {
                if !kept.contains(&serial) {
                    let key = install_key(&install.package, serial);
                    remove(&mut tables.installs, &key)?;
                    forgotten.push(row);
                }
            }
            let key = install_key(&install.package, serial);
            put(&mut tables.installs, &key, &encode(install))?;
            let package = package_key(&install.package);
            put(&mut tables.in_use, &package, &serial.to_be_bytes())?;
            let hold = hold_key(&install.root, HoldReason::Installed);
            let since = install.at.as_millis().to_be_bytes();
            put(&mut tables.holds, &hold, &since)?;
            give_up_holds(tables, &forgotten)?;
            forgotten.retain(|row| row.place() != install.place());
            Ok(forgotten)
        })
    }

    /// Puts the install before the one in use back in use.
    ///
    /// - result: it, or `None` when there is none, in which case nothing changes.
    pub fn roll_back(&self, package: &PackageId) -> Result<Option<InstallRow>, StoreError> {
        self.write(|tables| {
            let (rows, used) = installs_of(&tables.installs, &tables.in_use, package)?;
            let before =
                rows.into_iter().rev().find(|(serial, _)| used.is_some_and(|used| *serial < used));
            let Some((serial, row)) = before else { return Ok(None) };
            let key = package_key(package);
            put(&mut tables.in_use, &key, &serial.to_be_bytes())?;
            Ok(Some(row))
        })
    }

    /// Forgets all installs of a package and gives up the holds on their contents.
    ///
    /// - result: the rows that were forgotten, oldest first; their folders may go.
    pub fn forget_install(&self, package: &PackageId) -> Result<Vec<InstallRow>, StoreError> {
        self.write(|tables| {
            let (rows, _) = installs_of(&tables.installs, &tables.in_use, package)?;
            let mut forgotten = Vec::new();
            for (serial, row) in rows {
                remove(&mut tables.installs, &install_key(package, serial))?;
                forgotten.push(row);
            }
            remove(&mut tables.in_use, &package_key(package))?;
            give_up_holds(tables, &forgotten)?;
            Ok(forgotten)
        })
    }
}

impl View {
    fn installs(&self, package: &PackageId) -> Result<Installs, StoreError> {
        installs_of(&self.rows(INSTALLS)?, &self.rows(IN_USE)?, package)
    }
}

/// The rows of a package by serial, oldest first, and the serial in use.
type Installs = (Vec<(u64, InstallRow)>, Option<u64>);

fn installs_of(
    installs: &impl ReadableTable<&'static [u8], &'static [u8]>,
    in_use: &impl ReadableTable<&'static [u8], &'static [u8]>,
    package: &PackageId,
) -> Result<Installs, StoreError> {
    let prefix = package_key(package);
    let rows = with_prefix(installs, &prefix)?.map(|row| {
        let (key, row) = row?;
        install_of_row(key.value(), row.value())
    });
    Ok((rows.collect::<Result<_, StoreError>>()?, get_number(in_use, &prefix)?))
}

/// Gives up the holds on contents that no install has any more.
fn give_up_holds(tables: &mut Tables<'_>, forgotten: &[InstallRow]) -> Result<(), StoreError> {
    let mut kept = Vec::new();
    for row in all(&tables.installs)? {
        let (key, row) = row?;
        kept.push(install_of_row(key.value(), row.value())?.1.root);
    }
    for row in forgotten.iter().filter(|row| !kept.contains(&row.root)) {
        remove(&mut tables.holds, &hold_key(&row.root, HoldReason::Installed))?;
    }
    Ok(())
}

fn install_key(package: &PackageId, serial: u64) -> Vec<u8> {
    let mut key = package_key(package);
    key.extend_from_slice(&serial.to_be_bytes());
    key
}

fn encode(install: &InstallRow) -> Vec<u8> {
    let mut map = Map::new();
    map.insert("at", install.at.as_millis());
    map.insert("lazy", install.extent == Extent::Lazy);
    map.insert("release", *install.release.digest());
    map.insert("requested", install.requested.as_str());
    map.insert("root", install.root);
    map.insert("variant", install.variant.as_str());
    map.insert("version", install.version.to_string());
    cbor::encode(&Value::Map(map))
}

pub(super) fn install_of_row(key: &[u8], row: &[u8]) -> Result<(u64, InstallRow), StoreError> {
    let (package, serial) = of_package_key(key)?;
    let read = || -> Result<InstallRow, CodecError> {
        let mut fields = Fields::of(cbor::decode(row, INSTALL_BYTES_MAX)?)?;
        let install = InstallRow {
            package,
            version: fields.parsed("version")?,
            release: ReleaseId::from_digest(fields.digest("release")?),
            variant: fields.parsed("variant")?,
            root: fields.digest("root")?,
            extent: if fields.bool("lazy")? { Extent::Lazy } else { Extent::Whole },
            requested: fields.text("requested")?,
            at: Timestamp::from_millis(fields.uint("at")?),
        };
        fields.finish()?;
        Ok(install)
    };
    Ok((number(serial)?, read().map_err(|_| StoreError::damaged("an install"))?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, publisher, store};
    use super::*;

    fn install(package: &PackageId, version: &str, content: &str) -> InstallRow {
        InstallRow {
            package: package.clone(),
            version: version.parse().unwrap(),
            release: ReleaseId::from_digest(Digest::of(version.as_bytes())),
            variant: "generic".parse().unwrap(),
            root: Digest::of(content.as_bytes()),
            extent: Extent::Whole,
            requested: "acme/graphdb@^1".to_owned(),
            at: NOW,
        }
    }

    fn package() -> PackageId {
        PackageId { publisher: publisher("acme").publisher(), name: "graphdb".parse().unwrap() }
    }

    #[test]
    fn an_install_can_be_rolled_back_and_forgotten() {
        let (store, package) = (store(), package());
        let [one, two] = [install(&package, "1.0.0", "one"), install(&package, "1.1.0", "two")];
        assert_eq!(store.record_install(&one).unwrap(), []);
        assert_eq!(store.previous_install(&package).unwrap(), None);
        assert_eq!(store.roll_back(&package).unwrap(), None);
        assert_eq!(store.record_install(&two).unwrap(), []);
        assert_eq!(store.install(&package).unwrap(), Some(two.clone()));
        assert_eq!(store.previous_install(&package).unwrap(), Some(one.clone()));
        assert_eq!(store.roll_back(&package).unwrap(), Some(one.clone()));
        assert_eq!(store.installs().unwrap(), std::slice::from_ref(&one));
        assert_eq!(store.install_history(&package).unwrap(), [two.clone(), one.clone()]);
        assert!(store.is_held(&one.root).unwrap() && store.is_held(&two.root).unwrap());

        // A new install forgets what was rolled back from.
        let three = install(&package, "1.2.0", "three");
        assert_eq!(store.record_install(&three).unwrap(), std::slice::from_ref(&two));
        assert!(!store.is_held(&two.root).unwrap());
        assert_eq!(store.verify().unwrap(), []);

        assert_eq!(store.forget_install(&package).unwrap(), [one.clone(), three]);
        assert_eq!(store.install(&package).unwrap(), None);
        assert!(store.holds().unwrap().is_empty());
    }

    #[test]
    fn the_history_is_bounded_and_a_reinstall_is_not_forgotten() {
        let (store, package) = (store(), package());
        for minor in 0..HISTORY_MAX {
            let row = install(&package, &format!("1.{minor}.0"), &format!("{minor}"));
            assert_eq!(store.record_install(&row).unwrap(), []);
        }
        let again = install(&package, "1.1.0", "1");
        assert_eq!(store.record_install(&again).unwrap(), [], "its folder is in use");
        assert!(store.is_held(&again.root).unwrap());
        let newer = install(&package, "2.0.0", "new");
        let forgotten = store.record_install(&newer).unwrap();
        assert_eq!(forgotten, [install(&package, "1.0.0", "0")]);
        assert_eq!(store.install_history(&package).unwrap().len(), HISTORY_MAX);
    }

    #[test]
    fn content_that_two_packages_share_stays_held() {
        let (store, one, two) = (store(), package(), package());
        store.record_install(&install(&one, "1.0.0", "same")).unwrap();
        store.record_install(&install(&two, "1.0.0", "same")).unwrap();
        store.forget_install(&one).unwrap();
        assert!(store.is_held(&Digest::of(b"same")).unwrap());
    }

    #[test]
    fn an_install_has_these_bytes() {
        let row = encode(&install(&package(), "1.0.0", "one"));
        let expected = [
            "a7",
            "626174",
            "1b000001a0c4506c00",
            "646c617a79f4",
            "64726f6f74",
            &format!("5820{}", Digest::of(b"one")),
            "6772656c65617365",
            &format!("5820{}", Digest::of(b"1.0.0")),
            "6776617269616e74",
            "6767656e65726963",
            "6776657273696f6e",
            "65312e302e30",
            "69726571756573746564",
            "6f61636d652f67726170686462405e31",
        ];
        assert_eq!(hex::encode(row), expected.concat());
    }
}
