//! `yank` and `channel`: what has become of a version.

use catalog_node::control::requests::{Channel, Yank};
use catalog_node::{Stated, Yanking};
use serde_json::{Value, json};

use crate::args::{ChannelArgs, YankArgs};
use crate::line::Line;
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Withdraws a version, or brings it back.
pub fn yank(session: &Session, args: &YankArgs) -> Result<(), Stop> {
    let (name, version) = (&args.name, &args.version);
    let (yanking, what) = match args.undo {
        true => (Yanking::Restore, format!("{name} {version} can be chosen again")),
        false => (
            Yanking::Yank { reason: args.reason.clone() },
            format!("{name} {version} is not chosen any more; whoever has it keeps it"),
        ),
    };
    let request = Yank { package: name.clone(), version: version.clone(), yanking };
    let stated = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Said { stated, what })
}

/// Points a channel at a version.
pub fn channel(session: &Session, args: &ChannelArgs) -> Result<(), Stop> {
    let request = Channel {
        package: args.name.clone(),
        channel: args.channel.clone(),
        version: args.version.clone(),
    };
    let stated = session.ask(async |control| Ok(control.ask(&request).await?))?;
    let what = format!("channel {} of {} points to {}", args.channel, args.name, args.version);
    session.screen.emit(&Said { stated, what })
}

struct Said {
    stated: Stated,
    what: String,
}

impl Document for Said {
    const SCHEMA: &'static str = "catalog.statement/1";

    fn json(&self) -> Value {
        json!({ "statement": self.stated, "says": self.what })
    }

    fn human(&self) -> Vec<Line> {
        let entry = match self.stated.already {
            true => "   the log says so already".to_owned(),
            false => format!("   log entry {}", self.stated.seq),
        };
        vec![Line::done().text(&self.what).text(entry)]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.stated.id.to_string()]
    }
}
