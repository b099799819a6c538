//! `index`: the search index, which can always be made again from the store.

use catalog_node::Rebuilt;
use catalog_node::control::requests::IndexRebuild;
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::IndexCommand;
use crate::line::Line;
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Does what the command says.
pub fn index(session: &Session, command: &IndexCommand) -> Result<(), Stop> {
    match command {
        IndexCommand::Rebuild => rebuild(session),
    }
}

fn rebuild(session: &Session) -> Result<(), Stop> {
    let rebuilt = session.ask(async |control| {
        let mut bars = session.bars();
        let rebuilt = control.follow(&IndexRebuild {}, |event| bars.index(&event)).await;
        bars.end();
        Ok(rebuilt?)
    })?;
    session.screen.emit(&Done(rebuilt))
}

/// One line about an index that was built anew by itself.
pub fn mended(rebuilt: &Rebuilt) -> String {
    let Rebuilt { why, packages } = rebuilt;
    format!("the search index was built anew, {}: {why}", counted(*packages, "package"))
}

struct Done(Rebuilt);

impl Document for Done {
    const SCHEMA: &'static str = "catalog.index/1";

    fn json(&self) -> Value {
        json!({ "packages": self.0.packages })
    }

    fn human(&self) -> Vec<Line> {
        let packages = counted(self.0.packages, "package");
        vec![Line::done().text(format!("the search index was built anew: {packages}"))]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.packages.to_string()]
    }
}
