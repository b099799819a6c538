//! The verbs of people who publish.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::span::Span;

/// `catalog init`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog init --alias acme\n  \
    catalog --home ./usb-stick init --alias acme")]
pub struct InitArgs {
    /// What you would like others to call you
    #[arg(long, value_name = "NAME")]
    pub alias: Option<String>,
}

/// `catalog new`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog new notes-index\n  \
    catalog new notes-index --kind service --variants x86-64-v3,arm64,wasm")]
pub struct NewArgs {
    /// The name of the package, and of the folder that is made
    pub name: String,
    /// app-fragment, service, client, asset, model, profile or node-set
    #[arg(long, default_value = "service")]
    pub kind: String,
    /// The variants to start with, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "x86-64,arm64,wasm")]
    pub variants: Vec<String>,
}

/// `catalog lint`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog lint\n  \
    catalog lint packages/graphdb\n  \
    catalog lint --json | jq .findings")]
pub struct LintArgs {
    /// A catalog.toml or the folder that holds one
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

/// `catalog publish`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog publish --dry-run        what would be signed, and what it fits\n  \
    catalog publish -y               without a question, for scripts\n  \
    catalog publish packages/graphdb")]
pub struct PublishArgs {
    /// A catalog.toml or the folder that holds one
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Show what would be published and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `catalog prove`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog prove acme/graphdb@1.4.0 -o graphdb.tlog-proof\n  \
    catalog verify --proof graphdb.tlog-proof      anywhere, offline, without a store")]
pub struct ProveArgs {
    /// The release, such as acme/graphdb or acme/graphdb@1.4.0
    #[arg(value_name = "REF", add = crate::complete::known())]
    pub reference: String,
    /// Write the proof to this file instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `catalog yank`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog yank graphdb 1.4.0 --reason \"loses data on arm64\"\n  \
    catalog yank graphdb 1.4.0 --undo")]
pub struct YankArgs {
    /// One of your own packages
    pub name: String,
    /// The version to withdraw
    pub version: String,
    /// Why; everybody sees it
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Bring the version back
    #[arg(long, conflicts_with = "reason")]
    pub undo: bool,
}

/// What is read, and by whom.
#[derive(Args, Debug)]
pub struct ReadersArgs {
    /// One of your packages, a pattern such as 'db-*', or one release such as graphdb@1.4.0
    #[arg(value_name = "SCOPE", required_unless_present = "friends")]
    pub scope: Option<String>,
    /// All that you publish for friends, instead of a package
    #[arg(long, conflicts_with = "scope")]
    pub friends: bool,
}

/// `catalog grant`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog grant graphdb --to 5f3c…            a node's id; `catalog status` shows it there\n  \
    catalog grant 'db-*' --to bob --for 30d      a peer by its alias, for a month\n  \
    catalog grant --friends --to bob            all with permission = \"friends\"\n\n\
    What was said last about a release and a node counts. Those who may read a package see who\n\
    else may; nobody else sees that there is one.")]
pub struct GrantArgs {
    /// What it is about.
    #[command(flatten)]
    pub readers: ReadersArgs,
    /// The nodes, separated by commas: ids of 64 hex digits, or peers by alias
    #[arg(long, value_name = "NODE", required = true, value_delimiter = ',')]
    pub to: Vec<String>,
    /// For so long only, such as 12h or 30d
    #[arg(long = "for", value_name = "TIME")]
    pub life: Option<Span>,
}

/// `catalog revoke`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog revoke graphdb --from bob\n  \
    catalog revoke '*' --from bob,5f3c…\n  \
    catalog revoke --friends --from bob\n\n\
    A revocation stops what is published and sent from now on. It cannot take back what somebody\n\
    has: a copy stays a copy.")]
pub struct RevokeArgs {
    /// What it is about.
    #[command(flatten)]
    pub readers: ReadersArgs,
    /// The nodes, separated by commas: ids of 64 hex digits, or peers by alias
    #[arg(long, value_name = "NODE", required = true, value_delimiter = ',')]
    pub from: Vec<String>,
}

/// `catalog grants`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog grants\n  \
    catalog grants --json | jq '.grants[] | select(.standing == \"granted\")'")]
pub struct GrantsArgs {}

/// `catalog carry`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog carry acme/vault@1.0.0 --to nas      the peer nas is to carry this release of yours\n  \
    catalog carry                               bring here what others handed to this node\n\n\
    What is not for everybody is encrypted. A node that carries it has the encrypted bytes and no\n\
    key, and gives them to whoever may read the release: those can fetch it while you are offline.")]
pub struct CarryArgs {
    /// A release of yours that is not for everybody
    #[arg(value_name = "REF", requires = "to", add = crate::complete::known())]
    pub reference: Option<String>,
    /// The nodes, separated by commas: ids of 64 hex digits, or peers by alias
    #[arg(long, value_name = "NODE", requires = "reference", value_delimiter = ',')]
    pub to: Vec<String>,
}

/// `catalog attest`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog attest acme/graphdb@1.4.0 --note \"built again from source, same bytes\"\n  \
    catalog attest acme/graphdb@1.4.0 --undo\n\n\
    Releases with permission = \"verified\" are installed only where enough publishers that are\n\
    trusted there attest them.")]
pub struct AttestArgs {
    /// The release, such as acme/graphdb or acme/graphdb@1.4.0
    #[arg(value_name = "REF", add = crate::complete::known())]
    pub reference: String,
    /// What you looked at; everybody sees it
    #[arg(long, default_value = "", hide_default_value = true)]
    pub note: String,
    /// Take the attestation back
    #[arg(long, conflicts_with = "note")]
    pub undo: bool,
}

/// `catalog channel`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog channel graphdb stable 1.4.0\n  \
    catalog channel graphdb beta 1.5.0-rc.1")]
pub struct ChannelArgs {
    /// One of your own packages
    pub name: String,
    /// The channel to move
    pub channel: String,
    /// The version it points at from now on
    pub version: String,
}

/// `catalog import`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog import npm esbuild-*.tgz\n  \
    catalog import wheel numpy-2.3.5-*.whl --dry-run\n  \
    catalog import dir ./site --name site --version 1.0.0 --kind asset\n\n\
    The importer signs, never the upstream author; upstream name, version and hash are kept.")]
pub struct ImportArgs {
    /// The family of the files.
    #[command(subcommand)]
    pub family: ImportCommand,
}

/// The families that can be imported.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Tarballs of `npm pack`: one variant per file, from its os, cpu and libc fields
    Npm {
        /// The files of one version, one for each platform
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What to call them here.
        #[command(flatten)]
        named: NamedArgs,
    },
    /// Python wheels: one variant per file, from its tags
    Wheel {
        /// The files of one version, one for each platform
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What to call them here.
        #[command(flatten)]
        named: NamedArgs,
    },
    /// A plain folder, as one variant that fits everywhere
    Dir {
        /// The folder
        dir: PathBuf,
        /// What to call it here.
        #[command(flatten)]
        named: NamedArgs,
    },
}

/// What an import is called here; upstream says what is left out.
#[derive(Args, Debug)]
pub struct NamedArgs {
    /// The name of the package here
    #[arg(long)]
    pub name: Option<String>,
    /// Its version here
    #[arg(long)]
    pub version: Option<String>,
    /// app-fragment, service, client, asset, model, profile or node-set
    #[arg(long)]
    pub kind: Option<String>,
    /// One line for lists and search
    #[arg(long)]
    pub summary: Option<String>,
    /// An SPDX licence expression
    #[arg(long)]
    pub license: Option<String>,
    /// Show what would be published and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
