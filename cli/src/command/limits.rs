//! `limits`: how fast a running node sends contents to its peers.

use catalog_node::control::requests::Limits;
use catalog_node::shaping;
use serde_json::{Value, json};

use super::daemon::no_daemon;
use crate::args::LimitsArgs;
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Shows the limits, after those that are given were set.
pub fn limits(session: &Session, args: &LimitsArgs) -> Result<(), Stop> {
    let request = Limits { total: args.upload, peer: args.upload_per_peer, burst: args.burst };
    let (limits, is_running) = session.ask(async |control| {
        if args.sets_any() && !control.is_attached() {
            return Err(no_daemon());
        }
        Ok((control.ask(&request).await?, control.is_attached()))
    })?;
    if args.sets_any() {
        session.screen.say(
            &Line::done()
                .text("set until the node ends")
                .ink(Ink::Dim, "   catalog config set upload.limit keeps it for good"),
        );
    }
    session.screen.emit(&Now { limits, is_running })
}

struct Now {
    limits: shaping::Limits,
    is_running: bool,
}

impl Now {
    /// What is limited, by which setting, to what.
    fn rows(&self) -> [(&'static str, &'static str, String); 3] {
        let shaping::Limits { total, peer, burst } = self.limits;
        [
            ("upload, all peers", "upload.limit", total.to_string()),
            ("upload, each peer", "upload.limit_per_peer", peer.to_string()),
            ("at once after a silence", "upload.burst", burst.to_string()),
        ]
    }
}

impl Document for Now {
    const SCHEMA: &'static str = "catalog.limits/1";

    fn json(&self) -> Value {
        json!({ "upload": self.limits, "running": self.is_running })
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&["WHAT", "AT MOST", "SETTING"]);
        for (what, setting, value) in self.rows() {
            table.row([what.into(), value.into(), Line::new().ink(Ink::Dim, setting)]);
        }
        table.lines(0)
    }

    fn plain(&self) -> Vec<String> {
        self.rows().map(|(_, setting, value)| columns([&setting, &value])).into()
    }
}
