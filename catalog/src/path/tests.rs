use super::*;
use crate::defence::without;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Component, Path};

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn rule(text: &str) -> PathRule {
    text.parse::<TreePath>().expect_err(text).rule()
}

#[test]
fn ordinary_paths_are_accepted() {
    let long = ["a".repeat(255), "b".repeat(255), "c".repeat(255), "d".repeat(255)].join("/");
    let almost = [
        "a",
        "bin/tool",
        ".hidden",
        "..foo",
        "a..b",
        "...x",
        "a/.b/c",
        "~",
        "-rf",
        "con-fig",
        "com",
        "nulls",
        "lpt10",
        "a b",
        " a",
        "$HOME",
        "%2e%2e",
        "naïve",
        "日本語/ファイル",
        "👩\u{200d}💻.png",
        "a#b",
        "@scope/pkg",
        "c++",
        "x;y",
        "*",
        "x=1",
        &long,
    ];
    for text in almost {
        assert_eq!(path(text).as_str(), text);
    }
}

#[test]
fn every_rule_is_named_when_it_is_broken() {
    use PathRule as Rule;
    let (long, wide) = (vec!["a"; 513].join("/"), "a".repeat(256));
    for (text, broken) in [
        ("", Rule::Empty),
        ("/etc/passwd", Rule::Absolute),
        (&long, Rule::TooLong),
        ("a//b", Rule::EmptyComponent),
        ("a/", Rule::EmptyComponent),
        ("..", Rule::Traversal),
        ("a/../b", Rule::Traversal),
        ("./a", Rule::Traversal),
        (&wide, Rule::ComponentTooLong),
        ("a\\b", Rule::Character('\\')),
        ("C:x", Rule::Character(':')),
        ("a\0b", Rule::Character('\0')),
        ("a\u{85}", Rule::Character('\u{85}')),
        ("a. /b", Rule::Ending),
        ("a.", Rule::Ending),
        ("x/CON", Rule::Device),
        ("Aux.c/y", Rule::Device),
        ("nul .txt", Rule::Device),
        ("com¹", Rule::Device),
        ("a/\u{200d}", Rule::Invisible),
        ("e\u{301}", Rule::NotNormal),
        ("\u{212a}", Rule::NotNormal),
    ] {
        assert_eq!(rule(text), broken, "{text:?}");
    }
}

#[test]
fn a_refused_path_is_shown_escaped_and_short() {
    let error = format!("\u{1b}[31m{}", "a".repeat(5000)).parse::<TreePath>().unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\u{1b}') && message.len() < 300, "{message}");
}

#[test]
fn a_path_is_taken_apart() {
    let deep = path("a/b/c.txt");
    assert_eq!(deep.components().collect::<Vec<_>>(), ["a", "b", "c.txt"]);
    assert_eq!(deep.file_name(), "c.txt");
    assert_eq!(deep.parent(), Some(path("a/b")));
    assert_eq!(path("a").parent(), None);
}

/// Paths that are dangerous on some system, each different: what is bad, wherever it can stand.
pub(crate) fn hostile_paths() -> BTreeSet<String> {
    let mut parts: BTreeSet<String> = ["", ".", ".."].map(String::from).into();
    for name in ["a", "readme.md", "..", "...", "bin", "ä"] {
        for ending in [".", " ", "..", " .", ". ", "  "] {
            parts.insert(format!("{name}{ending}"));
        }
        for between in ["\\", ":", "\0", "\\..\\", ":$DATA", "::$INDEX_ALLOCATION"] {
            parts.insert(format!("{name}{between}x"));
            parts.insert(format!("{between}{name}"));
        }
    }
    for control in ('\0'..='\u{9f}').filter(|c| c.is_control()) {
        parts.extend([format!("a{control}"), format!("{control}a"), format!("a{control}b.txt")]);
    }
    for drive in 'A'..='Z' {
        let small = drive.to_ascii_lowercase();
        parts.extend([format!("{drive}:"), format!("{small}:x"), format!("{drive}:\\Windows")]);
    }
    let ports = (0..=9).flat_map(|n| [format!("com{n}"), format!("lpt{n}")]);
    let more = ["con", "prn", "aux", "nul", "conin$", "conout$", "com²", "lpt³"].map(String::from);
    for device in ports.chain(more) {
        for spelled in [device.to_uppercase(), device.clone(), title(&device)] {
            for ending in ["", ".txt", ".tar.gz", " .js", ".a:b"] {
                parts.insert(format!("{spelled}{ending}"));
            }
        }
    }
    for invisible in ["\u{200b}", "\u{200d}", "\u{feff}", "\u{ad}", "\u{2060}\u{fe0f}", "\u{e0001}"]
    {
        parts.insert(invisible.to_owned());
    }
    for unnormal in ["e\u{301}", "A\u{30a}", "\u{1100}\u{1161}", "\u{2126}", "o\u{308}.txt"] {
        parts.insert(unnormal.to_owned());
    }
    parts.extend([256, 300, 1000].map(|bytes| "a".repeat(bytes)));

    let mut paths = BTreeSet::new();
    for part in &parts {
        for (before, after) in [
            ("", ""),
            ("", "/b"),
            ("dir/", ""),
            ("dir/", "/b"),
            ("a/b/c/d/", "/e"),
            ("/", ""),
            ("../", "/x"),
            ("a/../../", ""),
            ("\u{442}/", "/\u{442}"),
        ] {
            paths.insert(format!("{before}{part}{after}"));
        }
    }
    paths.extend((1..100).map(|ups| format!("{}etc/passwd", "../".repeat(ups))));
    paths.extend(
        (1..100).map(|downs| format!("{}{}x", "a/".repeat(downs), "../".repeat(downs + 1))),
    );
    paths.extend((513..600).map(|depth| vec!["a"; depth].join("/")));
    paths
}

fn title(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

/// Threat row 9: no path that is dangerous anywhere becomes a [`TreePath`].
#[test]
fn hostile_paths_are_refused() {
    let corpus = hostile_paths();
    assert!(corpus.len() >= 5_000, "{} paths", corpus.len());
    for text in &corpus {
        assert!(text.parse::<TreePath>().is_err(), "{text:?}");
    }
}

/// Threat row 9, control: accepted, such paths leave the folder that they are joined to.
#[test]
fn hostile_paths_are_noticed_without_the_defence() {
    let accepted = without(Defence::PathRules, || {
        hostile_paths().iter().filter_map(|text| text.parse::<TreePath>().ok()).collect::<Vec<_>>()
    });
    assert_eq!(accepted.len(), hostile_paths().len());
    let leaving = accepted.iter().filter(|path| leaves_its_folder(path.as_str())).count();
    assert!(leaving > 500, "{leaving}");
}

/// Whether this system would look outside of the folder that the path is joined to.
fn leaves_its_folder(path: &str) -> bool {
    let mut depth = 0i64;
    Path::new(path).components().any(|component| {
        depth += match component {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => return true,
        };
        depth < 0
    })
}

/// Two paths that some system takes for the same, though they differ.
fn twins() -> Vec<(String, String)> {
    let names = [
        ("readme.md", "README.md"),
        ("Makefile", "makefile"),
        ("straße", "STRASSE"),
        ("ﬁle", "file"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ſet", "set"),
        ("éa", "Éa"),
        ("ǆ", "ǅ"),
        ("Ꭰ", "ꭰ"),
        ("ѐ", "Ѐ"),
        ("ᾳ", "ᾼ"),
        ("a\u{200d}b", "ab"),
        ("a\u{feff}", "a"),
        ("soft\u{ad}ware", "software"),
        ("x\u{fe0f}.txt", "X.txt"),
        ("ﬆ", "ST"),
        ("µm", "μm"),
    ];
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (one, other) in names {
        for (before, after) in [("", ""), ("lib/", ""), ("", "/x"), ("a/b/", "/c/d")] {
            pairs.push((format!("{before}{one}{after}"), format!("{before}{other}{after}")));
        }
        // Different files in folders that are the same one.
        pairs.push((format!("{one}/left"), format!("{other}/right")));
        pairs.push((format!("{one}/left/deep"), other.to_owned()));
        pairs.push((format!("x/{one}"), format!("X/{other}")));
    }
    // Every letter with a lower-case form of its own, but those that came after Unicode 16: no file
    // system knows them, nor does the table that we fold with.
    let newest = |c: &char| matches!(c, '\u{a7ce}'..='\u{a7d5}' | '\u{16ea0}'..='\u{16ed3}');
    for upper in ('\u{80}'..'\u{1ffff}').filter(|c| c.is_uppercase() && !newest(c)) {
        let pair = (format!("f{upper}"), format!("f{}", upper.to_lowercase()));
        if pair.0 != pair.1 && unicode_normalization::is_nfc(&pair.0) {
            pairs.push(pair);
        }
    }
    pairs
}

fn check(entries: &[(&str, EntryKind)]) -> Result<(), CollisionError> {
    let paths: Vec<_> = entries.iter().map(|(text, kind)| (path(text), *kind)).collect();
    collisions(paths.iter().map(|(path, kind)| (path, *kind)))
}

/// Threat row 12: spellings that some system does not tell apart are refused.
#[test]
fn paths_that_are_the_same_on_some_system_collide() {
    let twins = twins();
    assert!(twins.len() > 1000, "{}", twins.len());
    for (one, other) in &twins {
        for kind in [EntryKind::File, EntryKind::Dir, EntryKind::Symlink] {
            let there = check(&[(one, kind), ("zzz", kind), (other, kind)]);
            let back = check(&[(other, kind), ("zzz", kind), (one, kind)]);
            assert_eq!(there, back, "{one:?} {other:?}");
            let refused = there.expect_err(one);
            assert!(matches!(refused, CollisionError::SameOnSomeSystems { .. }), "{refused}");
        }
    }
}

/// Threat row 12: nothing stands below a file or a link, in any spelling.
#[test]
fn nothing_stands_below_a_file_or_a_link() {
    use EntryKind::{Dir, File, Symlink};
    for kind in [File, Symlink] {
        for below in ["a/b", "a/b/c", "a/-"] {
            let refused = check(&[(below, File), ("a", kind), ("a-b", File)]).unwrap_err();
            let (above, below) = (path("a"), path(below));
            assert_eq!(refused, CollisionError::BelowNonFolder { above, below });
        }
        assert!(check(&[("A/b", File), ("a", kind)]).is_err());
    }
    assert_eq!(check(&[("a/b", File), ("a", Dir), ("a-b", File), ("a.b", Symlink)]), Ok(()));
}

#[test]
fn the_same_path_twice_is_refused() {
    let refused =
        check(&[("a/b", EntryKind::File), ("c", EntryKind::Dir), ("a/b", EntryKind::Dir)]);
    assert_eq!(refused, Err(CollisionError::Duplicate { path: path("a/b") }));
}

#[test]
fn a_collision_names_both_paths_readably() {
    let refused =
        check(&[("b", EntryKind::File), ("a/X", EntryKind::File), ("A/y", EntryKind::Dir)]);
    let message = refused.unwrap_err().to_string();
    assert_eq!(message, r#"paths "a/X" and "A/y" are the same on some systems"#);
}

/// Threat row 12, control.
#[test]
fn collisions_are_noticed_without_the_defence() {
    let (one, other) = ("readme", "README");
    let kind = EntryKind::File;
    assert_eq!(without(Defence::PathCollisions, || check(&[(one, kind), (other, kind)])), Ok(()));
}

/// What [`collisions`] promises, written as it is said: every pair on its own.
fn some_pair_collides(entries: &[(TreePath, EntryKind)]) -> bool {
    let fold = |text: &str| {
        let visible: String = text.chars().filter(|c| *c != '\u{200d}').collect();
        visible.to_lowercase()
    };
    entries.iter().enumerate().any(|(at, (one, one_kind))| {
        entries[at + 1..].iter().any(|(other, other_kind)| {
            let mut shared = one.components().zip(other.components());
            let differs = shared.find(|(a, b)| a != b);
            let shorter = one.components().count().min(other.components().count());
            match differs {
                // The first difference decides: a different folder, or one in two spellings.
                Some((a, b)) => fold(a) == fold(b),
                None if one == other => true,
                None if one.components().count() == shorter => *one_kind != EntryKind::Dir,
                None => *other_kind != EntryKind::Dir,
            }
        })
    })
}

fn kinds() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        Just(EntryKind::File),
        Just(EntryKind::Dir),
        Just(EntryKind::Dir),
        Just(EntryKind::Symlink)
    ]
}

proptest! {
    /// Threat row 12: which entries collide does not depend on their order, and is what the
    /// definition says.
    #[test]
    fn collisions_are_symmetric(
        texts in vec(("[a-cA-C\u{e9}\u{c9}-]{1,2}\u{200d}?(/[abA\u{200d}]?[bc]){0,2}", kinds()), 0..7),
        swap in any::<prop::sample::Index>(),
    ) {
        let entries: Vec<_> =
            texts.iter().filter_map(|(text, kind)| Some((text.parse().ok()?, *kind))).collect();
        let found = collisions(entries.iter().map(|(path, kind)| (path, *kind)));
        prop_assert_eq!(found.is_err(), some_pair_collides(&entries), "{:?}", found);

        let mut turned = entries.clone();
        turned.reverse();
        if !turned.is_empty() {
            let at = swap.index(turned.len());
            turned.rotate_left(at);
        }
        let again = collisions(turned.iter().map(|(path, kind)| (path, *kind)));
        prop_assert_eq!(found.is_err(), again.is_err());
    }

    /// Threat row 9: whatever is accepted stays below the folder that it is joined to.
    #[test]
    fn accepted_paths_stay_below_their_folder(text in "[./a\\\\: \u{0}-\u{ff}]{0,12}") {
        if let Ok(path) = text.parse::<TreePath>() {
            prop_assert!(!leaves_its_folder(path.as_str()));
            prop_assert!(path.components().all(|part| !part.is_empty() && part != "." && part != ".."));
        }
    }
}

#[test]
fn a_link_leads_to_a_place_in_the_tree() {
    for (link, target, place) in [
        ("lib/x.so", "x.so.1", Some("lib/x.so.1")),
        ("bin/t", "../lib/t", Some("lib/t")),
        ("a/b/c", "../../d/e", Some("d/e")),
        ("a/b/c", "..", Some("a")),
        ("a/b", "..", None),
        ("a/b/c", "../..", None),
        ("a", "..b", Some("..b")),
    ] {
        assert_eq!(path(link).resolve_link(target), Ok(place.map(path)), "{link} -> {target}");
    }
}

/// Threat row 10: targets that leave the tree or cannot be followed safely are refused.
#[test]
fn a_link_out_of_the_tree_is_refused() {
    let outside = ["/etc/passwd", "/", "../../x", "../..", "../../../etc", "//host/share"];
    for target in outside {
        let refused = path("a/l").resolve_link(target).expect_err(target);
        assert!(matches!(refused, LinkError::Outside { .. }), "{target}: {refused}");
    }
    let unsafe_places = [
        "",
        ".",
        "./x",
        "x/",
        "../",
        "x/..",
        "x/../../y",
        "x//y",
        "..\\x",
        "C:\\x",
        "x\0",
        "NUL",
        "x.",
        "e\u{301}",
        "../a/../b",
    ];
    for target in unsafe_places {
        let refused = path("a/l").resolve_link(target).expect_err(target);
        assert!(matches!(refused, LinkError::Target { .. }), "{target}: {refused}");
    }
    assert!(path("l").resolve_link("..").is_err());
}
