//! What the surroundings do to a command: closed pipes, full disks, signals, other processes.

#![allow(clippy::unwrap_used)]

mod harness;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::{Ran, Stage};
use rustix::process::{Pid, Signal, kill_process};

/// `catalog … | head` ends quietly and with success, whatever is printed.
#[test]
fn a_closed_pipe_is_success() {
    let stage = Stage::new();
    let commands: [&[&str]; 5] = [
        &["explain"],
        &["completions", "bash"],
        &["profile", "list", "--json"],
        &["help"],
        &["config", "list", "--format", "jsonl"],
    ];
    for command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            stage.catalog("me", command).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {err}");
        assert_eq!(err, "", "{command:?}");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_not_success() {
    let stage = Stage::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(
        stage
            .catalog("me", &["profile", "list"])
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 8, "{}", ran.err);
    assert!(ran.err.starts_with("error[CAT0801]: "), "{}", ran.err);
}

/// Threat row 43, at the command line: a publish that does not fit is refused, nothing of it is
/// visible, what was there stays, and with room again it goes through.
#[test]
fn a_full_disk_stops_a_publish_and_loses_nothing() {
    let stage = Stage::new();
    stage.ok("me", &["init", "--alias", "acme"]);
    stage.ok("me", &["new", "small", "--variants", "any"]);
    stage.ok("me", &["new", "large", "--variants", "any"]);
    fs::write(stage.work().join("large/dist/any/noise"), noise(80 << 20)).unwrap();
    // A file system of our own, which is full soon; it goes with its namespace.
    let script = "mount -t tmpfs -o size=112m tmpfs \"$HOME\" && cp -r \"$CATALOG_HOME\" \"$HOME/home\" \
        && export CATALOG_HOME=\"$HOME/home\" || exit 77; \
        catalog publish -y -q --format plain small || exit 1; \
        catalog publish -y -q large; code=$?; \
        catalog search --format plain; catalog verify -q >/dev/null || exit 2; \
        mount -o remount,size=384m \"$HOME\"; \
        catalog publish -y -q --format plain large || exit 3; exit $code";
    let output = stage.program("unshare").args(["-Urm", "sh", "-c", script]).output();
    let ran = match output {
        Ok(output) => Ran::of(output),
        Err(error) => {
            eprintln!("SKIPPED: no unshare to mount a small disk with: {error}");
            return;
        }
    };
    if ran.code == 77 || ran.err.contains("unshare") {
        eprintln!("SKIPPED: cannot mount a small disk here: {}", ran.err);
        return;
    }
    assert_eq!(ran.code, 8, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("error[CAT0801]: the disk is full"), "{}", ran.err);
    assert!(ran.err.contains("hint: "), "{}", ran.err);
    let published: Vec<&str> = ran.out.lines().collect();
    assert_eq!(published, ["acme/small@0.1.0", "acme/small", "acme/large@0.1.0"], "{}", ran.err);
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// A daemon in the foreground ends in good order on SIGTERM and on Ctrl-C.
#[test]
fn a_node_ends_in_good_order_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new();
        let mut child = stage
            .catalog("me", &["daemon", "start", "--foreground", "--format", "plain"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ticket = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ticket).unwrap();
        assert!(ticket.starts_with("catalog1"), "{ticket}");
        assert!(stage.home("me").join("run/control.sock").exists());
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal:?}");
        assert!(!stage.home("me").join("run/control.sock").exists(), "the socket was left behind");
        stage.ok("me", &["search", "-q"]);
    }
}

/// Ctrl-C ends a command with 130, and the store is free again.
#[test]
fn an_interrupted_command_ends_with_130() {
    let stage = Stage::new();
    // Held by us, so that the command waits for sure.
    let store = catalog_node::NodeConfig::at(&stage.home("me")).store_dir();
    let held = catalog::store::Store::open(&store).unwrap();
    let mut child = stage.catalog("me", &["search"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(line.starts_with("waiting for process"), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).unwrap();
    assert!(rest.starts_with("error[CAT0002]: interrupted"), "{rest}");
    drop(held);
    stage.ok("me", &["search", "-q"]);
}

/// While a node is being started by somebody else, a command waits for it and then asks it.
#[test]
fn a_command_waits_for_another_that_holds_the_store() {
    let stage = Stage::new();
    let store = catalog_node::NodeConfig::at(&stage.home("me")).store_dir();
    let held = catalog::store::Store::open(&store).unwrap();
    let mut child = stage.catalog("me", &["search"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    drop(held);
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "it did not notice that the store is free");
}

/// Ten commands at once on one home all come through: none is refused, none loses anything.
#[test]
fn commands_at_the_same_time_queue_up() {
    let stage = Stage::new();
    stage.ok("me", &["init", "--alias", "acme"]);
    stage.ok("me", &["new", "notes", "--variants", "any"]);
    stage.ok("me", &["publish", "-y", "notes"]);
    let children: Vec<_> = (0..10)
        .map(|at| {
            let channel = format!("c{at}");
            let args = ["channel", "notes", &channel, "0.1.0"];
            stage.catalog("me", &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let info: serde_json::Value =
        serde_json::from_str(&stage.ok("me", &["info", "acme/notes", "--json"])).unwrap();
    assert_eq!(info["channels"].as_array().unwrap().len(), 10);
}

/// A node that is killed leaves a socket and a lock behind; neither is in the way.
#[test]
fn what_a_killed_node_leaves_behind_is_not_in_the_way() {
    let stage = Stage::new();
    let mut child = stage
        .catalog("me", &["daemon", "start", "--foreground", "--format", "plain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ticket = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ticket).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stage.home("me").join("run/control.sock").exists());
    stage.ok("me", &["search", "-q"]);
    let again = stage.ok("me", &["daemon", "start", "--format", "plain"]);
    assert_eq!(again, ticket, "the address did not stay the same");
    stage.ok("me", &["daemon", "stop"]);
}

/// The demo does what the README promises, and leaves nothing behind.
#[test]
fn the_demo_proves_the_main_job_and_cleans_up() {
    let stage = Stage::new();
    let tmp = stage.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let output = stage.catalog("me", &["demo"]).env("TMPDIR", &tmp).output().unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.lines().count() < 60, "{}", ran.out);
    assert!(ran.out.contains("Summary"), "{}", ran.out);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0, "the demo left something behind");
    assert!(!stage.home("me").exists(), "the demo touched the user's own home");

    let output = stage.catalog("me", &["demo", "--json", "--keep"]).env("TMPDIR", &tmp).output();
    let ran = Ran::of(output.unwrap());
    let proof: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(proof["schema"], "catalog.demo/1");
    assert!(fs::exists(proof["kept"].as_str().unwrap()).unwrap());
}
