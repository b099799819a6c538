//! Leaves a node running in the background, and reads what it logs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use catalog_node::NodeConfig;
use catalog_node::control::{Code, Control, Failure};
use serde_json::{Value, json};

use super::POLL;
use crate::args::DaemonStartArgs;
use crate::line::{Line, paragraph};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// How long a node may take until it answers.
const START_WAIT_MAX: Duration = Duration::from_secs(30);
/// The most of the log that is read for its last lines.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// A longer log is begun anew at the next start; the old one is kept beside it once.
const LOG_BYTES_KEPT: u64 = 8 << 20;

/// Starts this program again, without a terminal, and waits until it answers.
pub async fn start(
    session: &Session,
    args: &DaemonStartArgs,
    config: &NodeConfig,
) -> Result<Control, Failure> {
    let failed = |error| Failure::of(Code::DAEMON_FAILED, &error);
    let log = session.places.log_file();
    make_room(&log).map_err(failed)?;
    let from = log_end(&log);
    let mut child = detach(session, args, &log).map_err(failed)?;
    wait_until_ready(config, &mut child, &log, from).await
}

/// Makes the folder of the log, and puts a log that has grown long aside.
fn make_room(log: &Path) -> io::Result<()> {
    fs::create_dir_all(log.parent().unwrap_or(Path::new(".")))?;
    if log_end(log) > LOG_BYTES_KEPT {
        fs::rename(log, log.with_extension("log.old"))?;
    }
    Ok(())
}

fn detach(session: &Session, args: &DaemonStartArgs, log: &Path) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(session.again()).args(["daemon", "start", "--foreground", "--detached"]);
    if let Some(addr) = args.listen {
        command.arg("--listen").arg(addr.to_string());
    }
    if let Some(addr) = args.http {
        command.arg("--http").arg(addr.to_string());
    }
    if args.lan {
        command.arg("--lan");
    }
    // In `/`, so that no folder is kept busy; every path we pass on is absolute.
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}

async fn wait_until_ready(
    config: &NodeConfig,
    child: &mut Child,
    log: &Path,
    from: u64,
) -> Result<Control, Failure> {
    let began = Instant::now();
    loop {
        if let Some(control) = Control::attach(config).await {
            return Ok(control);
        }
        let ended = child.try_wait().map_err(|error| Failure::of(Code::DAEMON_FAILED, &error))?;
        if ended.is_some() || began.elapsed() > START_WAIT_MAX {
            let why = match ended {
                Some(_) => "the node did not start",
                None => "the node does not answer",
            };
            let said = log_since(log, from);
            let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
            // The child ends with its own error, cause and hint lines.
            return Err(said
                .take(8)
                .fold(Failure::new(Code::DAEMON_FAILED, why), |failure, line| failure.cause(line))
                .hint("catalog daemon start --foreground shows what happens"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Prints the end of the log.
pub fn logs(session: &Session, lines: usize) -> Result<(), Stop> {
    let path = session.places.log_file();
    if !path.is_file() {
        return Err(Failure::new(Code::NO_DAEMON, "there is no log: no node was started here")
            .cause(path.display())
            .hint("catalog daemon start starts one")
            .into());
    }
    let from = log_end(&path).saturating_sub(LOG_BYTES_MAX);
    session.screen.emit(&Log { text: log_since(&path, from), lines })
}

struct Log {
    text: String,
    lines: usize,
}

impl Log {
    fn last(&self) -> impl Iterator<Item = &str> {
        let count = self.text.lines().count();
        self.text.lines().skip(count.saturating_sub(self.lines))
    }
}

impl Document for Log {
    const SCHEMA: &'static str = "catalog.daemon.logs/1";

    fn json(&self) -> Value {
        json!({ "lines": self.last().collect::<Vec<_>>() })
    }

    fn human(&self) -> Vec<Line> {
        self.last().flat_map(paragraph).collect()
    }

    fn plain(&self) -> Vec<String> {
        self.last().map(str::to_owned).collect()
    }
}

fn log_end(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// What the log holds after `from`; empty when it cannot be read.
fn log_since(path: &Path, from: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
