//! `limits`: how fast a running node sends to its peers and takes from them, and when.

use catalog_node::control::requests::{Direction, Limits, LineUse};
use catalog_node::shaping::policy::{Background, Metered, Pause, WhenScarce};
use serde_json::{Value, json};

use super::daemon::no_daemon;
use crate::args::LimitsArgs;
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Shows the limits, after those that are given were set.
pub fn limits(session: &Session, args: &LimitsArgs) -> Result<(), Stop> {
    let request = request(args);
    let (line, is_running) = session.ask(async |control| {
        if request.sets_any() && !control.is_attached() {
            return Err(no_daemon());
        }
        Ok((control.ask(&request).await?, control.is_attached()))
    })?;
    if request.sets_any() {
        session.screen.say(
            &Line::done()
                .text("set until the node ends")
                .ink(Ink::Dim, "   catalog config set upload.limit keeps it for good"),
        );
    }
    session.screen.emit(&Now { line, is_running })
}

fn request(args: &LimitsArgs) -> Limits {
    Limits {
        upload: Direction { total: args.upload, peer: args.upload_per_peer, burst: args.burst },
        download: Direction {
            total: args.download,
            peer: args.download_per_peer,
            burst: args.download_burst,
        },
        schedule: args.schedule.clone(),
        background: args.background,
        pause_on_battery: args.pause_on_battery,
        metered: args.metered,
    }
}

struct Now {
    line: LineUse,
    is_running: bool,
}

impl Now {
    /// What is decided, by which setting, how.
    fn rows(&self) -> Vec<(&'static str, &'static str, String)> {
        let policy = &self.line.policy;
        let (up, down) = (policy.upload, policy.download);
        let is = |is: bool| is.to_string();
        vec![
            ("upload, all peers", "upload.limit", up.total.to_string()),
            ("upload, each peer", "upload.limit_per_peer", up.peer.to_string()),
            ("upload, after a silence", "upload.burst", up.burst.to_string()),
            ("download, all peers", "download.limit", down.total.to_string()),
            ("download, each peer", "download.limit_per_peer", down.peer.to_string()),
            ("download, after a silence", "download.burst", down.burst.to_string()),
            ("by the time of day", "line.schedule", policy.schedule.to_string()),
            ("yields to other traffic", "line.background", is(policy.background == Background::On)),
            (
                "for others not on battery",
                "line.pause_on_battery",
                is(policy.on_battery == WhenScarce::Pause),
            ),
            ("bytes cost money", "line.metered", is(policy.metered == Metered::Yes)),
        ]
    }

    /// What of it holds at this moment, where that is something else.
    fn moment(&self) -> Vec<Line> {
        let LineUse { policy, now } = &self.line;
        let mut lines = Vec::new();
        if (now.upload, now.download) != (policy.upload, policy.download) {
            let (up, down) = (now.upload.total, now.download.total);
            let words = format!("now, by the schedule: upload {up}, download {down}");
            lines.push(Line::new().ink(Ink::Accent, words));
        }
        let why = now.pause.map(|pause| match pause {
            Pause::Battery => "this machine runs on battery",
            Pause::Metered => "bytes cost money",
        });
        lines.extend(why.map(|why| {
            Line::new().ink(Ink::Warn, format!("now: what others want waits, because {why}"))
        }));
        lines
    }
}

impl Document for Now {
    const SCHEMA: &'static str = "catalog.limits/1";

    fn json(&self) -> Value {
        let mut document = json!(self.line.policy);
        document["now"] = json!(self.line.now);
        document["running"] = json!(self.is_running);
        document
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&["WHAT", "IS", "SETTING"]);
        for (what, setting, value) in self.rows() {
            table.row([what.into(), value.into(), Line::new().ink(Ink::Dim, setting)]);
        }
        let mut lines = table.lines(0);
        lines.extend(self.moment());
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.rows().iter().map(|(_, setting, value)| columns([setting, value])).collect()
    }
}
