//! `peer`: other nodes.

use catalog::size::ByteSize;
use catalog_node::control::requests::{PeerAdd, PeerList, PeerPing, PeerRemove, PeerTicket};
use catalog_node::control::{Code, Failure};
use catalog_node::sources::Standing;
use catalog_node::{Connected, PeerInfo, Said, SyncReport};
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::PeerCommand;
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Does something with peers.
pub fn peer(session: &Session, command: &PeerCommand) -> Result<(), Stop> {
    match command {
        PeerCommand::Add { ticket } => {
            let request = PeerAdd { ticket: ticket.clone() };
            let met = session.ask(async |control| Ok(control.ask(&request).await?))?;
            session.screen.emit(&Met(met))
        }
        PeerCommand::List { all } => {
            let request = PeerList { heard_of: *all };
            let peers = session.ask(async |control| Ok(control.ask(&request).await?))?;
            if peers.is_empty() {
                session.screen.say(&Line::from("no peers yet: catalog peer add TICKET"));
            }
            session.screen.emit(&Peers(peers))
        }
        PeerCommand::Remove { peer } => {
            let request = PeerRemove { peer: peer.clone() };
            let gone = session.ask(async |control| Ok(control.ask(&request).await?))?;
            session.screen.emit(&Forgotten(gone))
        }
        PeerCommand::Ping { peer } => ping(session, peer.as_ref()),
        PeerCommand::Ticket => {
            let (ticket, is_running) = session.ask(async |control| {
                Ok((control.ask(&PeerTicket {}).await?, control.is_attached()))
            })?;
            if !is_running {
                let words =
                    "no node is running: the ticket leads nowhere until catalog daemon start";
                session.screen.warn(words);
            }
            session.screen.emit(&Ticket { ticket, is_running })
        }
    }
}

fn ping(session: &Session, peer: Option<&String>) -> Result<(), Stop> {
    let request = PeerPing { peer: peer.cloned() };
    let answers = session.ask(async |control| Ok(control.ask(&request).await?))?;
    let failed: Vec<&SyncReport> = answers.iter().filter(|answer| answer.error.is_some()).collect();
    let failure = failed.first().map(|first| {
        let words = format_args!("{} did not answer", counted(failed.len() as u64, "peer"));
        let failure = Failure::new(Code::UNREACHABLE, words).hint("is it running there?");
        match &first.error {
            Some(error) => failure.cause(error),
            None => failure,
        }
    });
    if answers.is_empty() {
        session.screen.say(&Line::from("no peers yet: catalog peer add TICKET"));
    }
    session.screen.emit(&Answers(answers))?;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

struct Met(Connected);

impl Document for Met {
    const SCHEMA: &'static str = "catalog.peer.add/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let Connected { peer, pinned, sync } = &self.0;
        let called = match pinned {
            Some(name) => {
                Line::new().text("its publisher is ").ink(Ink::Strong, name.as_str()).text(" here")
            }
            None => Line::from("no publisher"),
        };
        vec![
            Line::done().text(format!("peer     {}", peer.node.short())).text("   ").join(called),
            Line::done().text(format!(
                "records  {} new, {} in {} ms",
                sync.records_new,
                ByteSize::bytes(sync.bytes_in),
                sync.took_ms
            )),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.peer.node.to_string()]
    }
}

struct Peers(Vec<PeerInfo>);

impl Document for Peers {
    const SCHEMA: &'static str = "catalog.peers/1";

    fn json(&self) -> Value {
        json!({ "peers": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut table =
            Table::new(&["PEER", "ALIAS", "STATE", "RTT", "RATE", "HEALTH", "ADDRESSES", "SAYS"]);
        for peer in &self.0 {
            let state = match (peer.connected, peer.lan, peer.added) {
                (true, _, _) => Line::new().ink(Ink::Good, "connected"),
                (false, true, _) => Line::from("on this network"),
                (false, false, Some(_)) => Line::from("not connected"),
                (false, false, None) => Line::from("heard of"),
            };
            table.row([
                Line::new().ink(Ink::Strong, peer.node.short()),
                peer.alias.as_ref().map_or("", |alias| alias.as_str()).into(),
                match peer.measured.standing {
                    Standing::Untried | Standing::Good => state,
                    Standing::OnTrial => state.ink(Ink::Warn, ", on trial"),
                    Standing::Paused => state.ink(Ink::Warn, ", failing"),
                    Standing::Banned => state.ink(Ink::Bad, ", banned: wrong bytes"),
                },
                peer.measured.rtt_us.map(rtt).unwrap_or_default().into(),
                peer.measured.rate.map(|rate| format!("{rate}/s")).unwrap_or_default().into(),
                format!("{} %", peer.measured.health_percent).into(),
                peer.addrs.join("  ").into(),
                peer.says.as_ref().map(says).unwrap_or_default().into(),
            ]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.0.iter().map(|peer| peer.node.to_string()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|peer| json!(peer)).collect())
    }
}

/// A delay: `0.4 ms`, `35 ms`.
fn rtt(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.1} ms", micros as f64 / 1000.0),
        _ => format!("{} ms", micros / 1000),
    }
}

/// What a node says about itself, in a few words: `attic, eu-west, 12 records`.
fn says(said: &Said) -> String {
    let name = said.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
    let region = said.region.as_ref().map(|region| format!("{region}, ")).unwrap_or_default();
    format!("{name}{region}{}", counted(said.records, "record"))
}

struct Forgotten(PeerInfo);

impl Document for Forgotten {
    const SCHEMA: &'static str = "catalog.peer.remove/1";

    fn json(&self) -> Value {
        json!({ "peer": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let words = format!("forgot {}; what came from it stays", self.0.node.short());
        vec![Line::done().text(words)]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.node.to_string()]
    }
}

struct Answers(Vec<SyncReport>);

impl Document for Answers {
    const SCHEMA: &'static str = "catalog.peer.ping/1";

    fn json(&self) -> Value {
        json!({ "answers": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        let line = |answer: &SyncReport| match &answer.error {
            Some(error) => {
                Line::new().ink(Ink::Bad, "✘ ").text(format!("{}: {error}", answer.peer.short()))
            }
            None => Line::done().text(format!(
                "{} in {} ms, new records: {}",
                answer.peer.short(),
                answer.took_ms,
                answer.records_new
            )),
        };
        self.0.iter().map(line).collect()
    }

    fn plain(&self) -> Vec<String> {
        let well = self.0.iter().filter(|answer| answer.error.is_none());
        well.map(|answer| answer.peer.to_string()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|answer| json!(answer)).collect())
    }
}

/// How others reach this node.
pub struct Ticket {
    /// The line to paste.
    pub ticket: String,
    /// Whether somebody answers there.
    pub is_running: bool,
}

impl Document for Ticket {
    const SCHEMA: &'static str = "catalog.ticket/1";

    fn json(&self) -> Value {
        json!({ "ticket": self.ticket, "running": self.is_running })
    }

    fn human(&self) -> Vec<Line> {
        vec![Line::from(&self.ticket)]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.ticket.clone()]
    }
}
