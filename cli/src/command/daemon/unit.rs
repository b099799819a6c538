//! `daemon install`: a systemd unit of the user, with the rights that a node needs and no more.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use catalog_node::control::{Code, Failure};
use serde_json::{Value, json};

use crate::line::{Ink, Line, paragraph};
use crate::places;
use crate::screen::Document;
use crate::session::Session;
use crate::stop::Stop;

/// Writes a unit that starts the node when its user logs in.
pub fn install(session: &Session, dry_run: bool) -> Result<(), Stop> {
    let program = std::env::current_exe().map_err(|error| Failure::of(Code::IO, &error))?;
    let unit = unit(&program, &session.again());
    let folder = places::systemd_folder()?;
    let path = folder.join("catalog.service");
    if !dry_run {
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &unit)).map_err(|error| {
            Failure::new(Code::IO, format_args!("cannot write {}", path.display()))
                .caused_by(Some(&error))
        })?;
    }
    session.screen.emit(&Unit { path, unit, dry_run })
}

/// A unit with the rights that a node needs and no more.
fn unit(program: &Path, again: &[OsString]) -> String {
    let quoted = |text: &OsStr| {
        let text = text.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{}\"", text.replace('%', "%%"))
    };
    let words: Vec<String> = std::iter::once(program.as_os_str())
        .chain(again.iter().map(AsRef::as_ref))
        .map(quoted)
        .collect();
    format!(
        "[Unit]\n\
         Description=catalog node\n\
         After=network.target\n\n\
         [Service]\n\
         ExecStart={} daemon start --foreground\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         NoNewPrivileges=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         SystemCallArchitectures=native\n\
         UMask=0077\n\n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    )
}

struct Unit {
    path: PathBuf,
    unit: String,
    dry_run: bool,
}

impl Document for Unit {
    const SCHEMA: &'static str = "catalog.daemon.install/1";

    fn json(&self) -> Value {
        json!({ "path": self.path, "unit": self.unit, "dry_run": self.dry_run })
    }

    fn human(&self) -> Vec<Line> {
        if self.dry_run {
            return paragraph(&self.unit).collect();
        }
        vec![
            Line::done().text(format!("wrote {}", self.path.display())),
            Line::new().ink(Ink::Accent, "Next: ").text("systemctl --user enable --now catalog"),
        ]
    }

    fn plain(&self) -> Vec<String> {
        vec![self.path.display().to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_quotes_what_a_folder_may_be_called() {
        let unit = unit(Path::new("/opt/my tools/catalog"), &["--home".into(), "/a\"b%c".into()]);
        let start = "ExecStart=\"/opt/my tools/catalog\" \"--home\" \"/a\\\"b%%c\" daemon start --foreground";
        assert!(unit.lines().any(|line| line == start), "{unit}");
    }
}
