//! What the libraries say about their work, on stderr: nothing unless somebody asks.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How much is said when nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Nothing: a command says what it has to say by itself.
    Silent,
    /// What a person who looks into a log wants to know.
    Log,
}

/// Starts to write what is said: `RUST_LOG` decides, else the number of `-v`, else `talk`.
pub fn start(verbose: u8, talk: Talk) {
    let asked = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let ours = match (verbose, talk) {
        (0, Talk::Silent) => None,
        (0, Talk::Log) | (1, _) => Some("info"),
        (2, _) => Some("debug"),
        _ => Some("trace"),
    };
    let filter = match (asked, ours) {
        (Some(filter), _) => filter,
        // Ours at the level asked for; the libraries below only when something is wrong. The blob
        // store calls it an error that closing it cuts its last collection short.
        (None, Some(level)) => format!(
            "error,iroh_blobs::store::gc=off,\
             catalog={level},catalog_node={level},catalog_discovery={level}"
        ),
        (None, None) => return,
    };
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).parse_lossy(filter);
    // A second subscriber is refused; the first goes on.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}
