//! A machine of a journey: the real program in a folder of its own.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::network::Host;

/// One node: its folder, and the program run in it.
#[derive(Debug)]
pub struct Machine {
    home: PathBuf,
    /// The network namespace in which it runs; absent for ours.
    network: Option<Host>,
    /// Removed with the machine; absent when the folder is somebody else's.
    _dir: Option<TempDir>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it printed as data.
    pub stdout: Vec<u8>,
    /// What it said.
    pub stderr: String,
    /// From start to exit.
    pub took: Duration,
    command: String,
}

/// A node that others can reach, as a child process.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    ready: Value,
    // The program ends when nobody reads what it prints any more.
    _stdout: BufReader<ChildStdout>,
}

/// The program under test: `CATALOG_BIN`, or the one that was built beside this test.
///
/// # Panics
/// When there is none.
pub fn program() -> PathBuf {
    if let Some(path) = env::var_os("CATALOG_BIN") {
        return path.into();
    }
    let test = env::current_exe().unwrap();
    let beside = test.ancestors().skip(1).take(3).map(|dir| dir.join("catalog"));
    beside.into_iter().find(|path| path.is_file()).expect("run `cargo build` before this test")
}

impl Machine {
    /// A new machine in a temporary folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { home: dir.path().join("home"), network: None, _dir: Some(dir) }
    }

    /// The machine in `home`, which stays.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), network: None, _dir: None }
    }

    /// The machine in `home` that is a host of its own in a network.
    pub fn on(home: impl Into<PathBuf>, host: Host) -> Self {
        Self { home: home.into(), network: Some(host), _dir: None }
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The program in this home, without settings of the person who runs the test.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = match &self.network {
            Some(host) => host.command(&program()),
            None => Command::new(program()),
        };
        for (name, _) in env::vars_os() {
            let ours = name.to_str().is_some_and(|name| name.starts_with("CATALOG_"));
            if ours {
                command.env_remove(name);
            }
        }
        command.arg("--home").arg(&self.home).args(["--no-input", "-y"]).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end, however it ends.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        let mut command = self.command(args);
        let start = Instant::now();
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Outcome::of(&command, output, start.elapsed())
    }

    /// Runs a command that must succeed, and reads what it prints as one JSON document.
    pub fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Value {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let format = ["--json", "--no-progress"].map(Into::into);
        self.run(format.into_iter().chain(args)).ok().json()
    }

    /// Makes the identity to publish with.
    pub fn init(&self, alias: &str) -> Value {
        self.json(["init", "--alias", alias])
    }

    /// Starts its node, on a loopback port unless it is a host of its own, and waits until it
    /// answers.
    ///
    /// # Panics
    /// When it does not start: after a fault, that is what the test looks for.
    pub fn daemon(&self) -> Daemon {
        let log = self.home.with_extension("log");
        let mut command = self.command(["--format", "jsonl", "daemon", "start", "--foreground"]);
        let addr = self.network.as_ref().map_or(Ipv4Addr::LOCALHOST, |host| host.addr);
        command.args(["--listen", &format!("{addr}:0")]).stdout(Stdio::piped());
        command.stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let _ = child.kill();
            let status = child.wait().unwrap();
            let said = fs::read_to_string(&log).unwrap();
            panic!("{command:?} ended with {status}: {line}{said}");
        };
        Daemon { child, ready, _stdout: stdout }
    }

    /// Meets the node of `daemon`, and tells what that took.
    pub fn meet(&self, daemon: &Daemon) -> Value {
        self.json(["peer", "add", daemon.ticket()])
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    fn of(command: &Command, output: Output, took: Duration) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took,
            command: format!("{:?}", command.get_args().collect::<Vec<_>>()),
        }
    }

    /// Itself, when the command succeeded.
    ///
    /// # Panics
    /// With everything that was said when it did not.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// What was printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What was printed, as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ended with {:?}", self.command, self.code)?;
        write!(f, "{}{}", self.text(), self.stderr)
    }
}

impl Daemon {
    /// The ticket by which others reach it.
    pub fn ticket(&self) -> &str {
        self.ready["ticket"].as_str().expect("a node that is ready has a ticket")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
