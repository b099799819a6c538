//! `completions` and `man`: what a package of the program installs beside it.

use std::{fs, io};

use catalog_node::control::{Code, Failure};
use clap::CommandFactory;
use clap_complete::env::Shells;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::screen::stdout_failed;
use crate::stop::Stop;

/// Prints a completion script.
pub fn completions(args: &CompletionsArgs) -> Result<(), Stop> {
    // The script asks this program at each press of the key, so that it knows packages too.
    let mut script = Vec::new();
    let shells = Shells::builtins();
    if let Some(shell) = shells.completer(&args.shell.to_string()) {
        shell
            .write_registration("COMPLETE", "catalog", "catalog", "catalog", &mut script)
            .map_err(stdout_failed)?;
    }
    io::Write::write_all(&mut io::stdout().lock(), &script).map_err(stdout_failed)
}

/// Writes the manual pages.
pub fn man(args: &ManArgs) -> Result<(), Stop> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir))
        .map_err(|error| {
            Failure::new(Code::IO, format_args!("cannot write to {}", args.dir.display()))
                .caused_by(Some(&error))
                .into()
        })
}
