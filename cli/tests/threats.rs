//! Attacks and faults that reach the command line: rows of `docs/threats.md`.

#![allow(clippy::unwrap_used)]

mod harness;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use catalog::manifest::Manifest;
use catalog_node::{Node, NodeConfig};
use harness::Stage;

/// What a signed release may hold, since it refuses control characters: marks that reorder or hide.
const MARKS: &str =
    "safe\u{202e}gpj.exe\u{202c} \u{2066}a\u{2069}\u{200b}\u{200f}\u{feff}\u{e0041}";

/// What files and arguments may hold besides: terminal escapes, and lines that pose as ours.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\rerror[CAT0001]: all is lost";

/// Whether a terminal would act on any of it; line ends are ours.
fn is_harmless(text: &str) -> bool {
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    !text.chars().any(bad)
}

/// Publishes, past every check of manifests, a package whose texts attack whoever reads them.
fn publish_hostile_words(home: &Path, package: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let node = Node::builder(NodeConfig::at(home)).spawn().await.unwrap();
        node.init(Some("acme".parse().unwrap())).await.unwrap();
        let path = package.join("catalog.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (manifest, _) = Manifest::parse(&text, &path).unwrap();
        let mut draft = manifest.draft(package).unwrap();
        draft.summary = MARKS.to_owned();
        draft.license = MARKS.to_owned();
        draft.keywords = vec![MARKS.to_owned()];
        draft.description = Some(format!("one\n{MARKS}\n\ttwo"));
        draft.capabilities.insert("network".to_owned(), vec![MARKS.to_owned()]);
        node.publish(draft).await.unwrap();
        let version = "0.1.0".parse().unwrap();
        let yanking = catalog_node::Yanking::Yank { reason: MARKS.to_owned() };
        node.yank(&"notes".parse().unwrap(), &version, yanking).await.unwrap();
        node.shutdown().await.unwrap();
    });
}

/// Threat row 28: what publishers write cannot move the cursor, hide, reorder or pose as our words.
#[test]
fn hostile_metadata_is_shown_harmless_in_every_form() {
    let stage = Stage::new();
    stage.ok("me", &["new", "notes", "--variants", "arm64,any"]);
    publish_hostile_words(&stage.home("me"), &stage.work().join("notes"));
    let commands: [&[&str]; 5] = [
        &["search", "safe"],
        &["info", "acme/notes@0.1.0"],
        &["explain", "acme/notes@0.1.0"],
        &["install", "acme/notes@0.1.0#any"],
        &["list"],
    ];
    for command in commands {
        for format in ["human", "plain", "json", "jsonl"] {
            let args = [command, &["--format", format]].concat();
            let ran = stage.run("me", &args);
            assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
            assert!(is_harmless(&ran.out), "{args:?}: {:?}", ran.out);
            assert!(is_harmless(&ran.err), "{args:?}: {:?}", ran.err);
        }
    }
    let shown = stage.ok("me", &["info", "acme/notes@0.1.0"]);
    assert!(shown.contains("safe\\u{202e}gpj.exe"), "{shown}");
    // The meaning survives in JSON, and is marked.
    let json: serde_json::Value =
        serde_json::from_str(&stage.ok("me", &["info", "acme/notes@0.1.0", "--json"])).unwrap();
    assert_eq!(json["release"]["summary"], MARKS);
    assert_eq!(json["untrusted"][0], "release");
}

/// Threat row 28: nor can files that somebody else wrote, or arguments that somebody else chose.
#[test]
fn hostile_files_and_arguments_are_shown_harmless() {
    let stage = Stage::new();
    let work = stage.work();
    fs::write(work.join("catalog.toml"), format!("{ESCAPES}{MARKS}\n[[[\n")).unwrap();
    fs::write(work.join("profile.toml"), format!("schema = 1\nname = '{MARKS}'\n{ESCAPES}"))
        .unwrap();
    let lint = stage.run("me", &["lint"]);
    assert_eq!(lint.code, 2);
    fs::write(work.join("catalog.config.toml"), format!("color = '{MARKS}'\n")).unwrap();
    let settings = stage.run("me", &["list"]);
    assert_eq!(settings.code, 2);
    fs::remove_file(work.join("catalog.config.toml")).unwrap();
    let arguments: [&[&str]; 5] = [
        &["install", ESCAPES],
        &["explain", "a/b", "--profile", "profile.toml"],
        &["config", "get", ESCAPES],
        &["peer", "add", MARKS],
        &[ESCAPES],
    ];
    let mut runs = vec![lint, settings];
    runs.extend(arguments.map(|args| stage.run("me", args)));
    for ran in runs {
        let shown = ran.out + &ran.err;
        assert!(shown.contains("error["), "{shown:?}");
        assert!(is_harmless(&shown), "{shown:?}");
        assert!(!shown.contains("\nerror[CAT0001]"), "{shown:?}");
    }
}

/// Threat row 28, the control: the words that are printed above do hold the attack.
#[test]
fn hostile_metadata_is_noticed_without_the_defence() {
    assert!(!is_harmless(MARKS) && !is_harmless(ESCAPES));
}

/// Threat row 47: two nodes at one home cannot both own the store.
#[test]
fn a_second_node_on_the_same_store_is_refused_by_name() {
    let stage = Stage::new();
    let holder = catalog::store::Store::open(&NodeConfig::at(&stage.home("me")).store_dir());
    let holder = holder.unwrap();
    let daemon = stage.run("me", &["daemon", "start", "--foreground"]);
    assert_eq!(daemon.code, 9, "{}", daemon.err);
    let names_us = format!("error[CAT0901]: the store is held by process {}", std::process::id());
    // It waits for a while, says so, and then gives up.
    let waiting = format!("waiting for process {}, which owns the store…\n", std::process::id());
    assert!(daemon.err.starts_with(&waiting), "{}", daemon.err);
    assert!(daemon.err.contains(&names_us), "{}", daemon.err);
    drop(holder);
    stage.ok("me", &["search", "-q"]);
}

fn secrets(home: &Path) -> Vec<String> {
    let data = NodeConfig::at(home);
    let identity = fs::read_to_string(data.identity_path()).unwrap();
    let node = fs::read(data.node_key_path()).unwrap();
    let secret = identity.lines().find_map(|line| line.strip_prefix("secret "));
    let mut secrets = vec![secret.expect("the identity file has a secret").to_owned()];
    secrets.push(node.iter().map(|byte| format!("{byte:02x}")).collect());
    secrets
}

/// Threat row 55: no secret is printed or logged, however much is asked for, nor passed in
/// arguments; what holds one is private.
#[test]
fn no_secret_is_shown_logged_or_readable_by_others() {
    let stage = Stage::new();
    let mut shown = stage.ok("me", &["init", "--alias", "acme"]);
    let commands: [&[&str]; 6] = [
        &["key", "show", "--json"],
        &["status", "-vvv"],
        &["doctor", "--json", "-vvv"],
        &["peer", "ticket", "-vvv"],
        &["key", "backup", "backup"],
        &["daemon", "start", "-vvv"],
    ];
    for command in commands {
        let ran = stage.catalog("me", command).env("RUST_LOG", "trace").output().unwrap();
        assert!(ran.status.success(), "{command:?}");
        shown.push_str(&String::from_utf8_lossy(&ran.stdout));
        shown.push_str(&String::from_utf8_lossy(&ran.stderr));
    }
    let pid = stage.ok("me", &["status", "--json"]);
    let pid = serde_json::from_str::<serde_json::Value>(&pid).unwrap()["pid"].clone();
    shown.push_str(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap()));
    shown.push_str(&stage.ok("me", &["daemon", "logs", "--lines", "100000"]));
    assert!(shown.len() > 1000, "the log is empty: {shown}");
    for secret in secrets(&stage.home("me")) {
        assert!(!shown.contains(&secret), "a secret was shown");
    }
    let home = stage.home("me");
    for path in [
        home.join("data/identity.key"),
        home.join("data/node.key"),
        home.join("run/control.sock"),
        home.join("state/daemon.log"),
        stage.work().join("backup"),
    ] {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "others can use {}", path.display());
    }
}

/// Threat row 55: a key that others can read is refused by every command that would use it.
#[test]
fn a_node_does_not_start_on_an_exposed_key() {
    let stage = Stage::new();
    stage.ok("me", &["init", "--alias", "acme"]);
    for key in ["data/identity.key", "data/node.key"] {
        let path = stage.home("me").join(key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        for (command, code) in [(&["status"][..], 7), (&["daemon", "start"], 1)] {
            let ran = stage.run("me", command);
            assert_eq!(ran.code, code, "{command:?} on {key}: {}", ran.err);
            assert!(ran.err.contains("[CAT0702]"), "{command:?} on {key}: {}", ran.err);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    stage.ok("me", &["status"]);
}

/// One request over plain TCP, as a web page could send it. Answers the status line and the body.
fn over_tcp(addr: &str, headers: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/status HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// Threat row 56: HTTP is off unless asked for; asked for, a web page gets nothing out of it.
#[test]
fn a_web_page_cannot_use_the_control_interface() {
    let stage = Stage::new();
    let start = ["daemon", "start", "--json"];
    let quiet: serde_json::Value = serde_json::from_str(&stage.ok("me", &start)).unwrap();
    assert!(quiet["http"].is_null(), "HTTP is on by itself");
    stage.ok("me", &["daemon", "stop"]);

    let start = ["daemon", "start", "--json", "--http", "127.0.0.1:0"];
    let ready: serde_json::Value = serde_json::from_str(&stage.ok("me", &start)).unwrap();
    let addr = ready["http"]["addr"].as_str().unwrap();
    let token_path = PathBuf::from(ready["http"]["token_path"].as_str().unwrap());
    assert_eq!(fs::metadata(&token_path).unwrap().permissions().mode() & 0o077, 0);
    let token = fs::read_to_string(&token_path).unwrap();
    let own = format!("Host: {addr}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");

    let (status, body) = over_tcp(addr, &format!("{own}{bearer}"), "{}");
    assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
    assert!(body.contains("\"pid\""), "{body}");

    let refused = [
        ("no token", own.clone()),
        ("a wrong token", format!("{own}Authorization: Bearer {}\r\n", "0".repeat(64))),
        ("a rebound name", format!("Host: evil.example\r\n{bearer}")),
        ("no host", bearer.clone()),
        ("another page", format!("{own}{bearer}Origin: http://evil.example\r\n")),
        ("a sandboxed page", format!("{own}{bearer}Origin: null\r\n")),
    ];
    for (attack, headers) in refused {
        let (status, body) = over_tcp(addr, &headers, "{}");
        assert!(status.starts_with("HTTP/1.1 4"), "{attack}: {status} {body}");
        assert!(!body.contains("\"pid\""), "{attack}: {body}");
    }
    stage.ok("me", &["daemon", "stop"]);
    assert!(!token_path.exists(), "the token outlives its run");
}

/// Threat row 56: the HTTP side cannot be opened to other machines.
#[test]
fn the_control_interface_is_never_served_to_other_machines() {
    let stage = Stage::new();
    let ran = stage.run("me", &["daemon", "start", "--foreground", "--http", "0.0.0.0:0"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("can be reached from other machines"), "{}", ran.err);
}
