//! From text to meaning, and every mistake at its place.

use proptest::prelude::{any, prop, proptest};

use super::{GRAPHDB, assert_found, read, refused, somebody, with};
use crate::manifest::Severity;
use crate::permission::Permission;
use crate::release::PackageKind;
use crate::size::ByteSize;

#[test]
fn a_manifest_is_read_whole() {
    let (manifest, warnings) = read(GRAPHDB).unwrap();
    assert_eq!(warnings, []);
    let draft = manifest.skeleton();
    assert_eq!((manifest.name().as_str(), manifest.kind()), ("graphdb", PackageKind::Service));
    assert_eq!(manifest.version().to_string(), "1.4.0");
    assert_eq!(draft.summary, "Property-graph store with a Bolt endpoint");
    assert_eq!(
        (&*draft.license, &draft.keywords[..]),
        ("Apache-2.0", &["graph".into(), "database".into()][..])
    );
    assert_eq!(draft.provides, ["iface:graph-query@1"]);
    assert_eq!(draft.capabilities["network"], ["listen:7687/tcp"]);
    assert_eq!(draft.permission, Permission::Public);
    assert_eq!(
        (draft.mirror.replicas, draft.mirror.priority.as_deref()),
        (Some(3), Some("normal"))
    );
    let ids: Vec<_> = draft.variants.iter().map(|variant| variant.id.as_str()).collect();
    assert_eq!(ids, ["high-x86-v3", "high-arm64", "low-x86", "wasm"]);
    let high = &draft.variants[0];
    let requires: Vec<_> = high.requires.iter().map(|(key, is)| format!("{key}={is}")).collect();
    assert_eq!(requires, ["cpu.level=x86-64-v3", "libc=glibc>=2.31", "os=linux"]);
    assert_eq!(high.resources.memory.recommended, Some(ByteSize::gib(16)));
    assert_eq!((high.resources.cores.min, high.quality, high.fallback), (Some(4), 90, false));
    assert!(draft.variants[3].fallback);
}

#[test]
fn a_phone_app_is_read_whole() {
    let id = somebody();
    let text = format!(
        r#"
schema = 1
[package]
name = "chat-client"
version = "3.2.1"
kind = "client"
summary = "Chat front end for phones and browsers"
license = "MIT"
[capabilities]
device = ["camera?", "notifications?"]
[dependencies]
"{id}/graphdb" = {{ version = "^1.4", optional = true, on = "same-node" }}
"{id}/bolt-proto" = "^2.1"
[[variant]]
id = "android-low"
requires = {{ os = "android>=8.0", "cpu.abi" = "arm64-v8a|armeabi-v7a" }}
files = ["out/chat-low.apk"]
quality = 40
[[variant]]
id = "web"
fallback = true
requires = {{ os = "browser", runtime = "web" }}
prefers = {{ "gpu.api" = "webgpu", runtime.wasm = "simd" }}
files = ["web/**"]
"#
    );
    let (manifest, warnings) = read(&text).unwrap();
    assert_eq!(warnings, []);
    let draft = manifest.skeleton();
    let [graphdb, bolt] = &draft.dependencies[..] else { panic!("{:?}", draft.dependencies) };
    assert_eq!((graphdb.publisher, graphdb.name.as_str()), (id, "graphdb"));
    assert_eq!((graphdb.optional, graphdb.on.as_deref()), (true, Some("same-node")));
    assert_eq!((bolt.range.to_string().as_str(), bolt.optional), ("^2.1", false));
    let prefers: Vec<_> =
        draft.variants[1].prefers.iter().map(|(key, is)| format!("{key}={is}")).collect();
    // A dotted key without quotes means the same as one in quotes.
    assert_eq!(prefers, ["gpu.api=webgpu", "runtime.wasm=simd"]);
    assert_eq!(draft.variants[1].quality, 50);
}

#[test]
fn a_misspelt_key_is_found_with_what_was_meant() {
    let text = with("requires = { os", "requries = { os");
    assert_found(
        &text,
        "CAT0102",
        "requries",
        "variant high-x86-v3 does not know",
        "did you mean `requires`?",
    );
    let text = with("license =", "licence =");
    assert_found(&text, "CAT0102", "licence", "[package]", "did you mean `license`?");
    let text = with("[mirror]", "[miror]");
    assert_found(&text, "CAT0102", "miror", "catalog.toml", "did you mean `mirror`?");
    let text = with("memory = { min", "memory = { mim");
    assert_found(
        &text,
        "CAT0102",
        "mim",
        "[variant high-x86-v3.resources.memory]",
        "did you mean `min`?",
    );
    let text = with("kind =", "zzz = 1\nkind =");
    assert_found(&text, "CAT0102", "zzz", "[package]", "known here: name, version, kind");
}

#[test]
fn the_name_has_no_publisher_in_it() {
    for name in ["@acme/graphdb", "acme/graphdb"] {
        let text = with("name = \"graphdb\"", &format!("name = \"{name}\""));
        let at = format!("\"{name}\"");
        assert_found(
            &text,
            "CAT0107",
            &at,
            "the key names the publisher",
            "write name = \"graphdb\"",
        );
    }
    let text = with("name = \"graphdb\"", "name = \"Graph\"");
    assert_found(&text, "CAT0105", "\"Graph\"", "`name` of [package]: 'G'", "");
}

/// Threat row 26: a dependency is unparseable unless it names its publisher by id.
#[test]
fn a_dependency_by_bare_name_or_petname_is_refused() {
    let id = somebody();
    for (key, message) in [
        ("bolt-proto", "is a bare name"),
        ("acme/bolt-proto", "by a petname"),
        ("@acme/bolt-proto", "by a petname"),
    ] {
        let text = with("[mirror]", &format!("[dependencies]\n\"{key}\" = \"^2.1\"\n[mirror]"));
        let hint = format!("catalog info {key}");
        assert_found(&text, "CAT0108", &format!("\"{key}\""), message, &hint);
    }
    let cut = &id.to_string()[..30];
    let text = with("[mirror]", &format!("[dependencies]\n\"{cut}/x\" = \"^2.1\"\n[mirror]"));
    assert_eq!(refused(&text).code, "CAT0108");
    let text =
        with("[mirror]", &format!("[dependencies]\n\"{id}/x\" = {{ optional = true }}\n[mirror]"));
    assert_found(&text, "CAT0103", "{ optional = true }", "dependency x has no `version`", "^2.1");
    let text = with("[mirror]", &format!("[dependencies]\n\"{id}/x\" = \"two\"\n[mirror]"));
    assert_eq!(refused(&text).code, "CAT0105");
}

#[test]
fn a_restricted_package_lists_its_nodes() {
    let node = "ab".repeat(32);
    let share = |text: &str| with("permission = \"public\"", text);
    let text = share(&format!("permission = \"restricted\"\nnodes = [\"{node}\"]"));
    let (manifest, _) = read(&text).unwrap();
    let nodes = std::iter::once(node.parse().unwrap()).collect();
    assert_eq!(manifest.skeleton().permission, Permission::Restricted(nodes));

    assert_found(
        &share("permission = \"restricted\""),
        "CAT0110",
        "\"restricted\"",
        "no `nodes`",
        "64 hex",
    );
    let text = share(&format!("permission = \"public\"\nnodes = [\"{node}\"]"));
    assert_found(&text, "CAT0110", "\"public\"", "lists `nodes`", "restricted");
    let text = share(&format!("permission = \"restricted\"\nnodes = [\"{node}\", \"abc\"]"));
    assert_found(&text, "CAT0105", "\"abc\"", "64 hex digits", "");
    for (kind, permission) in [
        ("private", Permission::Private),
        ("friends", Permission::Friends),
        ("anonymous", Permission::Anonymous),
        ("verified", Permission::Verified),
    ] {
        let text = share(&format!("permission = \"{kind}\""));
        assert_eq!(read(&text).unwrap().0.skeleton().permission, permission);
        let text = share(&format!("permission = \"{kind}\"\nnodes = [\"{node}\"]"));
        assert_found(&text, "CAT0110", &format!("\"{kind}\""), "lists `nodes`", "restricted");
    }
    let text = share("permission = \"publik\"");
    assert_found(
        &text,
        "CAT0105",
        "\"publik\"",
        "`permission` cannot be",
        "did you mean \"public\"?",
    );
    assert_found(&share(""), "CAT0103", "[share]", "no `permission`", "");
}

#[test]
fn sets_of_packages_are_refused_for_now() {
    let text = with("kind = \"service\"", "kind = \"node-set\"");
    assert_found(&text, "CAT0109", "\"node-set\"", "not supported yet", "one by one");
    let text = with("[mirror]", "[node]\npreference = \"low-resource\"\n[mirror]");
    assert_found(&text, "CAT0109", "node", "not supported yet", "one by one");
}

#[test]
fn values_that_cannot_be_used_are_found_at_their_place() {
    for (from, to, code, at, message, hint) in [
        (
            "\"1.4.0\"",
            "\"1.4\"",
            "CAT0105",
            "\"1.4\"",
            "not a semantic version",
            "version = \"1.4.0\"",
        ),
        ("\"1.4.0\"", "1.4", "CAT0104", "1.4", "needs text in quotes, found float", ""),
        (
            "\"service\"",
            "\"servise\"",
            "CAT0105",
            "\"servise\"",
            "`kind`",
            "did you mean \"service\"?",
        ),
        (
            "\"normal\"",
            "\"norml\"",
            "CAT0105",
            "\"norml\"",
            "`priority`",
            "did you mean \"normal\"?",
        ),
        ("quality = 90", "quality = 101", "CAT0105", "101", "more than 100", ""),
        ("quality = 90", "quality = -1", "CAT0104", "-1", "a whole number", ""),
        (
            "os = \"linux\"",
            "os = \"Linux\"",
            "CAT0105",
            "\"Linux\"",
            "`os`",
            "did you mean \"linux\"?",
        ),
        ("os = \"linux\"", "os = \"!linux\"", "CAT0105", "\"!linux\"", "`os`", ""),
        ("\"8GiB\"", "\"8 gigs\"", "CAT0105", "\"8 gigs\"", "`min`", ""),
        ("\"16GiB\"", "\"1GiB\"", "CAT0112", "\"1GiB\"", "recommends less", ""),
        (
            "{ min = \"8GiB\", recommended = \"16GiB\" }",
            "\"8GiB\"",
            "CAT0112",
            "\"8GiB\"",
            "`memory`",
            "memory = { min = ",
        ),
        (
            "os = \"linux\",",
            "memory = \"8GiB\", os = \"linux\",",
            "CAT0112",
            "memory",
            "an amount",
            "resources",
        ),
        ("fallback = true", "fallback = \"yes\"", "CAT0104", "\"yes\"", "true or false", ""),
        (
            "id = \"low-x86\"",
            "id = \"wasm\"",
            "CAT0111",
            "",
            "two variants are called wasm",
            "its own id",
        ),
        (
            "files = [\"dist/low-x86/**\"]",
            "files = [\"../x\"]",
            "CAT0120",
            "\"../x\"",
            "leads out",
            "copy the files",
        ),
        (
            "keywords = [\"graph\",",
            "keywords = [\"database\",",
            "CAT0105",
            "\"database\"",
            "twice",
            "",
        ),
        ("Property-graph", "Property\u{202e}graph", "CAT0113", "", "U+202E", "retyping"),
        ("schema = 1", "schema = 2", "CAT0106", "2", "schema 2 is not known", "newer catalog"),
        ("schema = 1\n", "", "CAT0103", "", "which schema", "schema = 1"),
    ] {
        let text = with(from, to);
        let found = refused(&text);
        assert_eq!(found.code, code, "{to}: {found}");
        if !at.is_empty() {
            assert_eq!(&text[found.span.clone().unwrap()], at, "{found}");
        }
        assert!(found.message.contains(message), "{to}: {found}");
        assert!(found.hint.as_deref().unwrap_or("").contains(hint), "{to}: {found}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (from, message) in [
        ("name = \"graphdb\"\n", "[package] has no `name`"),
        ("version = \"1.4.0\"\n", "[package] has no `version`"),
        ("kind = \"service\" ", "[package] has no `kind`"),
        ("id = \"low-x86\"\n", "[[variant]] has no `id`"),
        ("files = [\"dist/low-x86/**\"]\n", "variant low-x86 has no `files`"),
        ("\"dist/low-x86/**\"", "variant low-x86 has no `files`"),
    ] {
        let found = refused(&with(from, ""));
        assert_eq!((found.code, &*found.message), ("CAT0103", message));
        assert!(found.span.is_some() && found.hint.is_some());
    }
    let text = GRAPHDB.split("[[variant]]").next().unwrap();
    assert_eq!(
        refused(&text.replacen("schema = 1", "schema = 1\nvariant = []", 1)).code,
        "CAT0103"
    );
    let found = read("schema = 1\n").unwrap_err();
    let messages: Vec<_> = found.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "catalog.toml has no [package]",
            "catalog.toml has no [[variant]], so there is nothing to publish"
        ]
    );
}

#[test]
fn all_mistakes_are_found_in_one_run_in_the_order_of_the_text() {
    let text = with("version = \"1.4.0\"", "version = \"1\"")
        .replace("regions", "region")
        .replace("quality = 50", "quality = \"fifty\"");
    let findings = read(&text).unwrap_err();
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["CAT0105", "CAT0102", "CAT0104"]);
}

#[test]
fn text_that_is_not_toml_is_found_where_reading_stopped() {
    let found = refused(&with("\"graphdb\"", "\"graphdb"));
    assert_eq!(found.code, "CAT0101");
    assert!(found.message.starts_with("catalog.toml is not valid TOML"), "{found}");
    assert!(found.span.is_some());
    assert_eq!(refused(&with("[mirror]", "[package]")).code, "CAT0101");
    assert_eq!(refused(&"#".repeat(300 << 10)).code, "CAT0101");
}

/// Threat row 28: nothing that a terminal obeys is signed as a text of one line.
#[test]
fn text_with_invisible_marks_is_refused() {
    for mark in ["\\u001b[2J", "\\u0007", "\u{202e}", "\u{2066}", "\\n"] {
        for (from, to) in [
            ("Property-graph", format!("Property{mark}graph")),
            ("\"graph\"", format!("\"gr{mark}aph\"")),
            ("Apache-2.0", format!("Apache{mark}")),
            ("listen:7687", format!("listen{mark}")),
        ] {
            assert_eq!(refused(&with(from, &to)).code, "CAT0113", "{to}");
        }
    }
}

#[test]
fn keys_of_the_author_are_kept_as_text() {
    let text = with("schema = 1", "schema = 1\nx-team = \"graph\"")
        .replace("license", "x-build = { number = 7 }\nlicense")
        .replace("id = \"wasm\"", "id = \"wasm\"\nx-toolchain = \"1.95\"");
    let (manifest, _) = read(&text).unwrap();
    let kept = &manifest.skeleton().extensions;
    let kept: Vec<_> = kept.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    assert_eq!(
        kept,
        [("x-build", "{ number = 7 }"), ("x-team", "graph"), ("x-toolchain.wasm", "1.95")]
    );
    let text = with("replicas = 3", "x-no = 1");
    assert_found(&text, "CAT0102", "x-no", "[mirror]", "");
}

proptest! {
    #[test]
    fn damaged_manifests_never_panic_and_spans_lie_inside(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~é\n]{0,3}"), 1..5),
    ) {
        let mut text = GRAPHDB.to_owned();
        for (at, new) in changes {
            let at = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary((at + 2).min(text.len()));
            text.replace_range(at..end, &new);
        }
        let (findings, is_refused) = match read(&text) {
            Ok((_, warnings)) => (warnings, false),
            Err(findings) => (findings, true),
        };
        assert_eq!(findings.iter().any(|finding| finding.severity == Severity::Error), is_refused);
        for span in findings.iter().filter_map(|finding| finding.span.clone()) {
            assert!(text.get(span).is_some());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|([a-z\\[\\]=\"{}. \n0-9]{0,200})") {
        let _ = read(&text);
    }
}
