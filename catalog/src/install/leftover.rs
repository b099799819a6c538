//! What is not finished, or no longer wanted, beside the installed folders of a package.
//!
//! It has a name that nothing else has, so whatever a crash leaves is found again and removed. One
//! that cannot be removed stays where it is: it is in nobody's way.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::folder::{Folder, Kind};

/// Begins the name of every leftover.
const LEFTOVER: &str = ".leftover-";

/// A name that nobody has, and that the next sweep removes.
pub(super) fn leftover_name() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    format!("{LEFTOVER}{}", hex::encode(bytes))
}

/// Removes what crashed installs left in every package's folder, as far as the system lets us.
///
/// # Errors
/// When the folder of packages itself cannot be read.
pub(super) fn sweep(packages: &Folder) -> io::Result<()> {
    for publisher in inner_folders(packages)? {
        for package in inner_folders(&publisher).unwrap_or_default() {
            for name in package.names().unwrap_or_default() {
                if name.as_bytes().starts_with(LEFTOVER.as_bytes()) {
                    let _ = package.remove_all(&name);
                }
            }
        }
    }
    Ok(())
}

/// The folders in a folder; one that cannot be opened is not ours.
fn inner_folders(folder: &Folder) -> io::Result<Vec<Folder>> {
    let names = folder.names()?.into_iter();
    let is_folder = |name: &_| folder.status(name).is_ok_and(|there| there.kind == Kind::Folder);
    Ok(names.filter(is_folder).filter_map(|name| folder.inner(&name).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Installer;
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_leftover_with_a_name_that_is_not_text_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join("cat1acme/graphdb/.leftover-1");
        fs::create_dir_all(leftover.join("docs")).unwrap();
        fs::write(leftover.join("docs").join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        fs::create_dir(dir.path().join(OsStr::from_bytes(b"\xff"))).unwrap();
        Installer::open(dir.path()).unwrap();
        assert!(!leftover.exists());
        assert!(dir.path().join("cat1acme/graphdb").exists());
    }

    /// Root may remove everything; for everybody else the second leftover stays.
    #[test]
    fn a_leftover_that_cannot_be_removed_does_not_stop_the_installer() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("cat1acme/graphdb");
        let (swept, locked) = (package.join(".leftover-1"), package.join(".leftover-0"));
        for leftover in [&swept, &locked] {
            fs::create_dir_all(leftover).unwrap();
            fs::write(leftover.join("file"), "").unwrap();
        }
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        Installer::open(dir.path()).unwrap();
        assert!(!swept.exists());
        if locked.exists() {
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
