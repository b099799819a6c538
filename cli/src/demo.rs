//! `demo`: three real nodes on this machine show the main job, offline, in a few seconds.
//!
//! Nothing is staged: each node has its own home, keys, store and socket, and every number is
//! measured. What does not turn out as told ends the demo with an error.

mod sample;
mod story;

use std::path::Path;

use catalog_node::control::{Code, Failure};
use serde_json::{Value, json};

use crate::args::DemoArgs;
use crate::line::{Ink, Line};
use crate::screen::{Document, Format, Screen};
use crate::session::{Session, interrupt, interrupted};
use crate::stop::Stop;

use story::Proof;

/// Runs the demo in a temporary folder.
pub fn demo(session: &Session, args: &DemoArgs) -> Result<(), Stop> {
    let mut dir = tempfile::Builder::new().prefix("catalog-demo-").tempdir().map_err(|error| {
        Failure::new(Code::IO, "cannot make a temporary folder").caused_by(Some(&error))
    })?;
    dir.disable_cleanup(args.keep);
    let teller = Teller { screen: &session.screen };
    let proof = session.block_on(async {
        tokio::select! {
            proof = story::run(dir.path(), &teller) => proof,
            () = interrupt() => Err(interrupted()),
        }
    })?;
    session.screen.emit(&Shown { proof, kept: args.keep.then(|| dir.path()) })
}

/// Tells what happens as it happens: part of the result for people, words beside it for programs.
struct Teller<'a> {
    screen: &'a Screen,
}

impl Teller<'_> {
    fn tell(&self, line: Line) -> Result<(), Stop> {
        match self.screen.format() {
            Format::Human => self.screen.print(&line),
            Format::Json | Format::JsonLines | Format::Plain => {
                self.screen.say(&line);
                Ok(())
            }
        }
    }

    /// A heading.
    fn step(&self, number: u8, what: &str) -> Result<(), Stop> {
        self.tell(Line::new().ink(Ink::Accent, format!("{number}. ")).ink(Ink::Strong, what))
    }

    /// What somebody would type.
    fn command(&self, who: &str, words: &str) -> Result<(), Stop> {
        self.tell(Line::new().ink(Ink::Dim, format!("   {who}$ ")).text(format!("catalog {words}")))
    }

    /// What came of it.
    fn result(&self, words: impl AsRef<str>) -> Result<(), Stop> {
        self.tell(Line::new().ink(Ink::Good, "   ✓ ").text(words))
    }
}

struct Shown<'a> {
    proof: Proof,
    kept: Option<&'a Path>,
}

impl Document for Shown<'_> {
    const SCHEMA: &'static str = "catalog.demo/1";

    fn json(&self) -> Value {
        let mut body = json!(self.proof);
        body["kept"] = json!(self.kept);
        body
    }

    fn human(&self) -> Vec<Line> {
        let proof = &self.proof;
        let fact = |name: &str, words: String| {
            Line::new().ink(Ink::Dim, format!("  {name:<11}")).text(words)
        };
        let mut lines = vec![
            Line::new().ink(Ink::Strong, "Summary"),
            fact("publish", format!("3 variants, {} in one signed release", proof.release)),
            fact("learn", format!("{} over the wire for the whole release", proof.records)),
            fact(
                "install",
                format!(
                    "{} moved for a variant of {}; {} of other variants never left acme",
                    proof.moved, proof.variant, proof.spared
                ),
            ),
            fact("damage", "1 flipped bit: found, refused, mended from a peer".to_owned()),
            fact("time", format!("{:.1} s, three nodes, no internet", proof.seconds)),
        ];
        match self.kept {
            Some(path) => lines.push(fact("kept", path.display().to_string())),
            None => {
                lines.push(fact("next", "catalog init --alias YOU; catalog demo --keep".to_owned()))
            }
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        vec!["ok".to_owned()]
    }
}
