use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::small_disk::SmallDisk;
use super::*;
use crate::defence::{Defence, without};
use crate::digest::Sha256Digest;
use crate::sealed::{ContentKey, Sealer};
use crate::tree::TreeEntry;

/// A blob store in memory and in files.
#[derive(Default)]
struct Blobs(Mutex<HashMap<Digest, BlobHandle>>);

impl BlobFiles for Blobs {
    fn open(&self, digest: &Digest) -> io::Result<BlobHandle> {
        self.0.lock().unwrap().get(digest).cloned().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Blobs {
    fn add(&self, bytes: &[u8]) -> Digest {
        self.put(Digest::of(bytes), BlobHandle::Bytes(bytes.to_vec().into()))
    }

    fn add_file(&self, path: &Path) -> Digest {
        let bytes = std::fs::read(path).unwrap();
        let handle = BlobHandle::File { path: path.to_owned(), size: bytes.len() as u64 };
        self.put(Digest::of(&bytes), handle)
    }

    fn put(&self, digest: Digest, handle: BlobHandle) -> Digest {
        self.0.lock().unwrap().insert(digest, handle);
        digest
    }

    /// A file entry whose bytes this store has.
    fn file(&self, path: &str, bytes: &[u8], executable: bool) -> TreeEntry {
        file(path, self.add(bytes), bytes.len() as u64, executable)
    }
}

fn file(path: &str, blake3: Digest, size: u64, executable: bool) -> TreeEntry {
    let sha256 = Sha256Digest::from_bytes([0; 32]);
    TreeEntry::File { path: path.parse().unwrap(), executable, size, blake3, sha256 }
}

fn link(path: &str, target: &str) -> TreeEntry {
    TreeEntry::Symlink { path: path.parse().unwrap(), target: target.to_owned() }
}

fn tree(entries: impl IntoIterator<Item = TreeEntry>) -> Tree {
    Tree::new(entries.into_iter().collect()).unwrap()
}

fn place(version: &str) -> Place {
    Place {
        publisher: PublisherId::from_digest(Digest::of(b"acme")),
        name: "graphdb".parse().unwrap(),
        version: version.parse().unwrap(),
        variant: "low-x86".parse().unwrap(),
        root: Digest::of(version.as_bytes()),
    }
}

fn sample(blobs: &Blobs) -> Tree {
    tree([
        blobs.file("README.md", b"read me", false),
        blobs.file("bin/graphdb", b"#!/bin/true", true),
        blobs.file("lib/deep/er/data", &vec![7; 300_000], false),
        blobs.file("lib/empty", b"", false),
        TreeEntry::Dir { path: "var/empty".parse().unwrap() },
        link("lib/current", "deep/er"),
    ])
}

fn installer(dir: &Path) -> Installer {
    Installer::open(&dir.join("packages")).unwrap()
}

fn install(
    installer: &Installer,
    tree: &Tree,
    version: &str,
    blobs: &Blobs,
) -> Result<InstalledAt, InstallError> {
    installer.install(tree, &place(version), blobs, &|_| {})
}

/// Everything below `dir`: path, kind and mode of files and folders, target of links.
fn listing(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, base: &Path, list: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(base).unwrap().display().to_string();
            let status = path.symlink_metadata().unwrap();
            if status.is_symlink() {
                list.push(format!("{shown} -> {}", path.read_link().unwrap().display()));
            } else {
                list.push(format!("{shown} {:o}", status.mode()));
            }
            if status.is_dir() {
                walk(&path, base, list);
            }
        }
    }
    let mut list = Vec::new();
    walk(dir, dir, &mut list);
    list.sort();
    list
}

/// The names in the package's folder.
fn package_names(installer: &Installer) -> Vec<String> {
    let package = installer.path(&place("1.0.0"));
    let Ok(entries) = std::fs::read_dir(package.parent().unwrap()) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Threat row 10: what is installed are plain files, folders and links inside, with no other mode
/// bit than the one for running.
#[test]
fn an_installed_tree_is_exactly_what_was_signed() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let (installer, tree) = (installer(dir.path()), sample(&blobs));
    let moved = AtomicU64::new(0);
    let progress = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
    };
    let installed = installer.install(&tree, &place("1.0.0"), &blobs, &progress).unwrap();
    assert_eq!(
        listing(&installed.path),
        [
            "README.md 100444",
            "bin 40755",
            "bin/graphdb 100555",
            "lib 40755",
            "lib/current -> deep/er",
            "lib/deep 40755",
            "lib/deep/er 40755",
            "lib/deep/er/data 100444",
            "lib/empty 100444",
            "var 40755",
            "var/empty 40755",
        ]
    );
    assert_eq!(installed.path.symlink_metadata().unwrap().mode(), 0o40755);
    assert_eq!(std::fs::read(installed.current.join("README.md")).unwrap(), b"read me");
    assert_eq!(std::fs::read(installed.path.join("lib/current/data")).unwrap(), vec![7; 300_000]);
    assert_eq!(moved.into_inner(), tree.size().as_u64());
    assert_eq!(installer.verify(&tree, &place("1.0.0")).unwrap(), []);
    assert!(!installed.reused);
    let names = package_names(&installer);
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with("1.0.0-low-x86-") && names[1] == "current");
}

#[test]
fn installing_again_reuses_what_is_whole_and_replaces_what_is_damaged() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let (installer, tree) = (installer(dir.path()), sample(&blobs));
    let first = install(&installer, &tree, "1.0.0", &blobs).unwrap();
    let inode = |path: &Path| path.symlink_metadata().unwrap().ino();
    let before = inode(&first.path);
    let again = install(&installer, &tree, "1.0.0", &blobs).unwrap();
    assert!(again.reused && inode(&again.path) == before);

    let readme = first.path.join("README.md");
    std::fs::remove_file(&readme).unwrap();
    std::fs::write(&readme, "changed").unwrap();
    let repaired = install(&installer, &tree, "1.0.0", &blobs).unwrap();
    assert!(!repaired.reused);
    assert_eq!(std::fs::read(&readme).unwrap(), b"read me");
    assert_eq!(package_names(&installer).len(), 2);
}

#[test]
fn a_version_can_be_switched_back_and_removed() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let installer = installer(dir.path());
    let [old, new] = ["old", "new"].map(|text| tree([blobs.file("f", text.as_bytes(), false)]));
    install(&installer, &old, "1.0.0", &blobs).unwrap();
    let current = install(&installer, &new, "1.1.0", &blobs).unwrap().current;
    let read = || std::fs::read_to_string(current.join("f")).unwrap();
    assert_eq!(read(), "new");
    installer.activate(&place("1.0.0")).unwrap();
    assert_eq!(read(), "old");
    installer.activate(&place("9.0.0")).unwrap_err();
    installer.remove(&place("1.1.0")).unwrap();
    assert_eq!(read(), "old");
    installer.remove(&place("1.0.0")).unwrap();
    installer.remove(&place("1.0.0")).unwrap();
    assert_eq!(listing(installer.packages()), Vec::<String>::new());
}

/// Wrong bytes never land: not when they are changed, cut short, or too many.
#[test]
fn bytes_that_are_not_the_signed_ones_are_refused() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let installer = installer(dir.path());
    let good = tree([blobs.file("f", b"good", false)]);
    install(&installer, &good, "1.0.0", &blobs).unwrap();
    let before = listing(installer.packages());
    let on_disk = dir.path().join("blob");
    for wrong in [&b"evil"[..], b"", b"goo", b"good and more"] {
        std::fs::write(&on_disk, wrong).unwrap();
        let as_file = BlobHandle::File { path: on_disk.clone(), size: 4 };
        for handle in [BlobHandle::Bytes(wrong.to_vec().into()), as_file] {
            blobs.put(Digest::of(b"good"), handle);
            let other =
                tree([blobs.file("a", b"first", false), file("f", Digest::of(b"good"), 4, false)]);
            match install(&installer, &other, "2.0.0", &blobs) {
                Err(InstallError::WrongBytes { path, .. }) => assert_eq!(path, "f"),
                other => panic!("{other:?}"),
            }
            assert_eq!(listing(installer.packages()), before, "nothing changed");
        }
    }
    let absent = tree([file("f", Digest::of(b"absent"), 6, false)]);
    let error = install(&installer, &absent, "2.0.0", &blobs).unwrap_err();
    assert!(matches!(error, InstallError::Source { .. }), "{error:?}");
    assert_eq!(listing(installer.packages()), before);
}

/// Threat row 57: what is sealed is installed as what it was, or not at all.
#[test]
fn sealed_bytes_of_something_else_are_refused() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let installer = installer(dir.path());
    let text: Vec<u8> = (0..40_000u32).map(|at| at as u8).collect();
    let digest = Digest::of(&text);
    let key = ContentKey::from_bytes([1; 32]).file(&digest);
    let size = text.len() as u64;
    let sealed = |text: &[u8]| {
        let mut sealed = Vec::new();
        Sealer::new(key.clone(), text, size).read_to_end(&mut sealed).unwrap();
        sealed
    };
    let tree = tree([file("f", digest, size, false)]);
    let on_disk = dir.path().join("sealed");
    let mut other = text.clone();
    other[20_000] ^= 1;
    let mut damaged = sealed(&text);
    damaged[20_000] ^= 1;
    for wrong in [sealed(&other), damaged] {
        std::fs::write(&on_disk, &wrong).unwrap();
        for from in [SealedFrom::Bytes(wrong.into()), SealedFrom::File(on_disk.clone())] {
            blobs.put(digest, BlobHandle::Sealed { from, key: key.clone(), size });
            let refused = install(&installer, &tree, "1.0.0", &blobs).unwrap_err();
            assert!(matches!(refused, InstallError::WrongBytes { .. }), "{refused:?}");
        }
    }
    std::fs::write(&on_disk, sealed(&text)).unwrap();
    let from = SealedFrom::File(on_disk);
    blobs.put(digest, BlobHandle::Sealed { from, key, size });
    let installed = install(&installer, &tree, "1.0.0", &blobs).unwrap();
    assert_eq!(std::fs::read(installed.path.join("f")).unwrap(), text);
}

#[test]
fn wrong_bytes_are_noticed_without_the_defence() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let installer = installer(dir.path());
    blobs.put(Digest::of(b"good"), BlobHandle::Bytes(b"evil".to_vec().into()));
    let tree = tree([file("f", Digest::of(b"good"), 4, false)]);
    let installed =
        without(Defence::HashOnInstall, || install(&installer, &tree, "1.0.0", &blobs)).unwrap();
    assert_eq!(std::fs::read(installed.path.join("f")).unwrap(), b"evil");
    assert_eq!(installer.verify(&tree, &place("1.0.0")).unwrap().len(), 1);
}

#[test]
fn a_read_only_blob_is_shared_and_any_other_is_copied() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let installer = installer(dir.path());
    let make = |name: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, name.repeat(1000)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let [shared, writable, program] = [make("s", 0o444), make("w", 0o644), make("p", 0o444)];
    let tree = tree([
        file("shared", blobs.add_file(&shared), 1000, false),
        file("writable", blobs.add_file(&writable), 1000, false),
        file("program", blobs.add_file(&program), 1000, true),
    ]);
    let at = install(&installer, &tree, "1.0.0", &blobs).unwrap().path;
    let same = |name: &str, blob: &Path| {
        at.join(name).metadata().unwrap().ino() == blob.metadata().unwrap().ino()
    };
    assert!(same("shared", &shared) && !same("writable", &writable) && !same("program", &program));
    assert_eq!(installer.verify(&tree, &place("1.0.0")).unwrap(), []);
    assert_eq!(program.metadata().unwrap().mode() & 0o777, 0o444, "the blob keeps its mode");
    installer.remove(&place("1.0.0")).unwrap();
    assert!(shared.exists());

    // A blob that is rotten or is a link is not shared either.
    std::fs::remove_file(&shared).unwrap();
    symlink(&writable, &shared).unwrap();
    assert!(install(&installer, &tree, "1.0.0", &blobs).is_err());
    assert_eq!(package_names(&installer), Vec::<String>::new());
}

#[test]
fn what_a_crash_left_is_swept_and_the_rest_stays() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let (first, tree) = (installer(dir.path()), sample(&blobs));
    install(&first, &tree, "1.0.0", &blobs).unwrap();
    let before = listing(first.packages());
    let package = first.path(&place("1.0.0")).parent().unwrap().to_owned();
    std::fs::create_dir_all(package.join(".leftover-1234/deep")).unwrap();
    std::fs::write(package.join(".leftover-1234/deep/file"), "half").unwrap();
    symlink("nowhere", package.join(".leftover-5678")).unwrap();
    let second = installer(dir.path());
    assert_eq!(listing(second.packages()), before);
    assert!(install(&second, &tree, "1.0.0", &blobs).unwrap().reused);
}

#[test]
fn verifying_finds_every_difference() {
    let (dir, blobs) = (tempfile::tempdir().unwrap(), Blobs::default());
    let (installer, tree) = (installer(dir.path()), sample(&blobs));
    let at = install(&installer, &tree, "1.0.0", &blobs).unwrap().path;
    let faults = || installer.verify(&tree, &place("1.0.0")).unwrap();
    let set_mode = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(at.join(name), mode).unwrap();
    };
    set_mode("README.md", 0o644);
    assert_eq!(faults(), [InstallFault::Mode { path: "README.md".into(), mode: 0o644 }]);
    std::fs::write(at.join("README.md"), "READ me").unwrap();
    assert_eq!(faults(), [InstallFault::Changed { path: "README.md".into() }]);
    std::fs::write(at.join("README.md"), "read me").unwrap();
    set_mode("README.md", 0o444);
    set_mode("bin/graphdb", 0o4555);
    assert_eq!(faults(), [InstallFault::Mode { path: "bin/graphdb".into(), mode: 0o4555 }]);
    set_mode("bin/graphdb", 0o555);
    assert_eq!(faults(), []);

    std::fs::remove_file(at.join("lib/empty")).unwrap();
    std::fs::remove_file(at.join("lib/current")).unwrap();
    symlink("deep", at.join("lib/current")).unwrap();
    std::fs::remove_dir(at.join("var/empty")).unwrap();
    symlink("/etc", at.join("var/empty")).unwrap();
    std::fs::write(at.join("added"), "").unwrap();
    assert_eq!(
        faults(),
        [
            InstallFault::Missing { path: "lib/empty".into() },
            InstallFault::Extra { path: "added".into() },
            InstallFault::Changed { path: "lib/current".into() },
            InstallFault::Missing { path: "var/empty".into() },
        ]
    );
}

/// Races an installer against somebody who swaps folders for links to `outside`.
///
/// - result: whether anything landed outside; it stops then.
fn race(iterations: u32) -> bool {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    // In memory where there is such a folder: thousands of installs are a matter of seconds there.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let blobs = Blobs::default();
    let tree = tree([blobs.file("a/b/file", b"payload", false)]);
    let [inside, outside, kept] = ["inside", "outside", "kept"].map(|name| dir.path().join(name));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir_all(outside.join("b")).unwrap();
    let parent = Folder::open(&inside).unwrap();
    let (done, turn) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let done = Done(&done);
        scope.spawn(|| {
            while !done.0.load(Ordering::Relaxed) {
                let a = inside.join(format!("{}/a", turn.load(Ordering::Relaxed)));
                if std::fs::rename(&a, &kept).is_ok() {
                    let _ = symlink(&outside, &a);
                    std::thread::yield_now();
                    let _ = std::fs::remove_dir_all(&kept);
                }
                // A link where the file, or its folder, is about to be made.
                let _ = symlink(outside.join("b"), a.join("b"));
                let _ = symlink(outside.join("b/landed"), a.join("b/file"));
            }
        });
        for number in 0..iterations {
            let name = number.to_string();
            parent.make_folder(&name, 0o755).unwrap();
            turn.store(number.into(), Ordering::Relaxed);
            let target = parent.inner(&name).unwrap();
            // It may fail, and often does; it must not write elsewhere.
            let _ = write::write_unsynced(&target, &inside, &tree, &blobs, &|_| {});
            // The racer makes links only, so a file is one of ours.
            let landed = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().path().is_file();
            if std::fs::read_dir(outside.join("b")).unwrap().any(landed) {
                return true;
            }
        }
        false
    })
}

/// Threat row 11: a link planted at any moment of an install never leads a write outside.
#[test]
fn a_racing_thread_never_leads_a_write_outside() {
    assert!(!race(10_000));
}

#[test]
fn a_racing_thread_is_noticed_without_the_defence() {
    assert!(without(Defence::NoFollow, || race(100_000)));
}

/// Threat row 43: a disk that fills up fails the install, cleans up and leaves the rest usable.
#[test]
fn a_full_disk_fails_cleanly() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let blobs = Blobs::default();
    let installer = Installer::open(&disk.path().join("packages")).unwrap();
    let small = tree([blobs.file("f", &[1; 100_000], false)]);
    install(&installer, &small, "1.0.0", &blobs).unwrap();
    let before = listing(installer.packages());

    let parts = (0..20).map(|part: u8| blobs.file(&format!("part{part}"), &[part; 1 << 19], false));
    let large = tree(parts);
    match install(&installer, &large, "2.0.0", &blobs) {
        Err(InstallError::DiskFull { needed, free }) => assert!(needed > free, "{needed} {free}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(listing(installer.packages()), before);

    // Also when it fills up midway, which no check before can rule out.
    let package = Folder::open(installer.path(&place("1.0.0")).parent().unwrap()).unwrap();
    package.make_folder("fresh", 0o700).unwrap();
    let shown = disk.path();
    match write::write_tree(&package, "fresh", shown, &large, &blobs, &|_| {}) {
        Err(InstallError::DiskFull { .. }) => {}
        other => panic!("{other:?}"),
    }
    package.remove_all("fresh").unwrap();
    assert_eq!(installer.verify(&small, &place("1.0.0")).unwrap(), []);
    install(&installer, &small, "1.1.0", &blobs).unwrap();
}

/// What is shared with the blob store needs no room.
#[test]
fn a_nearly_full_disk_still_takes_what_can_be_shared() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let blobs = Blobs::default();
    let installer = Installer::open(&disk.path().join("packages")).unwrap();
    let blob = disk.path().join("blob");
    std::fs::write(&blob, vec![1; 5 << 20]).unwrap();
    std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o444)).unwrap();
    let digest = blobs.add_file(&blob);
    let shared = tree([file("f", digest, 5 << 20, false)]);
    install(&installer, &shared, "1.0.0", &blobs).unwrap();
    let copied = tree([file("f", digest, 5 << 20, true)]);
    let error = install(&installer, &copied, "1.1.0", &blobs).unwrap_err();
    assert!(matches!(error, InstallError::DiskFull { .. }), "{error:?}");
}

/// Numbers for the record: `cargo test --release -p catalog --lib measure_install -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_install() {
    let dir = tempfile::tempdir_in(std::env::var_os("CATALOG_MEASURE_DIR").unwrap_or(".".into()));
    let (dir, blobs) = (dir.unwrap(), Blobs::default());
    let installer = installer(dir.path());
    let small = (0..50_000u32).map(|number| {
        let bytes: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(4096).collect();
        blobs.file(&format!("d{}/f{number}", number / 500), &bytes, false)
    });
    let small = tree(small);
    let large = dir.path().join("large");
    std::fs::write(&large, vec![1; 1 << 30]).unwrap();
    let large = tree([file("large", blobs.add_file(&large), 1 << 30, true)]);
    for (name, tree, version) in [("50,000 x 4 KiB", &small, "1.0.0"), ("1 GiB", &large, "2.0.0")] {
        let start = std::time::Instant::now();
        install(&installer, tree, version, &blobs).unwrap();
        let installed = start.elapsed();
        assert_eq!(installer.verify(tree, &place(version)).unwrap(), []);
        eprintln!("{name}: install {installed:?}, verify {:?}", start.elapsed() - installed);
    }
}
