//! `carry`: what others sealed is kept for them, and handed on, unread.

use catalog::size::ByteSize;
use catalog_node::control::requests::{Carry, HandOver};
use catalog_node::parcels::{Carried, HandedOver};
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::CarryArgs;
use crate::line::{Ink, Line, Table};
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Hands a release over to be carried, or carries what was handed over.
pub fn carry(session: &Session, args: CarryArgs) -> Result<(), Stop> {
    match args.reference {
        Some(reference) => {
            let request = HandOver { reference, nodes: args.to };
            let handed = session.ask(async |control| Ok(control.ask(&request).await?))?;
            session.screen.emit(&Handed(handed))
        }
        None => {
            let carried = session.ask(async |control| Ok(control.ask(&Carry {}).await?))?;
            session.screen.emit(&Listed(carried))
        }
    }
}

struct Handed(HandedOver);

impl Document for Handed {
    const SCHEMA: &'static str = "catalog.handed-over/1";

    fn json(&self) -> Value {
        let HandedOver { stated, reference, nodes, contents } = &self.0;
        json!({
            "release": reference,
            "nodes": nodes,
            "contents": contents,
            "statement": stated,
        })
    }

    fn human(&self) -> Vec<Line> {
        let HandedOver { stated, reference, nodes, contents } = &self.0;
        let whom: Vec<String> = nodes.iter().map(|node| node.short()).collect();
        let size: ByteSize = contents.iter().map(|content| content.size).sum();
        let said = format!("{} may carry {reference}, {size}, unread", whom.join(", "));
        let then = "  they fetch it with: catalog carry";
        let entry = format!("   log entry {}", stated.seq);
        vec![Line::done().text(said).text(entry), Line::from(then.to_owned())]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.stated.id.to_string()]
    }
}

struct Listed(Vec<Carried>);

impl Document for Listed {
    const SCHEMA: &'static str = "catalog.carried/1";

    fn json(&self) -> Value {
        json!({ "carried": self.0 })
    }

    fn human(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return vec![Line::done().text("nothing was handed to this node to carry")];
        }
        let mut table = Table::bare();
        for carried in &self.0 {
            let moved = ByteSize::bytes(carried.bytes_moved);
            let state = match &carried.error {
                None => Line::new().ink(Ink::Good, format!("here, moved {moved}")),
                Some(error) => Line::new().ink(Ink::Bad, error.clone()),
            };
            table.row([carried.shown.clone().into(), carried.size.to_string().into(), state]);
        }
        let mut lines = table.lines(0);
        let sum = counted(self.0.len() as u64, "content");
        lines.push(Line::from(format!("{sum}, kept sealed for those who may read them")));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let state = |carried: &Carried| carried.error.clone().unwrap_or_else(|| "here".to_owned());
        let row =
            |carried: &Carried| format!("{}\t{}\t{}", carried.root, carried.size, state(carried));
        self.0.iter().map(row).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|carried| json!(carried)).collect())
    }
}
