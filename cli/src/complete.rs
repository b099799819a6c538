//! Completes what is typed in a shell with names of packages.
//!
//! The script that `catalog completions` prints runs this program, with `COMPLETE` set, for each
//! press of the key; [`clap_complete`] then asks these functions. They answer from the running node
//! or from the store, never wait for either, and have nothing to say when something is wrong: a
//! person in the middle of a line cannot be told.

use std::ffi::OsStr;

use catalog_node::NodeConfig;
use catalog_node::control::requests::{List, Request, Search};
use catalog_node::control::{Control, Failure};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::places::Places;

/// Names that are offered.
const OFFERED_MAX: usize = 30;
/// Packages that are looked through for names that begin with one letter, or with any.
const LOOKED_THROUGH_MAX: usize = 500;

/// Completes with packages that are known here.
pub fn known() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let text = typed.to_str().unwrap_or_default().to_owned();
        // One letter finds no words: then all packages are looked through.
        let name = text.find('/').map_or(0, |slash| slash + 1);
        let (words, limit) = match text.len() - name {
            0 | 1 => (&text[..name], LOOKED_THROUGH_MAX),
            _ => (text.as_str(), OFFERED_MAX),
        };
        let search = Search { text: words.to_owned(), limit, prefix: true, ..Search::default() };
        let found = ask(&search).map(|found| found.hits).unwrap_or_default();
        let named = found
            .into_iter()
            .map(|hit| (hit.reference.clone(), hit.package.name.to_string(), hit.summary));
        candidates(&text, named)
    })
}

/// Completes with packages that are installed here.
pub fn installed() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let text = typed.to_str().unwrap_or_default().to_owned();
        let rows = ask(&List {}).unwrap_or_default().into_iter();
        let named = rows.map(|row| {
            let reference = row.reference.split('@').next().unwrap_or_default().to_owned();
            (reference, row.installed.package.name.to_string(), row.installed.version.to_string())
        });
        candidates(&text, named)
    })
}

/// Those that go on as was typed: by reference, or by bare name where that means one package.
fn candidates(
    typed: &str,
    named: impl Iterator<Item = (String, String, String)>,
) -> Vec<CompletionCandidate> {
    let named: Vec<_> = named.collect();
    let candidates = named.iter().filter_map(|(reference, name, about)| {
        let alone = named.iter().filter(|(_, other, _)| other == name).count() == 1;
        let value = match !typed.is_empty() && name.starts_with(typed) && alone {
            true => name,
            false => reference,
        };
        let about = crate::escape::visible(about).into_owned();
        let candidate = CompletionCandidate::new(value).help(Some(about.into()));
        value.starts_with(typed).then_some(candidate)
    });
    candidates.take(OFFERED_MAX).collect()
}

/// Asks the running node, or the store when nobody holds it.
fn ask<Q: Request>(request: &Q) -> Option<Q::Reply> {
    let config = NodeConfig::new(Places::find(None).ok()?.home);
    // There is nothing to complete with before there is a store.
    if !config.store_dir().exists() {
        return None;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().ok()?;
    let reply = runtime.block_on(async {
        let control = match Control::attach(&config).await {
            Some(control) => control,
            None if Control::is_held(&config) => return None,
            None => Control::open(config, |_| ()).await.ok()?,
        };
        let reply: Result<Q::Reply, Failure> = control.ask(request).await;
        control.close().await;
        reply.ok()
    });
    runtime.shutdown_background();
    reply
}
