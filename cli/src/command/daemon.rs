//! `daemon`: the node that others can reach.
//!
//! In the background it is this program again, in a session of its own, writing to a log file; the
//! command that started it waits until it answers. It is never started by anything else.

mod background;
mod unit;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use catalog_node::control::requests::{PeerTicket, Served, Status, Stop as StopNode};
use catalog_node::control::serve::{Http, Serving};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::status;
use catalog_node::{Node, NodeConfig};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::publish::counted;
use super::upkeep::Now;
use crate::args::{DaemonCommand, DaemonStartArgs};
use crate::line::{Ink, Line};
use crate::screen::Document;
use crate::session::Session;
use crate::span::Span;
use crate::stop::Stop;

/// How long a node may take to end in good order.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often that is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Does something with the daemon.
pub fn daemon(session: &Session, command: &DaemonCommand) -> Result<(), Stop> {
    match command {
        DaemonCommand::Start(args) if args.foreground => foreground(session, args),
        DaemonCommand::Start(args) => in_background(session, args),
        DaemonCommand::Stop => stop(session),
        DaemonCommand::Status => status(session),
        DaemonCommand::Logs { lines } => background::logs(session, *lines),
        DaemonCommand::Install { dry_run } => unit::install(session, *dry_run),
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
    // Reachable from here on, and in touch with the peers it knows.
    match node.serve().await {
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
    // A second signal ends it at once.
    tokio::select! {
        () = leave(session, node) => {}
        () = signals.any() => {}
    }
    session.screen.say(&Line::from("stopping"));
    serving.end().await;
    Ok(())
}

/// Lets those who are being served turn to others first, so that nobody has to wait.
async fn leave(session: &Session, node: &Node) {
    let within =
        session.settings.parsed("transfer.drain").map_or(Duration::ZERO, |Span(time)| time);
    match node.sessions() {
        0 => {}
        count => session.screen.say(&Line::from(format!(
            "leaving: {} told, {} s at most",
            counted(count, "session"),
            within.as_secs()
        ))),
    }
    if !node.drain(within).await.complete {
        session.screen.warn("somebody was still being served");
    }
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

/// Leaves a node running in the background.
fn in_background(session: &Session, args: &DaemonStartArgs) -> Result<(), Stop> {
    let config = config(session, args);
    let log = session.places.log_file();
    session.block_on(async {
        if Control::attach(&config).await.is_some() {
            return Err(already_running());
        }
        let control = background::start(session, args, &config).await?;
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

/// The failure of what needs a running node.
pub(super) fn no_daemon() -> Stop {
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
