//! The command line: every verb, flag and example.
//!
//! Only words live here. What a flag falls back to is decided in one place,
//! [`settings`](mod@crate::settings), so that the command line, the environment and the settings files
//! cannot disagree.

mod administer;
mod author;
mod consume;
mod mirror;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use administer::{
    ChangesArgs, CompletionsArgs, ConfigCommand, ConfigFileArgs, ConflictsArgs, CreditsArgs,
    CreditsCommand, DaemonCommand, DaemonStartArgs, DemoArgs, IndexCommand, KeyCommand, LimitsArgs,
    ManArgs, PeerCommand, ProfileCommand, ResolveArgs, SimArgs, StatsArgs, SyncArgs,
};
pub use author::{
    AttestArgs, CarryArgs, ChannelArgs, GrantArgs, GrantsArgs, ImportArgs, ImportCommand, InitArgs,
    LintArgs, NamedArgs, NewArgs, ProveArgs, PublishArgs, ReadersArgs, RevokeArgs, YankArgs,
};
pub use consume::{
    CatArgs, ChoiceArgs, ExplainArgs, FetchArgs, GcArgs, InfoArgs, InstallArgs, ListArgs, PathArgs,
    RemoveArgs, RollbackArgs, SearchArgs, UpdateArgs, VerifyArgs,
};
pub use mirror::{MirrorAddArgs, MirrorArgs, MirrorCommand, MirrorDropArgs, MirrorStartArgs};

/// Publish once with every hardware variant; find it; install the one that fits.
#[derive(Debug, Parser)]
#[command(
    name = "catalog",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "First steps:\n  \
        catalog demo                 see all of it work, offline, in a few seconds\n  \
        catalog init --alias acme    make an identity to publish with\n  \
        catalog peer add TICKET      meet another node, then `catalog search`\n\n\
        Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 nothing fits, 5 network (retry helps),\n  \
        6 integrity, 7 not permitted, 8 disk or quota, 9 store busy, 130 interrupted."
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Keep everything in this one folder [env: CATALOG_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Read this settings file instead of the usual one of this user [env: CATALOG_CONFIG]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Read no settings file at all
    #[arg(long, global = true)]
    pub no_config: bool,
    /// How to print data: auto, human, json, jsonl or plain [env: CATALOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The same as --format json
    #[arg(long, global = true, conflicts_with = "format")]
    pub json: bool,
    /// When to use colour: auto, always or never [env: CATALOG_COLOR, NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<String>,
    /// How to show progress: auto, bar, plain, json or none [env: CATALOG_PROGRESS]
    #[arg(long, global = true, value_name = "HOW")]
    pub progress: Option<String>,
    /// The same as --progress none
    #[arg(long, global = true, conflicts_with = "progress")]
    pub no_progress: bool,
    /// Say yes to every question beforehand
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask: fail, and name the flag that would have answered
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Print results and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell more on stderr (-v, -vv) [env: RUST_LOG]
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Every verb.
#[derive(Debug, Subcommand)]
pub enum Command {
    // Authors.
    /// Make the identity that signs what you publish
    Init(InitArgs),
    /// Write a catalog.toml and folders to start a package from
    New(NewArgs),
    /// Check a catalog.toml and the files it names
    Lint(LintArgs),
    /// Sign and publish a package with all its variants
    Publish(PublishArgs),
    /// Withdraw a version from choice, or bring it back; nothing is deleted
    Yank(YankArgs),
    /// Point a channel such as `stable` at a version
    Channel(ChannelArgs),
    /// Let other nodes read releases of yours that are not for everybody
    Grant(GrantArgs),
    /// Do not let nodes read any more what you publish and send from now on
    Revoke(RevokeArgs),
    /// List who may read what, and who may not any more
    Grants(GrantsArgs),
    /// Carry what others sealed, or hand a release of yours to nodes that carry it unread
    Carry(CarryArgs),
    /// Vouch for a release of another publisher, or take that back
    Attest(AttestArgs),
    /// Write a proof that a release was signed, for people without a store
    Prove(ProveArgs),
    /// Publish packages of another family: npm, wheels or plain folders
    Import(ImportArgs),

    // Consumers.
    /// Find packages; typing mistakes are forgiven
    Search(SearchArgs),
    /// Show a package: versions, variants, what it asks for
    Info(InfoArgs),
    /// Say why a variant was chosen and the others were not, or what an error code means
    Explain(ExplainArgs),
    /// Fetch and install the one variant that fits
    Install(InstallArgs),
    /// Remove an installed package
    Remove(RemoveArgs),
    /// Go back to the version that was installed before
    Rollback(RollbackArgs),
    /// List what is installed
    List(ListArgs),
    /// Fetch files of a package into the store without installing it
    Fetch(FetchArgs),
    /// Print one file of a package, fetching only that file
    Cat(CatArgs),
    /// Print the folder of an installed package
    Path(PathArgs),
    /// Install newer versions of what is installed
    Update(UpdateArgs),

    // Upkeep.
    /// Re-hash and re-verify everything that is kept, or check a proof
    Verify(VerifyArgs),
    /// Free the space of what nothing needs any more
    Gc(GcArgs),

    /// The search index, which can always be made again
    Index {
        /// What to do with it.
        #[command(subcommand)]
        command: IndexCommand,
    },
    /// List what publishers signed that cannot all be true
    Conflicts(ConflictsArgs),
    /// Decide what is at odds, or take a decision back
    Resolve(ResolveArgs),

    // What you administer.
    /// Add, list and remove other nodes
    Peer {
        /// What to do with peers.
        #[command(subcommand)]
        command: PeerCommand,
    },
    /// Bring records over from a peer; without one, from every peer
    Sync(SyncArgs),
    /// List what came into the catalog, in the order in which it came
    Changes(ChangesArgs),
    /// Hold copies of packages for others, chosen by hand, by a filter, or by what is needed
    Mirror(MirrorArgs),
    /// Show and set how fast a running node sends and takes, and when
    Limits(LimitsArgs),
    /// Show, back up and trust keys
    Key {
        /// What to do with keys.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Show what is known about this machine, or about a named profile
    Profile {
        /// What to do with profiles.
        #[command(subcommand)]
        command: ProfileCommand,
    },
    /// Start, stop and inspect the node that others can reach
    Daemon {
        /// What to do with the daemon.
        #[command(subcommand)]
        command: DaemonCommand,
    },
    /// Show this node on one screen
    Status,
    /// Show what this node earned by serving others, with every factor
    Credits(CreditsArgs),
    /// Show what this node gives and takes, and how well it does
    Stats(StatsArgs),
    /// Check what commonly goes wrong, and say how to mend it
    Doctor,
    /// Read and change settings
    Config {
        /// What to do with settings.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Let a world of mirrors pass in simulation, to choose settings by
    Sim(SimArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
    /// Run three nodes on this machine and show everything working, offline
    Demo(DemoArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        let quiet = ["status", "doctor", "help"];
        for command in Cli::command().get_subcommands() {
            if quiet.contains(&command.get_name()) || command.has_subcommands() {
                continue;
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:"), "{} has no examples", command.get_name());
        }
    }
}
