//! What is allowed and probably not meant.

use super::{read, with};

/// The only warning about a manifest.
fn warned(text: &str) -> (&'static str, String) {
    let (_, mut warnings) = read(text).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let warning = warnings.remove(0);
    assert!(warning.hint.is_some() && warning.span.is_some(), "{warning}");
    (warning.code, warning.message)
}

#[test]
fn each_doubt_is_said_once() {
    for (from, to, code, message) in [
        ("license = \"Apache-2.0\"\n", "", "CAT0131", "the package has no license"),
        (
            "summary = \"Property-graph store with a Bolt endpoint\"\n",
            "",
            "CAT0134",
            "the package has no summary",
        ),
        ("Property-graph", &"very ".repeat(30), "CAT0134", "longer than 120"),
        (
            "\"cpu.level\" = \"armv8.2a\"",
            "\"cpu.levle\" = \"armv8.2a\"",
            "CAT0137",
            "asks for cpu.levle",
        ),
        (
            "quality = 50",
            "quality = 90",
            "CAT0135",
            "high-x86-v3 and low-x86 can fit the same machine",
        ),
    ] {
        let (found, text) = warned(&with(from, to));
        assert_eq!(found, code, "{text}");
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn variants_that_need_the_same_are_named() {
    let text = with(
        "requires = { os = \"linux\", \"cpu.level\" = \"armv8.2a\", libc = \"glibc>=2.31\" }\n\
         resources = { memory = { min = \"6GiB\", recommended = \"12GiB\" }",
        "requires = { os = \"linux\", \"cpu.level\" = \"x86-64-v3\", libc = \"glibc>=2.31\" }\n\
         resources = { memory = { min = \"8GiB\", recommended = \"16GiB\" }",
    );
    assert_eq!(
        warned(&text),
        ("CAT0132", "high-x86-v3 and high-arm64 need the same of a machine".into())
    );
}

#[test]
fn a_service_without_a_fallback_names_who_is_left_out() {
    let (_, warnings) = read(&with("fallback = true\n", "")).unwrap();
    let found: Vec<_> = warnings.iter().map(|warning| (warning.code, &*warning.message)).collect();
    assert_eq!(found, [("CAT0130", "no variant is a fallback")]);

    let bound = with("requires = { runtime = \"wasip2\" }", "requires = { os = \"linux\" }");
    let (found, message) = warned(&bound);
    assert_eq!(found, "CAT0133");
    assert_eq!(message, "no variant can run on macOS on Apple silicon, Windows on x86-64");
}

/// Levels and architectures are two words for one thing, so these two never meet.
#[test]
fn an_architecture_and_a_level_of_another_do_not_overlap() {
    let text = with("\"cpu.level\" = \"armv8.2a\"", "\"cpu.arch\" = \"arm64\"")
        .replace("quality = 85", "quality = 90");
    assert_eq!(read(&text).unwrap().1, []);
}
