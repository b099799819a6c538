//! The nouns that people administer: peers, keys, profiles, the daemon, settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use catalog::size::ByteSize;
use catalog_mirror::sim::Scenario;
use catalog_mirror::strategy::Strategy as Placing;
use catalog_node::shaping::Rate;
use catalog_node::shaping::policy::Schedule;
use clap::{Args, Subcommand};
use clap_complete::Shell;

use crate::span::Span;

/// `catalog peer …`
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// Meet another node by its ticket and learn its packages
    Add {
        /// What `catalog peer ticket` printed there
        ticket: String,
    },
    /// List known peers
    #[command(visible_alias = "ls")]
    List {
        /// Show nodes too that are no peers and were only heard of
        #[arg(long)]
        all: bool,
    },
    /// Forget a peer
    #[command(visible_alias = "rm")]
    Remove {
        /// A node id, its beginning, or the peer's alias
        peer: String,
    },
    /// Ask a peer for news and say how long it took; without one, every peer
    Ping {
        /// A node id, its beginning, or the peer's alias
        peer: Option<String>,
    },
    /// Print the ticket by which others reach this node
    Ticket,
}

/// `catalog sync`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        catalog sync                               whatever costs least, from every peer\n  \
        catalog sync desk --tag graph              releases tagged graph, and nothing else\n  \
        catalog sync desk --strategy differential  compare what both hold\n  \
        catalog sync desk --max-age 1h             fail if desk shows what is older\n\n\
        A running node does this by itself, every `sync.interval` and whenever a peer says that\n\
        it has something new.")]
pub struct SyncArgs {
    /// A node id, its beginning, or the peer's alias
    pub peer: Option<String>,
    /// How: auto, full, incremental, selective, priority or differential
    #[arg(long, value_name = "HOW")]
    pub strategy: Option<String>,
    /// Only releases of this publisher; may be repeated
    #[arg(long = "publisher", value_name = "PUBLISHER")]
    pub publishers: Vec<String>,
    /// Only packages of this kind; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only releases with this tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only releases that run on this platform, such as linux-x86_64, or on `this` machine
    #[arg(long, value_name = "PLATFORM")]
    pub fits: Vec<String>,
    /// Fail unless pinned publishers have spoken for what the peer shows within this time
    #[arg(long, value_name = "TIME")]
    pub max_age: Option<Span>,
}

/// `catalog changes`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        catalog changes --since 0                      everything, from the first record on\n  \
        catalog changes --since \"$ROOT\" --format plain  what came since `catalog status` showed it")]
pub struct ChangesArgs {
    /// The number of a change, or a root that `catalog status` showed
    #[arg(long, value_name = "CHANGE|ROOT")]
    pub since: Option<String>,
}

/// `catalog limits`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        catalog limits                           what holds now\n  \
        catalog limits --upload 5MB/s            for the node that runs, from now on\n  \
        catalog limits --upload-per-peer none\n  \
        catalog limits --background true         yield to everything else on the line\n  \
        catalog limits --schedule \"08:00-18:00 upload=1MB/s download=2MB/s, 23:00-06:00 upload=none\"\n  \
        catalog config set upload.limit 5MB/s    for good, from the next start on")]
pub struct LimitsArgs {
    /// What all peers together are sent in a second, such as 5MB/s; none for no limit
    #[arg(long, value_name = "RATE")]
    pub upload: Option<Rate>,
    /// What each peer is sent in a second
    #[arg(long, value_name = "RATE")]
    pub upload_per_peer: Option<Rate>,
    /// What may be sent at once after a silence, before a limit holds
    #[arg(long, visible_alias = "upload-burst", value_name = "SIZE")]
    pub burst: Option<ByteSize>,
    /// What all peers together may send here in a second
    #[arg(long, value_name = "RATE")]
    pub download: Option<Rate>,
    /// What each peer may send here in a second
    #[arg(long, value_name = "RATE")]
    pub download_per_peer: Option<Rate>,
    /// What may come at once after a silence, before a limit holds
    #[arg(long, value_name = "SIZE")]
    pub download_burst: Option<ByteSize>,
    /// Other limits by the time of day, or none
    #[arg(long, value_name = "WINDOWS")]
    pub schedule: Option<Schedule>,
    /// Whether all but what a person waits for yields to the line's other traffic
    #[arg(long, value_name = "true|false")]
    pub background: Option<bool>,
    /// Whether transfers for others wait while the machine runs on battery
    #[arg(long, value_name = "true|false")]
    pub pause_on_battery: Option<bool>,
    /// Whether bytes cost money here, so that transfers for others wait
    #[arg(long, value_name = "true|false")]
    pub metered: Option<bool>,
}

/// `catalog index …`
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Throw the search index away and read every record again; a damaged one is rebuilt by itself
    Rebuild,
}

/// `catalog key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Show our own identity and the publishers with a petname
    Show,
    /// Copy the secret identity to a file that only you can read
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Take up an identity that `key backup` wrote
    Restore {
        /// The file that holds it
        file: PathBuf,
    },
    /// Pin a publisher under a name of your own
    Trust {
        /// The publisher: `cat1…`
        id: String,
        /// What to call it here
        #[arg(long = "as", value_name = "NAME")]
        petname: String,
    },
    /// Take a pinned name off its publisher
    Untrust {
        /// The name
        petname: String,
    },
}

/// `catalog profile …`
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Show the facts about this machine or a named profile
    Show {
        /// A named profile or a file; without one, this machine
        name: Option<String>,
        /// Pretend that a fact is different
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// List the named profiles
    #[command(visible_alias = "ls")]
    List,
    /// Print a profile as a file for another machine
    Export {
        /// A named profile or a file; without one, this machine
        name: Option<String>,
        /// Pretend that a fact is different
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}

/// `catalog daemon …`
#[derive(Debug, Subcommand)]
pub enum DaemonCommand {
    /// Start the node, so that others can reach what you publish
    Start(DaemonStartArgs),
    /// End the running node in good order
    Stop,
    /// Say whether a node is running
    Status,
    /// Print the last lines of its log
    Logs {
        /// How many lines
        #[arg(long, default_value_t = 50)]
        lines: usize,
    },
    /// Write a systemd unit that starts the node when you log in
    Install {
        /// Print the unit and write nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

/// `catalog daemon start`
#[derive(Args, Debug)]
pub struct DaemonStartArgs {
    /// Stay in the foreground and write the log to stderr
    #[arg(long)]
    pub foreground: bool,
    /// Listen on this UDP address [env: CATALOG_NODE_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Find nodes on the local network [env: CATALOG_NODE_LAN]
    #[arg(long)]
    pub lan: bool,
    /// Serve the control API on this loopback address too, with a token [env: CATALOG_DAEMON_HTTP]
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// Set by `daemon start` on the process it leaves in the background
    #[arg(long, hide = true, requires = "foreground")]
    pub detached: bool,
}

/// `catalog config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the value of a setting
    Get {
        /// The setting, such as `node.listen`
        key: String,
        /// Also say where the value comes from
        #[arg(long)]
        show_origin: bool,
    },
    /// Change a setting; comments in the file stay
    Set {
        /// The setting, such as `node.listen`
        key: String,
        /// Its new value
        value: String,
        /// Which file to change.
        #[command(flatten)]
        file: ConfigFileArgs,
    },
    /// Take a setting out of the file
    Unset {
        /// The setting
        key: String,
        /// Which file to change.
        #[command(flatten)]
        file: ConfigFileArgs,
    },
    /// List every setting
    #[command(visible_alias = "ls")]
    List {
        /// Also say where each value comes from
        #[arg(long)]
        show_origin: bool,
    },
    /// Print where settings and everything else lie
    Path,
}

/// Which settings file a change goes to.
#[derive(Args, Debug)]
pub struct ConfigFileArgs {
    /// Change ./catalog.config.toml instead of your own file
    #[arg(long)]
    pub project: bool,
}

/// `catalog credits`
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    catalog credits                             the balance, and the sum behind each line\n  \
    catalog credits export --format csv > credits.csv\n\n\
    Credits give weight beside others who want something of the same node at the same time, and\n\
    nothing else. They are this node's view; there is no total that holds for all."
)]
pub struct CreditsArgs {
    /// What to do instead of showing it.
    #[command(subcommand)]
    pub command: Option<CreditsCommand>,
}

/// `catalog credits …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum CreditsCommand {
    /// Write the statement as comma-separated values, with the names of the columns first
    Export,
}

/// `catalog stats`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog stats\n  \
    catalog stats --format plain | grep ^shared\n  \
    curl -s --unix-socket $CATALOG_HOME/run/control.sock http://catalog/metrics\n\n\
    A running node says the same, and more, at /metrics of its control socket, as text for\n\
    Prometheus. Over HTTP (`daemon.http`) that takes the token, as everything else there does.")]
pub struct StatsArgs {}

/// `catalog conflicts`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog conflicts\n  \
    catalog conflicts --json | jq '.conflicts[] | select(.blocked)'")]
pub struct ConflictsArgs {}

/// `catalog resolve`
#[derive(Args, Debug)]
#[command(
    group(clap::ArgGroup::new("verdict").required(true).args(["side", "lift", "undo"])),
    after_help = "Examples:\n  \
    catalog resolve acme/graphdb@1.2.0 cat:9b02…    this release is meant\n  \
    catalog resolve acme/graphdb@stable 1.1.0       the channel points there\n  \
    catalog resolve acme 5f08…                      this history of a forked log\n  \
    catalog resolve acme --lift                     go on, whatever was signed\n  \
    catalog resolve acme --undo"
)]
pub struct ResolveArgs {
    /// What is at odds, as `catalog conflicts` names it
    pub subject: String,
    /// The side that is meant: a version, or an id or the beginning of one
    pub side: Option<String>,
    /// Go on with a forked publisher without choosing a history
    #[arg(long)]
    pub lift: bool,
    /// Take the decision back
    #[arg(long)]
    pub undo: bool,
}

/// `catalog completions`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    echo 'source <(catalog completions bash)' >> ~/.bashrc\n  \
    echo 'source <(catalog completions zsh)' >> ~/.zshrc\n  \
    echo 'catalog completions fish | source' > ~/.config/fish/completions/catalog.fish\n\n\
    It completes names of packages too, from what is known on this machine.")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// `catalog man`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  catalog man ~/.local/share/man/man1 && man catalog-install")]
pub struct ManArgs {
    /// The folder to write them to
    pub dir: PathBuf,
}

/// `catalog sim`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog sim --baselines                              100 nodes for a week, beside other ways\n  \
    catalog sim --scenario kill --factor 2               is a minimum of two copies enough?\n  \
    catalog sim --scenario churn --budget 4GiB --baselines --csv hours.csv --svg hours.svg\n\n\
    Everything follows from the seed: equal settings give equal files.")]
pub struct SimArgs {
    /// Nodes, all of them mirrors
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub nodes: u16,
    /// Regions, over which the nodes are spread
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub regions: u8,
    /// Packages; few of them are popular (Zipf's law, exponent 1)
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub packages: u32,
    /// Days that pass; the first quarter is not counted
    #[arg(long, value_name = "COUNT", default_value_t = 7)]
    pub days: u32,
    /// Installs a day, for each node
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub requests: u32,
    /// What everything follows from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// steady, hot-spot, churn, partition, attack, flap, join or kill
    #[arg(long, value_name = "NAME", default_value_t)]
    pub scenario: Scenario,
    /// What mirrors put first: popularity, geographic, access-pattern, priority or adaptive
    #[arg(long, value_name = "NAME", default_value_t)]
    pub strategy: Placing,
    /// Bytes that a node offers, on average
    #[arg(long, value_name = "SIZE", default_value = "10GiB")]
    pub budget: ByteSize,
    /// The fewest copies of each package that mirrors aim at
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub factor: u8,
    /// The most copies of a package
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    pub factor_max: u8,
    /// Compare with caches (LRU), random copies and equally many copies, with the same bytes
    #[arg(long)]
    pub baselines: bool,
    /// Write each hour of each run into this file, as a table
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw the hours into this file, as an SVG picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// `catalog demo`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    catalog demo\n  \
    catalog demo --keep      leave the folder of the three nodes for a closer look")]
pub struct DemoArgs {
    /// Leave the folder of the three nodes behind
    #[arg(long)]
    pub keep: bool,
}
