//! `catalog mirror …`: what this node holds for others.

use catalog::size::ByteSize;
use clap::{Args, Subcommand};

use crate::complete;

/// `catalog mirror`
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    catalog mirror auto --max 50GiB                  what is popular, rare or near, within 50 GiB\n  \
    catalog mirror start --profile pi-low --tag graph  everything tagged graph, builds for such a machine\n  \
    catalog mirror add acme/graphdb#linux-x86        this build, for as long as you like\n  \
    catalog mirror --explain acme/graphdb            why it is held here, or is not"
)]
pub struct MirrorArgs {
    /// Say why a package is mirrored here or is not, with every term of the decision
    #[arg(long, value_name = "REF", add = complete::known())]
    pub explain: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<MirrorCommand>,
}

/// What there is to do with a mirror.
#[derive(Debug, Subcommand)]
pub enum MirrorCommand {
    /// Hold everything that these flags let through, the rarest first, within a budget
    #[command(after_help = "Examples:\n  \
        catalog mirror start --publisher acme\n  \
        catalog mirror start --profile pi-low --profile android-high --max 5GiB\n  \
        catalog mirror start --package 'acme/graph*' --variants linux-x86")]
    Start(MirrorStartArgs),
    /// Hold what all mirrors together make of demand, regions and room
    #[command(after_help = "Examples:\n  \
        catalog mirror auto\n  \
        catalog mirror auto --max 50GiB --kind model")]
    Auto(MirrorStartArgs),
    /// Hold nothing but what was added by hand; what is here goes when room is needed
    Stop,
    /// Fetch a package and hold it until it is dropped
    #[command(after_help = "Examples:\n  \
        catalog mirror add acme/graphdb             every build of its newest version\n  \
        catalog mirror add acme/graphdb@1.4.0#wasm  one build\n  \
        catalog mirror add acme/graphdb --profile pi-low")]
    Add(MirrorAddArgs),
    /// Hold a package no longer
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  \
        catalog mirror drop acme/graphdb@1.4.0#wasm\n  \
        catalog mirror drop acme/graphdb            every version and build of it"
    )]
    Drop(MirrorDropArgs),
    /// List what is held for others
    #[command(visible_alias = "ls")]
    List,
    /// Show this mirror on one screen, and the others it knows
    Status,
    /// Show what would be fetched and dropped next, and why; nothing is done
    Plan,
}

/// What a mirror holds, and how much of it.
#[derive(Args, Debug, Default)]
pub struct MirrorStartArgs {
    /// How much room it may take [env: CATALOG_MIRROR_BUDGET]
    #[arg(long, visible_alias = "budget", value_name = "SIZE")]
    pub max: Option<ByteSize>,
    /// Only the builds that such a machine would choose; may be repeated
    #[arg(long = "profile", value_name = "NAME|FILE")]
    pub profiles: Vec<String>,
    /// Only builds with this id; may be repeated
    #[arg(long = "variants", visible_alias = "variant", value_name = "ID", value_delimiter = ',')]
    pub variants: Vec<String>,
    /// Only packages of this kind; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only releases with this tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only releases of this publisher; may be repeated
    #[arg(long = "publisher", value_name = "PUBLISHER")]
    pub publishers: Vec<String>,
    /// Only packages of this name, with * for anything; may be repeated
    #[arg(long = "package", value_name = "PATTERN")]
    pub packages: Vec<String>,
}

/// `catalog mirror add`
#[derive(Args, Debug)]
pub struct MirrorAddArgs {
    /// Packages; `-` reads them from standard input, one per line
    #[arg(required = true, value_name = "REF", add = complete::known())]
    pub references: Vec<String>,
    /// Only the build that such a machine would choose; may be repeated
    #[arg(long = "profile", value_name = "NAME|FILE")]
    pub profiles: Vec<String>,
}

/// `catalog mirror drop`
#[derive(Args, Debug)]
pub struct MirrorDropArgs {
    /// Packages; `-` reads them from standard input, one per line
    #[arg(required = true, value_name = "REF", add = complete::known())]
    pub references: Vec<String>,
}
