//! `fetch` and `cat`: files of packages that need not be installed.

use std::io::{self, IsTerminal, Write};

use catalog::size::ByteSize;
use catalog_node::Fetched;
use catalog_node::control::requests::{Cat, Fetch};
use serde_json::{Value, json};

use super::publish::counted;
use crate::args::{CatArgs, FetchArgs};
use crate::escape;
use crate::line::{Ink, Line};
use crate::screen::{Document, stdout_failed};
use crate::session::Session;
use crate::stop::Stop;

/// Fetches files into the store.
pub fn fetch(session: &Session, args: &FetchArgs) -> Result<(), Stop> {
    let request = Fetch {
        reference: args.reference.clone(),
        paths: args.paths.clone(),
        background: args.background,
        strategy: session.strategy(args.strategy.as_ref())?,
        choice: session.choice(&args.choice)?,
    };
    let fetched =
        session.ask(async |control| Ok(session.transfer(control, &request, false).await?))?;
    session.screen.emit(&Here(fetched))
}

struct Here(Fetched);

impl Document for Here {
    const SCHEMA: &'static str = "catalog.fetch/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let Fetched { reference, variant, files, bytes, bytes_moved, .. } = &self.0;
        let moved = ByteSize::bytes(*bytes_moved);
        vec![
            Line::done()
                .text(format!("{}, {bytes} of ", counted(*files, "file")))
                .ink(Ink::Strong, format!("{reference}#{variant}"))
                .text(format!(" are here, moved {moved}")),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![format!("{}#{}", self.0.reference, self.0.variant)]
    }
}

/// Prints one file.
pub fn cat(session: &Session, args: &CatArgs) -> Result<(), Stop> {
    let request = Cat {
        reference: args.reference.clone(),
        path: args.path.clone(),
        choice: session.choice(&args.choice)?,
    };
    let is_terminal = io::stdout().is_terminal();
    session.ask(async |control| {
        let mut file = control.bytes(&request).await?;
        while let Some(piece) = file.next().await {
            let piece = piece?;
            // A stranger's file could hold escape sequences; a program gets every byte.
            let written = match is_terminal {
                false => io::stdout().write_all(&piece),
                true => {
                    let text = escape::visible_lines(&String::from_utf8_lossy(&piece));
                    io::stdout().write_all(text.as_bytes())
                }
            };
            written.map_err(stdout_failed)?;
        }
        io::stdout().flush().map_err(stdout_failed)
    })
}
