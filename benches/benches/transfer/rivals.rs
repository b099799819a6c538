//! The rivals of a transfer from many sources.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use catalog::digest::Digest;
use catalog_node::Ticket;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::{PortmapperConfig, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId};
use iroh_blobs::api::downloader::{DownloadProgressItem, Downloader};
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::{Hash, HashAndFormat};
use n0_future::StreamExt as _;

use crate::watch::Watch;

pub fn is_installed(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// The downloader of iroh-blobs as it comes, told of the fastest source first.
pub async fn stock(dir: &Path, tickets: &[String], root: Digest, watch: Watch) -> u64 {
    let book = MemoryLookup::new();
    let mut ids: Vec<EndpointId> = Vec::new();
    for ticket in tickets {
        let ticket: Ticket = ticket.parse().unwrap();
        let id = EndpointId::from_bytes(ticket.node().as_bytes()).unwrap();
        let info = EndpointAddr::new(id);
        book.add_endpoint_info(ticket.addrs().iter().fold(info, |info, a| info.with_ip_addr(*a)));
        ids.push(id);
    }
    let endpoint = Endpoint::builder(presets::Minimal)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .portmapper_config(PortmapperConfig::Disabled)
        .address_lookup(book)
        .bind()
        .await
        .unwrap();
    let store = FsStore::load(dir).await.unwrap();
    let downloader = Downloader::new(&store, &endpoint);
    let content = HashAndFormat::hash_seq(Hash::from_bytes(*root.as_bytes()));
    let mut progress = downloader.download(content, ids).stream().await.unwrap();
    while let Some(item) = progress.next().await {
        match item {
            DownloadProgressItem::Progress(bytes) => watch.at(bytes),
            DownloadProgressItem::Error(error) => panic!("{error:#}"),
            DownloadProgressItem::DownloadError => panic!("the stock downloader failed"),
            _ => {}
        }
    }
    store.shutdown().await.unwrap();
    endpoint.close().await;
    0
}

/// aria2 with one connection to each mirror, in pieces of 1 MiB.
pub async fn aria2(dir: &Path, urls: &[String], watch: Watch) -> u64 {
    let mut command = tokio::process::Command::new("aria2c");
    command
        .args(["--quiet", "--file-allocation=none", "--max-connection-per-server=1"])
        .args([&format!("--split={}", urls.len()), "--min-split-size=1M", "--dir"])
        .arg(dir)
        .args(urls)
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            status = child.wait() => {
                assert!(status.unwrap().success());
                return 0;
            }
            _ = look.tick() => {
                if let Ok(file) = std::fs::metadata(dir.join("large.bin")) {
                    watch.at(file.blocks() * 512);
                }
            }
        }
    }
}
