//! The `catalog` command: words, exit codes and bars around a [`catalog_node::Node`].
//!
//! What a command does is decided in the crates below; here is how it is asked for and how its
//! answer is shown.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod bars;
mod command;
mod complete;
mod demo;
mod escape;
mod line;
mod logs;
mod near;
mod places;
mod screen;
mod session;
mod settings;
mod span;
mod stop;
mod wrong;

use std::process::ExitCode;

use catalog_node::control::Exit;
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

use crate::args::{Cli, Global};
use crate::places::Places;
use crate::screen::Screen;
use crate::settings::Settings;
use crate::stop::Stop;

fn main() -> ExitCode {
    // A shell that completes a line; this ends the program.
    CompleteEnv::with_factory(Cli::command).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => {
            // Help and version; a reader that goes away has read enough.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return end(&wrong::global_flags(), Err(wrong::failure(&error).into())),
    };
    let global = cli.global.clone();
    end(&global, command::run(cli))
}

/// Shows how it ended and makes an exit code of it.
fn end(global: &Global, result: Result<(), Stop>) -> ExitCode {
    let exit = match result {
        Ok(()) | Err(Stop::PipeClosed) => Exit::Ok,
        Err(Stop::Shown(exit)) => exit,
        Err(Stop::Failed(failure)) => {
            Screen::new(&settings(global), global.quiet).fail(&failure);
            failure.exit
        }
    };
    ExitCode::from(u8::from(exit))
}

/// The settings to show a failure with. They may be what is wrong: then flags and environment alone.
fn settings(global: &Global) -> Settings {
    let read =
        Places::find(global.home.as_deref()).and_then(|places| Settings::load(global, &places));
    read.unwrap_or_else(|_| {
        let mut settings = Settings::defaults();
        let _ = settings.read_environment();
        let _ = settings.read_flags(global);
        settings
    })
}
