//! Archives that mean harm, and archives that are broken.

use std::error::Error;

use proptest::prelude::{any, prop, proptest};

use super::archive::{Tar, hash, npm as npm_archive, wheel as wheel_archive, zip};
use super::{Bench, listing};
use crate::defence::{Defence, without};
use crate::draft::Draft;
use crate::import::{ImportError, ImportOptions, UnpackLimits, npm, wheel};
use crate::size::ByteSize;

const JSON: &str = r#"{"name": "x", "version": "1.0.0"}"#;

fn import_tar(bench: &Bench, tar: Tar) -> Result<Draft, ImportError> {
    let tar = tar.file("package/package.json", 0o644, JSON.as_bytes());
    let file = bench.file("x.tgz", &tar.tgz());
    npm(&[file], &bench.work(), &ImportOptions::default())
}

fn import_zip(bench: &Bench, entries: &[(&str, u32, &[u8])]) -> Result<Draft, ImportError> {
    let file = bench.file("x-1.0-py3-none-any.whl", &zip(entries));
    wheel(&[file], &bench.work(), &ImportOptions::default())
}

/// The error and its cause in one line.
fn chain(error: &ImportError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Threat row 9: no entry name leads out of the folder, on any system.
#[test]
fn names_that_lead_out_are_refused() {
    for name in [
        "package/../../evil",
        "package//evil",
        "package/..\\evil",
        "package/C:evil",
        "package/con",
        "package/evil.",
        "package/a/./b",
        "package/../evil",
    ] {
        let bench = Bench::new();
        let error = import_tar(&bench, Tar::default().file(name, 0o644, b"x")).unwrap_err();
        assert!(chain(&error).contains("has a name that no package may hold"), "{}", chain(&error));
        assert_eq!(bench.beside_work(), ["work", "x.tgz"], "{name}");
    }
    for name in ["../evil", "/evil", "a/../../evil", "..\\evil"] {
        let bench = Bench::new();
        let error = import_zip(&bench, &[(name, 0o100_644, b"x")]).unwrap_err();
        assert!(chain(&error).contains("has a name that no package may hold"), "{}", chain(&error));
        assert_eq!(bench.beside_work(), ["work", "x-1.0-py3-none-any.whl"], "{name}");
    }
}

/// Threat row 9: even with the rules for paths taken out, a name of the archive never reaches the
/// file system, because files on disk are numbered.
#[test]
fn without_path_rules_nothing_is_written_outside_either() {
    let bench = Bench::new();
    let tar = Tar::default().file("package/../../../evil", 0o644, b"x");
    let draft = without(Defence::PathRules, || import_tar(&bench, tar)).unwrap();
    assert!(listing(&draft.variants[0]).contains(&"../../../evil".to_owned()));
    assert_eq!(bench.beside_work(), ["work", "x.tgz"]);
}

/// Threat row 10: hard links, devices and pipes are refused; setuid bits are dropped.
#[test]
fn only_files_folders_and_links_come_out() {
    for (kind, what) in
        [(b'1', "hard link"), (b'3', "character device"), (b'4', "block device"), (b'6', "pipe")]
    {
        let bench = Bench::new();
        let tar = Tar::default().raw(kind, "package/x", 0o644, 0, "package/package.json", b"");
        let error = import_tar(&bench, tar).unwrap_err();
        assert!(chain(&error).contains(&format!("is a {what}")), "{}", chain(&error));
    }
    let bench = Bench::new();
    let tar = Tar::default().file("package/tool", 0o6755, b"x");
    let draft = import_tar(&bench, tar).unwrap();
    assert_eq!(listing(&draft.variants[0]), ["package.json", "tool*"]);
}

/// Threat row 10: the same for the modes that a zip directory gives.
#[test]
fn a_pipe_in_a_zip_is_refused() {
    let mut bytes = zip(&[("pipe", 0o100_644, b"")]);
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[directory + 40..directory + 42].copy_from_slice(&0o010_644_u16.to_le_bytes());
    let bench = Bench::new();
    let file = bench.file("x-1.0-py3-none-any.whl", &bytes);
    let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(chain(&error).contains("is a special file"), "{}", chain(&error));
}

/// Threat row 10: a link stays inside, and stays text until it is installed.
#[test]
fn links_out_of_the_archive_are_refused() {
    for target in ["../../etc/passwd", "/etc/passwd", "a/../../../x", ""] {
        let bench = Bench::new();
        let tar = Tar::default().raw(b'2', "package/bin/x", 0o777, 0, target, b"");
        let error = import_tar(&bench, tar).unwrap_err();
        assert!(chain(&error).contains("link"), "{target}: {}", chain(&error));
    }
    let bench = Bench::new();
    let tar = Tar::default().file("package/lib/x.so.1", 0o644, b"x").raw(
        b'2',
        "package/lib/x.so",
        0o777,
        0,
        "x.so.1",
        b"",
    );
    let draft = import_tar(&bench, tar).unwrap();
    assert_eq!(listing(&draft.variants[0]), ["lib/x.so -> x.so.1", "lib/x.so.1", "package.json"]);

    let error = import_zip(&Bench::new(), &[("bin/x", 0o120_777, b"../../x")]).unwrap_err();
    assert!(chain(&error).contains("leads out of the tree"), "{}", chain(&error));
}

/// Threat row 11: a file behind a link of the same archive is refused.
#[test]
fn nothing_comes_out_behind_a_link() {
    let tar =
        Tar::default().raw(b'2', "package/a", 0o777, 0, "b", b"").file("package/a/x", 0o644, b"x");
    let error = import_tar(&Bench::new(), tar).unwrap_err();
    assert!(chain(&error).contains("stands below"), "{}", chain(&error));
}

/// Threat row 12: entries that are one file on some systems are refused.
#[test]
fn archive_entries_that_collide_are_refused() {
    for (first, second) in [("a", "a"), ("a", "A"), ("a", "a/b"), ("é", "E\u{301}")] {
        let tar = Tar::default().file(&format!("package/{first}"), 0o644, b"1").file(
            &format!("package/{second}"),
            0o644,
            b"2",
        );
        assert!(import_tar(&Bench::new(), tar).is_err(), "{first} {second}");
    }
    let error = import_zip(&Bench::new(), &[("a", 0o100_644, b"1"), ("A", 0o100_644, b"2")]);
    assert!(chain(&error.unwrap_err()).contains("are the same on some systems"));
}

/// A zip directory that lists one name twice, which libraries read in different ways.
#[test]
fn a_zip_that_lists_a_name_twice_is_refused() {
    let mut bytes = zip(&[("aa", 0o100_644, b"1"), ("bb", 0o100_644, b"2")]);
    for at in 0..bytes.len() - 2 {
        if &bytes[at..at + 2] == b"bb" {
            bytes[at..at + 2].copy_from_slice(b"aa");
        }
    }
    let bench = Bench::new();
    let file = bench.file("x-1.0-py3-none-any.whl", &bytes);
    let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(chain(&error).contains("lists a name twice"), "{}", chain(&error));
}

/// 8 MiB of zeros in 8 KiB.
fn bomb() -> Tar {
    Tar::default().file("package/zeros", 0o644, &vec![0; 8 << 20])
}

/// Threat row 14: an archive unpacks to 200 times its size at most, and what is too much is not
/// written first.
#[test]
fn a_bomb_is_stopped_before_it_is_written() {
    let bench = Bench::new();
    let error = import_tar(&bench, bomb()).unwrap_err();
    assert!(chain(&error).contains("it unpacks to more than"), "{}", chain(&error));
    assert!(error.hint().unwrap().contains("catalog import dir"));
    assert_eq!(bench.bytes_written(), 0);

    let bench = Bench::new();
    let error = import_zip(&bench, &[("zeros", 0o100_644, &vec![0; 8 << 20])]).unwrap_err();
    assert!(chain(&error).contains("it unpacks to more than"), "{}", chain(&error));
    assert_eq!(bench.bytes_written(), 0);
}

/// Threat row 14, control.
#[test]
fn a_bomb_is_noticed_without_the_defence() {
    let bench = Bench::new();
    without(Defence::UnpackCaps, || import_tar(&bench, bomb())).unwrap();
    assert!(bench.bytes_written() > 8 << 20);
}

/// A zip whose directory says 10 bytes where there is 1 MiB.
fn lying_zip() -> Vec<u8> {
    let mut bytes = zip(&[("zeros", 0o100_644, &vec![0; 1 << 20])]);
    let real = (1_u32 << 20).to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == real {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
    }
    bytes
}

/// Threat row 14: a declared size is a hard limit.
#[test]
fn an_entry_is_never_longer_than_it_declares() {
    let bench = Bench::new();
    let file = bench.file("x-1.0-py3-none-any.whl", &lying_zip());
    let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
    assert!(chain(&error).contains("is not the 10 bytes long"), "{}", chain(&error));
    assert!(bench.bytes_written() <= 10);
}

/// Threat row 14, control.
#[test]
fn an_entry_longer_than_declared_is_noticed_without_the_defence() {
    let bench = Bench::new();
    let file = bench.file("x-1.0-py3-none-any.whl", &lying_zip());
    let options = ImportOptions::default();
    without(Defence::UnpackCaps, || wheel(&[file], &bench.work(), &options)).unwrap_err();
    assert_eq!(bench.bytes_written(), 1 << 20);
}

/// Threat row 14: small archives may hold things that compress well.
#[test]
fn a_small_archive_may_compress_well() {
    let tar = Tar::default().file("package/spaces", 0o644, &vec![b' '; 512 << 10]);
    import_tar(&Bench::new(), tar).unwrap();
}

/// Threat row 15: entries are counted as they come.
#[test]
fn an_archive_of_too_many_entries_is_refused() {
    let limits = UnpackLimits { entries_max: 10, ..UnpackLimits::default() };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let names: Vec<String> = (0..20).map(|number| format!("file{number}")).collect();
    let files: Vec<(&str, u32, &[u8])> =
        names.iter().map(|name| (name.as_str(), 0o100_644, &b"x"[..])).collect();
    let bench = Bench::new();
    let archive = bench.file("x.tgz", &npm_archive(JSON, &files));
    let error = npm(&[archive], &bench.work(), &options).unwrap_err();
    assert!(chain(&error).contains("more than 10 entries"), "{}", chain(&error));
    let archive = bench.file("x-1.0-py3-none-any.whl", &zip(&files));
    let error = wheel(&[archive], &bench.work(), &options).unwrap_err();
    assert!(chain(&error).contains("more than 10 entries"), "{}", chain(&error));
}

#[test]
fn all_archives_of_an_import_share_no_limit_but_each_has_its_own() {
    let limits = UnpackLimits { bytes_max: ByteSize::kib(1), ..UnpackLimits::default() };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let bench = Bench::new();
    let file = bench.file("x.tgz", &npm_archive(JSON, &[("a", 0o644, &[7; 2000])]));
    let error = npm(&[file], &bench.work(), &options).unwrap_err();
    assert!(chain(&error).contains("more than 1 KiB"), "{}", chain(&error));
}

/// Programs disagree about which of two sizes counts, so an archive with two has two contents.
#[test]
fn an_entry_with_two_sizes_is_refused() {
    let tar = Tar::default().pax(&[("size", "1")]).file("package/a", 0o644, b"hello");
    let error = import_tar(&Bench::new(), tar).unwrap_err();
    assert!(chain(&error).contains("gives two sizes"), "{}", chain(&error));
    let hidden = [0; 512];
    let tar = Tar::default().raw(b'5', "package/dir", 0o755, 512, "", &hidden);
    let error = import_tar(&Bench::new(), tar).unwrap_err();
    assert!(chain(&error).contains("gives two sizes"), "{}", chain(&error));
}

#[test]
fn what_lies_beside_the_package_folder_is_refused() {
    let error = import_tar(&Bench::new(), Tar::default().file("stray", 0o644, b"x")).unwrap_err();
    assert!(chain(&error).contains("outside of its top folder"), "{}", chain(&error));
    let tar = Tar::default().raw(b'5', "package/", 0o755, 0, "", b"");
    assert_eq!(listing(&import_tar(&Bench::new(), tar).unwrap().variants[0]), ["package.json"]);
}

#[test]
fn long_names_are_read_from_either_kind_of_extended_header() {
    let long = format!("{}/file", "d".repeat(120));
    let full = format!("package/{long}");
    let gnu = Tar::default()
        .raw(
            b'L',
            "././@LongLink",
            0o644,
            full.len() as u64 + 1,
            "",
            format!("{full}\0").as_bytes(),
        )
        .file("package/short", 0o644, b"x");
    let pax = Tar::default().pax(&[("path", &full), ("size", "1")]).file("package/s", 0o644, b"x");
    for tar in [gnu, pax] {
        let draft = import_tar(&Bench::new(), tar).unwrap();
        assert_eq!(listing(&draft.variants[0]), [long.as_str(), "package.json"]);
    }
}

#[test]
fn extended_headers_that_contradict_or_never_end_are_refused() {
    let twice = Tar::default().pax(&[("path", "package/a")]).pax(&[("path", "package/b")]);
    let error = import_tar(&Bench::new(), twice.file("package/c", 0o644, b"")).unwrap_err();
    assert!(chain(&error).contains("two extended headers"), "{}", chain(&error));
    let huge = Tar::default().raw(b'x', "pax", 0o644, 1 << 40, "", b"");
    let error = import_tar(&Bench::new(), huge).unwrap_err();
    assert!(chain(&error).contains("longer than 64 KiB"), "{}", chain(&error));
    let sparse = Tar::default().pax(&[("GNU.sparse.major", "1")]).file("package/c", 0o644, b"");
    assert!(import_tar(&Bench::new(), sparse).is_err());
}

#[test]
fn a_wheel_is_checked_against_its_record() {
    let good = wheel_archive(&[("demo/a.py", b"print(1)\n")]);
    let metadata = b"Name: demo\nVersion: 1.0\n\n";
    let record = format!(
        "demo/a.py,sha256=AAAA,9\ndemo-1.0.dist-info/METADATA,sha256={},\n",
        hash(metadata)
    );
    let entries: [(&str, u32, &[u8]); 4] = [
        ("demo/a.py", 0o100_644, b"print(2)\n"),
        ("demo-1.0.dist-info/METADATA", 0o100_644, metadata),
        ("demo-1.0.dist-info/RECORD", 0o100_644, record.as_bytes()),
        ("demo-1.0.data/extra", 0o100_644, b"unlisted"),
    ];
    for (bytes, what) in [
        (zip(&entries[..3]), "demo/a.py does not have the hash"),
        (zip(&entries), "demo-1.0.data/extra is not listed in its RECORD"),
        (zip(&entries[1..3]), "lists \"demo/a.py\", which is not in the archive"),
        (zip(&entries[..2]), "no readable RECORD"),
        (zip(&entries[..1]), "0 .dist-info folders"),
    ] {
        let bench = Bench::new();
        let file = bench.file("demo-1.0-py3-none-any.whl", &bytes);
        let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
        assert!(chain(&error).contains(what), "{}", chain(&error));
    }
    let bench = Bench::new();
    let file = bench.file("demo-1.0-py3-none-any.whl", &good);
    wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap();
}

#[test]
fn archives_that_are_cut_short_are_damaged() {
    let noise: Vec<u8> =
        (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let tgz = npm_archive(JSON, &[("noise", 0o644, &noise)]);
    let whl = wheel_archive(&[("demo/noise", &noise)]);
    for part in 1..20 {
        let bench = Bench::new();
        let file = bench.file("x.tgz", &tgz[..tgz.len() * part / 20]);
        let error = npm(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
        assert!(matches!(error, ImportError::Unpack { .. }), "{part}: {error}");
        let file = bench.file("demo-1.0-py3-none-any.whl", &whl[..whl.len() * part / 20]);
        let error = wheel(&[file], &bench.work(), &ImportOptions::default()).unwrap_err();
        assert!(chain(&error).contains("damaged"), "{part}: {}", chain(&error));
    }
}

/// What comes out of a damaged archive, if anything, lies in the work folder, and nothing panics.
fn survives(extension: &str, bytes: &[u8]) {
    let bench = Bench::new();
    let name = format!("demo-1.0-py3-none-any.{extension}");
    let file = bench.file(&name, bytes);
    let options = ImportOptions::default();
    let _ = match extension {
        "whl" => wheel(&[file], &bench.work(), &options),
        _ => npm(&[file], &bench.work(), &options),
    };
    assert_eq!(bench.beside_work(), [name, "work".into()]);
}

proptest! {
    #[test]
    fn damaged_archives_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut tgz = npm_archive(JSON, &[("bin/x", 0o755, b"hello")]);
        let mut whl = wheel_archive(&[("demo/a.py", b"print(1)\n")]);
        for (at, byte) in flips {
            let (in_tgz, in_whl) = (at.index(tgz.len()), at.index(whl.len()));
            tgz[in_tgz] = byte;
            whl[in_whl] = byte;
        }
        survives("tgz", &tgz);
        survives("whl", &whl);
    }

    #[test]
    fn damaged_tar_headers_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let whole = Tar::default().pax(&[("path", "package/p")]).file("package/a", 0o644, b"hello");
        survives("tgz", &whole.damaged(&flips.iter().map(|(at, byte)| (at.index(2048), *byte)).collect::<Vec<_>>()).tgz());
        survives("tgz", &bytes);
        survives("whl", &bytes);
    }
}
