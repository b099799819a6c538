//! Plays transcripts: the `console` blocks of a Markdown page, command by command.
//!
//! `$ ` starts a command, `> ` goes on with it; `desk$ ` runs it at the home called desk, a plain
//! `$ ` at the one called me. What follows is everything it must print, stdout and stderr as a
//! terminal shows them: `[..]` stands for anything inside a line, `...` for any lines. `? 3` at the
//! end is the exit code; without it, 0. All blocks of a page share a shell, so `cd` and variables
//! last.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub const CATALOG: &str = env!("CARGO_BIN_EXE_catalog");

/// A folder with homes in it, and nothing of the user who runs the tests.
pub struct Stage {
    dir: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("catalog-test-").tempdir().unwrap();
        fs::create_dir_all(dir.path().join("user")).unwrap();
        fs::create_dir_all(dir.path().join("work")).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where commands start.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The home of that name.
    pub fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Any program, with an environment of its own.
    pub fn program(&self, name: &str) -> Command {
        let bin = Path::new(CATALOG).parent().unwrap();
        let mut command = Command::new(name);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .env("HOME", self.home("user"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .env("CATALOG_HOME", self.home("me"))
            .env("CATALOG_PROGRESS", "none")
            .env("CATALOG_NODE_LISTEN", "127.0.0.1:0")
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// The program under test at the home called `home`.
    pub fn catalog(&self, home: &str, args: &[&str]) -> Command {
        let mut command = self.program(CATALOG);
        command.env("CATALOG_HOME", self.home(home)).args(args);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, home: &str, args: &[&str]) -> Ran {
        Ran::of(self.catalog(home, args).output().unwrap())
    }

    /// Runs it, and says what it printed when it fails.
    pub fn ok(&self, home: &str, args: &[&str]) -> String {
        let ran = self.run(home, args);
        assert_eq!(ran.code, 0, "catalog {args:?}\n{}{}", ran.out, ran.err);
        ran.out
    }

    /// Plays every block of a page.
    pub fn play(&self, page: &str, markdown: &str) {
        let steps = steps(markdown);
        assert!(!steps.is_empty(), "{page} has no console blocks");
        let script = self.script(&steps);
        let status = self.program("sh").arg(&script).status().unwrap();
        assert!(status.success(), "{page}: the shell itself failed");
        let mut wrong = String::new();
        for (at, step) in steps.iter().enumerate() {
            let printed = fs::read(self.path().join(format!("{at}.out"))).unwrap();
            let printed = String::from_utf8_lossy(&printed);
            let printed: Vec<&str> = printed.lines().collect();
            let code = fs::read_to_string(self.path().join(format!("{at}.code"))).unwrap();
            let code: i32 = code.trim().parse().unwrap();
            if code != step.code || !matches(&step.expected, &printed) {
                write!(
                    wrong,
                    "\n{page}:{}: {}\n--- expected, code {}\n{}\n--- printed, code {code}\n{}\n",
                    step.line,
                    step.command,
                    step.code,
                    step.expected.join("\n"),
                    printed.join("\n")
                )
                .unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    fn script(&self, steps: &[Step]) -> PathBuf {
        let mut script = String::new();
        for (at, step) in steps.iter().enumerate() {
            let home = self.home(&step.home).display().to_string();
            let out = self.path().join(at.to_string()).display().to_string();
            writeln!(
                script,
                "CATALOG_HOME='{home}'; export CATALOG_HOME\n{{ {}\n}} >'{out}.out' 2>&1\necho $? >'{out}.code'",
                step.command
            )
            .unwrap();
        }
        let path = self.path().join("script");
        fs::write(&path, script).unwrap();
        path
    }
}

impl Drop for Stage {
    /// Ends the nodes that were started here, also when a test failed.
    fn drop(&mut self) {
        for entry in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            if entry.path().join("run/control.sock").exists() {
                let home = entry.file_name().into_string().unwrap();
                let _ = self.catalog(&home, &["daemon", "stop"]).output();
            }
        }
    }
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// One command of a page.
struct Step {
    line: usize,
    home: String,
    command: String,
    expected: Vec<String>,
    code: i32,
}

fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (at, line) in markdown.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside && line.trim() == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some((home, command)) = prompt(line) {
            let (home, command) = (home.to_owned(), command.to_owned());
            steps.push(Step { line: at + 1, home, command, expected: Vec::new(), code: 0 });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("line {}: no command yet", at + 1));
        match (line.strip_prefix("> "), line.strip_prefix("? ")) {
            (Some(more), _) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            (_, Some(code)) => step.code = code.trim().parse().unwrap(),
            _ => step.expected.push(line.trim_end().to_owned()),
        }
    }
    steps
}

/// The home and the command of a line such as `desk$ catalog list`.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (home, command) = line.split_once("$ ")?;
    let is_name = home.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_name.then_some((if home.is_empty() { "me" } else { home }, command))
}

fn matches(expected: &[String], printed: &[&str]) -> bool {
    match (expected, printed) {
        ([], []) => true,
        ([wild, rest @ ..], _) if wild == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        ([first, expected @ ..], [line, printed @ ..]) => {
            line_matches(first, line.trim_end()) && matches(expected, printed)
        }
        _ => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((before, after)) => match line.strip_prefix(before) {
            None => false,
            Some(rest) => rest
                .char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| line_matches(after, &rest[at..])),
        },
    }
}

#[test]
fn wildcards_stand_for_anything_in_a_line_and_for_any_lines() {
    assert!(line_matches("a[..]c", "abc"));
    assert!(line_matches("[..]c[..]", "abcd"));
    assert!(!line_matches("a[..]c", "abd"));
    let expected = ["x", "...", "z"].map(str::to_owned);
    assert!(matches(&expected, &["x", "y", "y", "z"]));
    assert!(matches(&expected, &["x", "z"]));
    assert!(!matches(&expected, &["x", "y"]));
}
