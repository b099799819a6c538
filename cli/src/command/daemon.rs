//! `daemon`: the node that others can reach.
//!
//! In the background it is this program again, in a session of its own, writing to a log file; the
//! command that started it waits until it answers. It is never started by anything else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use catalog_node::control::requests::{PeerTicket, Served, Status, Stop as StopNode};
use catalog_node::control::serve::{Http, Serving};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::status;
use catalog_node::{Node, NodeConfig};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::upkeep::Now;
use crate::args::{DaemonCommand, DaemonStartArgs};
use crate::line::{Ink, Line, paragraph};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// How long a node may take until it answers.
const START_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a node may take to end in good order.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often that is looked at.
const POLL: Duration = Duration::from_millis(20);
/// The most of the log that is read for its last lines.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// A longer log is begun anew at the next start; the old one is kept beside it once.
const LOG_BYTES_KEPT: u64 = 8 << 20;

/// Does something with the daemon.
pub fn daemon(session: &Session, command: &DaemonCommand) -> Result<(), Stop> {
    match command {
        DaemonCommand::Start(args) if args.foreground => foreground(session, args),
        DaemonCommand::Start(args) => background(session, args),
        DaemonCommand::Stop => stop(session),
        DaemonCommand::Status => status(session),
        DaemonCommand::Logs { lines } => logs(session, *lines),
        DaemonCommand::Install { dry_run } => install(session, *dry_run),
    }
}

fn config(session: &Session, args: &DaemonStartArgs) -> NodeConfig {
    let mut config = session.node_config();
    if let Some(addr) = args.listen {
        config = config.listen(addr);
    }
    if args.lan {
        config = config.lan_discovery(true);
    }
    config
}

/// Runs the node in this process until somebody ends it.
fn foreground(session: &Session, args: &DaemonStartArgs) -> Result<(), Stop> {
    if args.detached {
        // Away from the terminal that started us: closing it is not meant for the node.
        rustix::process::setsid()
            .map_err(|error| Failure::of(Code::DAEMON_FAILED, &io::Error::from(error)))?;
    }
    let http = args.http.or_else(|| session.settings.parsed("daemon.http"));
    session.block_on(async {
        let config = config(session, args);
        if Control::attach(&config).await.is_some() {
            return Err(already_running());
        }
        // From here on a signal ends the node in good order.
        let mut signals = Signals::catch()?;
        let node = tokio::select! {
            node = open(session, &config) => node?,
            () = signals.any() => return Ok(()),
        };
        let result = serve(session, &node, http, &mut signals).await;
        let _ = node.shutdown().await;
        result
    })
}

async fn open(session: &Session, config: &NodeConfig) -> Result<Node, Failure> {
    let node = Control::spawn(config, |pid| session.tell_waiting(pid)).await?;
    match node.online().await {
        Ok(()) => Ok(node),
        Err(error) => {
            let _ = node.shutdown().await;
            Err(Failure::from(error))
        }
    }
}

async fn serve(
    session: &Session,
    node: &Node,
    http: Option<SocketAddr>,
    signals: &mut Signals,
) -> Result<(), Stop> {
    let serving = Serving::start(node, http).await.map_err(Failure::from)?;
    let ready = Ready {
        pid: std::process::id(),
        listening: node.addrs(),
        ticket: node.ticket().await.map_err(Failure::from)?.to_string(),
        http: serving.http().cloned(),
        log: None,
    };
    session.screen.emit(&ready)?;
    tokio::select! {
        () = signals.any() => {}
        () = serving.asked_to_stop() => {}
    }
    session.screen.say(&Line::from("stopping"));
    serving.end().await;
    Ok(())
}

/// The signals that end a node. A closed terminal does not.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    _hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::of(Code::DAEMON_FAILED, &error));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            _hangup: on(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn already_running() -> Stop {
    Failure::new(Code::DAEMON_RUNS, "a node is running already")
        .hint("catalog daemon status shows it")
        .into()
}

/// Starts this program again, without a terminal, and waits until it answers.
fn background(session: &Session, args: &DaemonStartArgs) -> Result<(), Stop> {
    let config = config(session, args);
    let log = session.places.log_file();
    session.block_on(async {
        if Control::attach(&config).await.is_some() {
            return Err(already_running());
        }
        let from = log_end(&log);
        let mut child = detach(session, args, &log)
            .map_err(|error| Failure::of(Code::DAEMON_FAILED, &error))?;
        let control = wait_until_ready(&config, &mut child, &log, from).await?;
        let status = control.ask(&Status {}).await?;
        let ready = Ready {
            pid: status.pid,
            listening: status.listening,
            ticket: control.ask(&PeerTicket {}).await?,
            http: control.ask(&Served {}).await?,
            log: Some(log),
        };
        session.screen.emit(&ready)
    })
}

fn detach(session: &Session, args: &DaemonStartArgs, log: &Path) -> io::Result<Child> {
    let dir = log.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    if log_end(log) > LOG_BYTES_KEPT {
        fs::rename(log, log.with_extension("log.old"))?;
    }
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

struct Ready {
    pid: u32,
    listening: Vec<SocketAddr>,
    ticket: String,
    http: Option<Http>,
    log: Option<PathBuf>,
}

impl Document for Ready {
    const SCHEMA: &'static str = "catalog.daemon/1";

    fn json(&self) -> Value {
        json!({
            "pid": self.pid,
            "listening": self.listening,
            "ticket": self.ticket,
            "http": self.http,
            "log": self.log,
        })
    }

    fn human(&self) -> Vec<Line> {
        let addrs: Vec<_> = self.listening.iter().map(ToString::to_string).collect();
        let mut lines = vec![Line::done().text("node running").text(format!(
            " (pid {}), {}, no relay",
            self.pid,
            addrs.join(" ")
        ))];
        if let Some(http) = &self.http {
            let token = http.token_path.display();
            lines.push(Line::from(format!("  http     http://{}   token in {token}", http.addr)));
        }
        if let Some(log) = &self.log {
            lines.push(Line::from(format!("  log      {}", log.display())));
        }
        lines.push(Line::new().text("  ticket   ").ink(Ink::Accent, &self.ticket));
        lines
    }

    fn plain(&self) -> Vec<String> {
        vec![self.ticket.clone()]
    }
}

fn no_daemon() -> Stop {
    Failure::new(Code::NO_DAEMON, "no node is running here")
        .hint("catalog daemon start starts one")
        .into()
}

/// Ends the running node and waits until it has let go of the store.
fn stop(session: &Session) -> Result<(), Stop> {
    session.block_on(async {
        let config = session.node_config();
        let control = Control::attach(&config).await.ok_or_else(no_daemon)?;
        let pid = control.ask(&Status {}).await?.pid;
        control.ask(&StopNode {}).await?;
        let began = Instant::now();
        while Control::is_held(&config) {
            if began.elapsed() > STOP_WAIT_MAX {
                let words = format_args!("process {pid} is still ending");
                return Err(Failure::new(Code::STORE_HELD, words)
                    .hint("try again in a moment")
                    .into());
            }
            tokio::time::sleep(POLL).await;
        }
        session.screen.emit(&Stopped { pid })
    })
}

struct Stopped {
    pid: u32,
}

impl Document for Stopped {
    const SCHEMA: &'static str = "catalog.daemon.stop/1";

    fn json(&self) -> Value {
        json!({ "pid": self.pid })
    }

    fn human(&self) -> Vec<Line> {
        vec![Line::done().text(format!("node stopped (pid {})", self.pid))]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.pid.to_string()]
    }
}

/// Says whether a node is running; fails when none is.
fn status(session: &Session) -> Result<(), Stop> {
    let status: status::Status = session.block_on(async {
        let control = Control::attach(&session.node_config()).await.ok_or_else(no_daemon)?;
        Ok(control.ask(&Status {}).await?)
    })?;
    session.screen.emit(&Now { status, is_running: true })
}

/// Prints the end of the log.
fn logs(session: &Session, lines: usize) -> Result<(), Stop> {
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

/// Writes a unit that starts the node when its user logs in.
fn install(session: &Session, dry_run: bool) -> Result<(), Stop> {
    let program = std::env::current_exe().map_err(|error| Failure::of(Code::IO, &error))?;
    let unit = unit(&program, &session.again());
    let folder = crate::places::systemd_folder()?;
    let path = folder.join("catalog.service");
    if !dry_run {
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &unit)).map_err(|error| {
            Failure::new(Code::IO, format_args!("cannot write {}", path.display()))
                .caused_by(Some(&error))
        })?;
    }
    session.screen.emit(&Unit { path, unit, dry_run })
}

/// A unit with the rights that a node needs and no more.
fn unit(program: &Path, again: &[std::ffi::OsString]) -> String {
    let quoted = |text: &std::ffi::OsStr| {
        let text = text.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{}\"", text.replace('%', "%%"))
    };
    let words: Vec<String> = std::iter::once(program.as_os_str())
        .chain(again.iter().map(AsRef::as_ref))
        .map(quoted)
        .collect();
    format!(
        "[Unit]\n\
         Description=catalog node\n\
         After=network.target\n\n\
         [Service]\n\
         ExecStart={} daemon start --foreground\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         NoNewPrivileges=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         SystemCallArchitectures=native\n\
         UMask=0077\n\n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    )
}

struct Unit {
    path: PathBuf,
    unit: String,
    dry_run: bool,
}

impl Document for Unit {
    const SCHEMA: &'static str = "catalog.daemon.install/1";

    fn json(&self) -> Value {
        json!({ "path": self.path, "unit": self.unit, "dry_run": self.dry_run })
    }

    fn human(&self) -> Vec<Line> {
        if self.dry_run {
            return paragraph(&self.unit).collect();
        }
        vec![
            Line::done().text(format!("wrote {}", self.path.display())),
            Line::new().ink(Ink::Accent, "Next: ").text("systemctl --user enable --now catalog"),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.path.display().to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_quotes_what_a_folder_may_be_called() {
        let unit = unit(Path::new("/opt/my tools/catalog"), &["--home".into(), "/a\"b%c".into()]);
        let start = "ExecStart=\"/opt/my tools/catalog\" \"--home\" \"/a\\\"b%%c\" daemon start --foreground";
        assert!(unit.lines().any(|line| line == start), "{unit}");
    }
}
