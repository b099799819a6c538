//! `init`: makes the identity that signs, and says what to do next.

use catalog_node::Owner;
use catalog_node::control::requests::{Init, Status};
use serde_json::{Value, json};

use super::profile::in_a_line;
use crate::args::InitArgs;
use crate::line::{Ink, Line};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Makes an identity, or shows the one there is.
pub fn init(session: &Session, args: &InitArgs) -> Result<(), Stop> {
    let (owner, status) = session.ask(async |control| {
        let owner = control.ask(&Init { alias: args.alias.clone() }).await?;
        Ok((owner, control.ask(&Status {}).await?))
    })?;
    let config = session.node_config();
    let ready = Ready {
        owner,
        node: status.node.to_string(),
        key: config.identity_path().display().to_string(),
        profile: in_a_line(&session.this_machine()),
        store: config.home().data.display().to_string(),
        free: status.free.map(|free| free.to_string()),
    };
    session.screen.emit(&ready)
}

struct Ready {
    owner: Owner,
    node: String,
    key: String,
    profile: String,
    store: String,
    free: Option<String>,
}

impl Document for Ready {
    const SCHEMA: &'static str = "catalog.init/1";

    fn json(&self) -> Value {
        json!({
            "owner": self.owner,
            "node": self.node,
            "key": self.key,
            "profile": self.profile,
            "store": self.store,
        })
    }

    fn human(&self) -> Vec<Line> {
        let alias = self.owner.alias.as_ref().map(|alias| format!("{alias}  ")).unwrap_or_default();
        let made = if self.owner.created { "ed25519" } else { "was here already" };
        let free = self.free.as_ref().map(|free| format!(", {free} free")).unwrap_or_default();
        vec![
            Line::done()
                .text("key      ")
                .ink(Ink::Strong, alias)
                .text(&self.owner.fingerprint)
                .text(format!("   {made}, {} (0600). Back it up: catalog key backup", self.key)),
            Line::done().text("profile  ").text(&self.profile),
            Line::done().text("store    ").text(&self.store).text(free),
            Line::new()
                .ink(Ink::Accent, "Next: ")
                .text("catalog search …   catalog new …   catalog demo"),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.owner.publisher.to_string()]
    }
}
