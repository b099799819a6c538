//! The verbs of people who find, install and keep packages.

use std::path::PathBuf;

use clap::Args;

use crate::complete;

/// For which machine to choose, and what to prefer.
#[derive(Args, Clone, Debug, Default)]
pub struct ChoiceArgs {
    /// Choose for this named profile, or for one from a file [env: CATALOG_PROFILE]
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Pretend that a fact is different; always shown [env: CATALOG_SET_CPU__LEVEL and so on]
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// high-performance or low-resource [env: CATALOG_PREFERENCE]
    #[arg(long, value_name = "WHAT")]
    pub preference: Option<String>,
}

/// `catalog search`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog search \"graph database\" --fits this\n  \
    catalog search grahp --kind service        typing mistakes are forgiven\n  \
    catalog search 'graph \"side by side\" -server tag:sql license:MIT size:<10MiB'\n  \
    catalog search database --facets           what there is, to narrow it down\n  \
    catalog search vector --peers all          asks known peers for what is not here\n  \
    catalog search --like acme/graphdb         what could stand in its place\n  \
    catalog search vector --format plain | catalog install -")]
pub struct SearchArgs {
    /// Words to look for; without any, everything is listed. "these words" stand side by side,
    /// -this is left out (after `--`, or in quotes after another word); kind:, tag:, license:, publisher: and size:<10MiB narrow further
    pub text: Vec<String>,
    /// Only app-fragment, service, client, asset, model, profile or node-set
    #[arg(long)]
    pub kind: Option<String>,
    /// Only what fits `this` machine or a named profile
    #[arg(long, value_name = "this|PROFILE")]
    pub fits: Option<String>,
    /// Only this publisher: a petname or `cat1…`
    #[arg(long)]
    pub publisher: Option<String>,
    /// In this order: relevance, popular (used on this machine, and needed by packages of publishers
    /// you named), recent or small
    #[arg(long)]
    pub sort: Option<String>,
    /// What is like this package, instead of words
    #[arg(long, value_name = "REF", add = complete::known(),
        conflicts_with_all = ["text", "kind", "publisher", "sort", "prefix", "explain", "facets", "offset"])]
    pub like: Option<String>,
    /// Take the last word for the beginning of one, as while typing
    #[arg(long)]
    pub prefix: bool,
    /// Say of each package why it stands where it does
    #[arg(long)]
    pub explain: bool,
    /// Count the results by kind, tag, licence, publisher and hardware
    #[arg(long)]
    pub facets: bool,
    /// Ask these peers for what is not here: none, connected (the default), all, or how many
    #[arg(long, value_name = "N|WHICH")]
    pub peers: Option<String>,
    /// At most this many results
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Leave out the first results
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub offset: usize,
}

/// `catalog info`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog info acme/graphdb\n  \
    catalog info acme/graphdb@^1.4\n  \
    catalog info acme/graphdb --json | jq .release.variants")]
pub struct InfoArgs {
    /// A package: publisher/name, with @version if you like
    #[arg(value_name = "REF", add = complete::known())]
    pub reference: String,
}

/// `catalog explain`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog explain acme/graphdb\n  \
    catalog explain acme/graphdb --profile pi-low --set cores=4\n  \
    catalog explain acme/graphdb --sources      who would be asked for it, and why in this order\n  \
    catalog explain CAT0401        what an error code means")]
pub struct ExplainArgs {
    /// A package, or an error code; without either, every code
    #[arg(value_name = "REF|CODE", add = complete::known())]
    pub topic: Option<String>,
    /// Show who would be asked for its contents, with every term of each score
    #[arg(long, requires = "topic")]
    pub sources: bool,
    /// With --sources: in the order of this strategy [env: CATALOG_TRANSFER_STRATEGY]
    #[arg(long, value_name = "HOW", requires = "sources")]
    pub strategy: Option<String>,
    /// The machine to choose for.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// `catalog install`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog install acme/graphdb\n  \
    catalog install acme/graphdb@^1.4 --profile pi-low --dry-run\n  \
    catalog install acme/model --lazy      its file list now, its files when they are asked for\n  \
    catalog install acme/model --strategy highest-bandwidth\n  \
    catalog search vector --format plain | catalog install -")]
pub struct InstallArgs {
    /// Packages; `-` reads them from standard input, one per line
    #[arg(required = true, value_name = "REF", add = complete::known())]
    pub references: Vec<String>,
    /// Fetch the file list only; files come when `cat` or `fetch` asks for them
    #[arg(long)]
    pub lazy: bool,
    /// Show what would be chosen and fetched, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Yield to everything else on the line
    #[arg(long)]
    pub background: bool,
    /// Whom to ask first: shortest, lowest-latency, highest-bandwidth, geographic, load-balanced or
    /// fault-tolerant [env: CATALOG_TRANSFER_STRATEGY]
    #[arg(long, value_name = "HOW")]
    pub strategy: Option<String>,
    /// The machine to choose for.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// `catalog remove`
#[derive(Args, Debug)]
#[command(
    visible_alias = "uninstall",
    after_help = "Examples:\n  \
    catalog remove acme/graphdb\n  \
    catalog remove acme/graphdb && catalog gc"
)]
pub struct RemoveArgs {
    /// An installed package
    #[arg(value_name = "REF", add = complete::installed())]
    pub reference: String,
}

/// `catalog rollback`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  catalog rollback acme/graphdb")]
pub struct RollbackArgs {
    /// An installed package
    #[arg(value_name = "REF", add = complete::installed())]
    pub reference: String,
}

/// `catalog list`
#[derive(Args, Debug)]
#[command(
    visible_alias = "ls",
    after_help = "Examples:\n  \
    catalog list\n  \
    catalog list --format plain      one reference a line"
)]
pub struct ListArgs {}

/// `catalog fetch`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog fetch acme/graphdb                 the whole variant\n  \
    catalog fetch acme/model weights/ README   some folders and files")]
pub struct FetchArgs {
    /// A package
    #[arg(value_name = "REF", add = complete::known())]
    pub reference: String,
    /// Files or folders inside it; without any, everything
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Yield to everything else on the line
    #[arg(long)]
    pub background: bool,
    /// Whom to ask first; see `catalog install --help` [env: CATALOG_TRANSFER_STRATEGY]
    #[arg(long, value_name = "HOW")]
    pub strategy: Option<String>,
    /// The machine to choose for.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// `catalog cat`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog cat acme/graphdb README.md\n  \
    catalog cat acme/graphdb#low-x86 bin/graphdb > graphdb")]
pub struct CatArgs {
    /// A package
    #[arg(value_name = "REF", add = complete::known())]
    pub reference: String,
    /// A file inside it
    pub path: String,
    /// The machine to choose for.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// `catalog path`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog path acme/graphdb\n  \
    \"$(catalog path acme/graphdb)/bin/graphdb\" --version")]
pub struct PathArgs {
    /// An installed package
    #[arg(value_name = "REF", add = complete::installed())]
    pub reference: String,
}

/// `catalog update`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog update --dry-run\n  \
    catalog update acme/graphdb")]
pub struct UpdateArgs {
    /// Only this package
    #[arg(value_name = "REF", add = complete::installed())]
    pub reference: Option<String>,
    /// Show what would change, and how many bytes would move, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Yield to everything else on the line
    #[arg(long)]
    pub background: bool,
}

/// `catalog verify`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog verify\n  \
    catalog verify --repair                      fetch what is damaged from a peer\n  \
    catalog verify --proof graphdb.tlog-proof    what somebody says that a publisher signed")]
pub struct VerifyArgs {
    /// Fetch good bytes for what is damaged
    #[arg(long)]
    pub repair: bool,
    /// Check a proof instead, offline and without a store
    #[arg(long, value_name = "FILE", conflicts_with = "repair")]
    pub proof: Option<PathBuf>,
}

/// `catalog gc`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog gc --dry-run      what would go, and why\n  \
    catalog gc")]
pub struct GcArgs {
    /// Show what would go and why, and delete nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
