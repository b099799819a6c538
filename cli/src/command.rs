//! Leads each verb to the function that does it.

mod carry;
mod config;
mod conflict;
mod credits;
mod daemon;
mod doctor;
mod explain;
mod facets;
mod fetch;
mod find;
mod grant;
mod import;
mod index;
mod init;
mod install;
mod key;
mod limits;
mod lint;
mod mirror;
mod new;
mod peer;
mod profile;
mod proof;
mod publish;
mod shell;
mod sim;
mod state;
mod stats;
mod sync;
mod upkeep;

use crate::args::{Cli, Command, ConfigCommand, CreditsArgs, DaemonCommand, VerifyArgs};
use crate::logs::{self, Talk};
use crate::session::Session;
use crate::stop::Stop;

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<(), Stop> {
    let Cli { mut global, command } = cli;
    if matches!(&command, Command::Credits(CreditsArgs { command: Some(_) }))
        && global.format.as_deref() == Some("csv")
    {
        // The only form of data that one command has: what an export prints anyway.
        global.format = Some("plain".to_owned());
    }
    let talk = match &command {
        Command::Daemon { command: DaemonCommand::Start(args) } if args.foreground => Talk::Log,
        _ => Talk::Silent,
    };
    logs::start(global.verbose, talk);
    match command {
        // What must work whatever the settings say.
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Doctor => doctor::doctor(global),
        Command::Config { command: ConfigCommand::Path } => config::path(&global),
        command => with(&Session::open(global)?, command),
    }
}

fn with(session: &Session, command: Command) -> Result<(), Stop> {
    match command {
        Command::Init(args) => init::init(session, &args),
        Command::New(args) => new::new(session, &args),
        Command::Lint(args) => lint::lint(session, &args),
        Command::Publish(args) => publish::publish(session, &args),
        Command::Yank(args) => state::yank(session, &args),
        Command::Channel(args) => state::channel(session, &args),
        Command::Grant(args) => grant::grant(session, args),
        Command::Revoke(args) => grant::revoke(session, args),
        Command::Grants(_) => grant::list(session),
        Command::Carry(args) => carry::carry(session, args),
        Command::Attest(args) => grant::attest(session, args),
        Command::Prove(args) => proof::prove(session, &args),
        Command::Import(args) => import::import(session, &args),
        Command::Search(args) => find::search(session, &args),
        Command::Info(args) => find::info(session, &args),
        Command::Explain(args) => explain::explain(session, &args),
        Command::Install(args) => install::install(session, &args),
        Command::Remove(args) => install::remove(session, &args),
        Command::Rollback(args) => install::rollback(session, &args),
        Command::List(_) => install::list(session),
        Command::Update(args) => install::update(session, &args),
        Command::Path(args) => install::path(session, &args),
        Command::Fetch(args) => fetch::fetch(session, &args),
        Command::Cat(args) => fetch::cat(session, &args),
        Command::Verify(VerifyArgs { proof: Some(file), .. }) => proof::check(session, &file),
        Command::Verify(args) => upkeep::verify(session, &args),
        Command::Gc(args) => upkeep::gc(session, &args),
        Command::Conflicts(_) => conflict::list(session),
        Command::Resolve(args) => conflict::resolve(session, args),
        Command::Index { command } => index::index(session, &command),
        Command::Status => upkeep::status(session),
        Command::Credits(args) => credits::credits(session, &args),
        Command::Stats(_) => stats::stats(session),
        Command::Peer { command } => peer::peer(session, &command),
        Command::Sync(args) => sync::sync(session, &args),
        Command::Changes(args) => sync::changes(session, &args),
        Command::Mirror(args) => mirror::mirror(session, &args),
        Command::Sim(args) => sim::sim(session, &args),
        Command::Limits(args) => limits::limits(session, &args),
        Command::Key { command } => key::key(session, &command),
        Command::Profile { command } => profile::profile(session, &command),
        Command::Daemon { command } => daemon::daemon(session, &command),
        Command::Config { command } => config::config(session, &command),
        Command::Demo(args) => crate::demo::demo(session, &args),
        Command::Doctor | Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}
