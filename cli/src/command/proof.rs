//! `prove` and `verify --proof`: what a publisher signed, for people without a store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use catalog::statement::Statement;
use catalog_node::control::requests::Prove;
use catalog_node::control::{Code, Failure};
use catalog_node::prove::{PROOF_BYTES_MAX, Proved, Proven, verify_proof};
use serde_json::{Value, json};

use super::upkeep::spoken;
use crate::args::ProveArgs;
use crate::line::{Ink, Line, Table};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Writes a proof of a release.
pub fn prove(session: &Session, args: &ProveArgs) -> Result<(), Stop> {
    let request = Prove { reference: args.reference.clone() };
    let proved = session.ask(async |control| Ok(control.ask(&request).await?))?;
    if proved.restricted {
        let warning = format!(
            "only some may read {}; whoever gets this proof reads all that it says about itself",
            proved.reference
        );
        session.screen.say(&Line::new().ink(Ink::Warn, "note: ").text(warning));
    }
    if let Some(path) = &args.output {
        std::fs::write(path, &proved.proof).map_err(|error| {
            Failure::new(Code::IO, format_args!("cannot write {}", path.display()))
                .caused_by(Some(&error))
        })?;
    }
    session.screen.emit(&Made { proved, file: args.output.clone() })
}

struct Made {
    proved: Proved,
    file: Option<PathBuf>,
}

impl Document for Made {
    const SCHEMA: &'static str = "catalog.proof/1";

    fn json(&self) -> Value {
        let mut body = json!(self.proved);
        if let Some(file) = &self.file {
            body["file"] = json!(file);
        }
        body
    }

    fn human(&self) -> Vec<Line> {
        let Some(file) = &self.file else {
            return self.proved.proof.lines().map(Line::from).collect();
        };
        vec![
            Line::done().text(format!("proof of {} in {}", self.proved.reference, file.display())),
            Line::from(format!("  signed by {}", self.proved.publisher)),
            Line::from(format!("  anybody checks it: catalog verify --proof {}", file.display())),
        ]
    }

    fn plain(&self) -> Vec<String> {
        match &self.file {
            Some(file) => vec![file.display().to_string()],
            None => self.proved.proof.lines().map(ToOwned::to_owned).collect(),
        }
    }
}

/// Checks a proof.
pub fn check(session: &Session, path: &Path) -> Result<(), Stop> {
    let bytes = read(path).map_err(|error| {
        Failure::new(Code::IO, format_args!("cannot read {}", path.display()))
            .caused_by(Some(&error))
    })?;
    let proven = verify_proof(&bytes).map_err(Failure::from)?;
    session.screen.emit(&Checked(proven))
}

/// The file, or as much of it as already shows that it is too large.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(PROOF_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Checked(Proven);

/// What was signed, in one sentence.
fn sentence(statement: &Statement) -> String {
    match statement {
        Statement::Inception(_) => "its publisher began".to_owned(),
        Statement::Release(release) => format!("{}@{} was released", release.name, release.version),
        Statement::Channel(moved) => {
            format!("channel {} of {} was pointed to {}", moved.channel, moved.name, moved.version)
        }
        Statement::Yank(yank) if yank.yanked => {
            format!("{}@{} was withdrawn: {}", yank.name, yank.version, yank.reason)
        }
        Statement::Yank(yank) => format!("{}@{} was restored", yank.name, yank.version),
        Statement::Grant(grant) => {
            let said = if grant.granted { "granted to" } else { "revoked from" };
            format!("reading {} was {said} {} nodes", grant.scope, grant.nodes.len())
        }
        Statement::Parcel(parcel) => {
            let (readers, carriers) = (parcel.readers.len(), parcel.carriers.len());
            format!("sealed contents were handed to {readers} readers and {carriers} carriers")
        }
        Statement::Attestation(made) => {
            let said = if made.attested { "was attested" } else { "is not attested any more" };
            format!("release {} {said}", made.release)
        }
    }
}

impl Document for Checked {
    const SCHEMA: &'static str = "catalog.proven/1";

    fn json(&self) -> Value {
        let Proven { id, statement, head, stamped } = &self.0;
        let header = statement.header();
        let mut body = json!({
            "says": sentence(statement),
            "kind": statement.kind().as_str(),
            "statement": id,
            "publisher": header.publisher,
            "fingerprint": header.publisher.fingerprint(),
            "time": header.time,
            "index": header.seq,
            "head": { "key": head.key, "size": head.size, "root": head.root, "stamped": stamped },
            "untrusted": ["says"],
        });
        if let Statement::Release(release) = statement {
            body["package"] = json!(release.name);
            body["version"] = json!(release.version);
        }
        body
    }

    fn human(&self) -> Vec<Line> {
        let Proven { id, statement, head, stamped } = &self.0;
        let header = statement.header();
        let mut lines = vec![Line::done().text(sentence(statement))];
        let mut table = Table::bare();
        let mut fact = |name: &str, value: String| {
            table.row([Line::new().ink(Ink::Dim, name), value.into()]);
        };
        fact("publisher", header.publisher.to_string());
        fact("fingerprint", header.publisher.fingerprint());
        fact("statement", format!("cat:{id}"));
        fact("signed", ago(header.time.as_millis(), "by its publisher's clock"));
        fact("log", format!("entry {} of {}", header.seq, head.size));
        if let Some(stamped) = stamped {
            fact("newest", ago(stamped.as_millis(), "this head was the newest one"));
        }
        lines.extend(table.lines(2));
        lines
            .push(Line::from("  compare the fingerprint; what was signed later is not in a proof"));
        lines
    }

    fn plain(&self) -> Vec<String> {
        let header = self.0.statement.header();
        vec![columns([&header.publisher, &self.0.id, &sentence(&self.0.statement)])]
    }
}

/// How long ago something was, and who says so.
fn ago(millis: u64, who: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match now.checked_sub(Duration::from_millis(millis)) {
        Some(past) => format!("{} ago, {who}", spoken(past.as_secs())),
        None => format!("ahead of this machine's clock, {who}"),
    }
}
