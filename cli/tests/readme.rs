//! Runs every console block of the README and compares what it prints.
//!
//! `NAME$ COMMAND` runs in the folder and home of the machine NAME; the lines up to the next prompt are what it must
//! print, on either stream. `[..]` stands for any text inside a line, a line of `...` for any number of lines.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const README: &str = include_str!("../../README.md");

/// One command of the README and the lines that must follow it.
struct Step {
    machine: String,
    command: String,
    expected: Vec<String>,
}

/// The machines of the tour; their daemons are stopped, whatever happens.
struct Machines {
    root: tempfile::TempDir,
    used: BTreeSet<String>,
}

impl Machines {
    fn run(&mut self, machine: &str, command: &str) -> Output {
        self.used.insert(machine.to_owned());
        let folder = self.root.path().join(machine);
        fs::create_dir_all(&folder).unwrap();
        let mut shell = self.shell(machine, &format!("exec 2>&1; {command}"));
        shell.current_dir(folder).output().unwrap()
    }

    fn shell(&self, machine: &str, command: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_catalog")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(PathBuf::from(binary)).chain(std::env::split_paths(&path)),
        );
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(command)
            .env("PATH", path.unwrap())
            .env("CATALOG_HOME", self.root.path().join(format!("{machine}-home")))
            .env("CATALOG_NODE_LISTEN", "127.0.0.1:0")
            .env("CATALOG_PROGRESS", "none")
            .env("NO_COLOR", "1");
        shell
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for machine in &self.used {
            let _ = self.shell(machine, "catalog daemon stop").output();
        }
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => match line.split_once("$ ") {
                Some((machine, command)) if machine.chars().all(|c| c.is_ascii_lowercase()) => {
                    let (machine, command) = (machine.to_owned(), command.to_owned());
                    steps.push(Step { machine, command, expected: Vec::new() });
                }
                _ => steps
                    .last_mut()
                    .expect("a block starts with a prompt")
                    .expected
                    .push(line.to_owned()),
            },
            _ => {}
        }
    }
    steps
}

/// Whether `line` is `pattern`, in which each `[..]` stands for any text.
fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// Whether the lines are as the patterns say; `...` stands for any number of lines.
fn lines_match(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..]))
        }
        Some((first, rest)) => lines.split_first().is_some_and(|(line, after)| {
            line_matches(first, line.trim_end()) && lines_match(rest, after)
        }),
    }
}

#[test]
fn every_block_of_the_readme_prints_what_it_shows() {
    let steps = steps(README);
    assert!(steps.len() > 10, "the tour was not found in the README");
    let mut machines = Machines { root: tempfile::tempdir().unwrap(), used: BTreeSet::new() };
    for Step { machine, command, expected } in steps {
        let output = machines.run(&machine, &command);
        let printed = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = printed.lines().collect();
        let expected_text = expected.join("\n");
        assert!(
            lines_match(&expected, &lines),
            "{machine}$ {command}\n--- the README shows\n{expected_text}\n--- it printed\n{printed}"
        );
    }
}

#[test]
fn wildcards_match_what_they_should_and_no_more() {
    assert!(
        line_matches("a[..]c", "abc") && line_matches("[..]", "") && line_matches("abc", "abc")
    );
    assert!(
        !line_matches("a[..]c", "abcd")
            && !line_matches("abc", "abcd")
            && !line_matches("a[..]b[..]c", "acb")
    );
    let patterns = ["one", "...", "two"].map(String::from);
    assert!(
        lines_match(&patterns, &["one", "x", "two"]) && lines_match(&patterns, &["one", "two"])
    );
    assert!(!lines_match(&patterns, &["one", "x"]) && !lines_match(&patterns, &["two"]));
}
