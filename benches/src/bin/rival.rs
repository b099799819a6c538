//! The rivals that are not programs of their own, each as a process to be measured.
//!
//! ```text
//! rival hash-copy FROM TO [sync]     one BLAKE3 pass over every file, and a copy of it
//! rival hash-to FILE                 standard input into FILE and through BLAKE3
//! rival hash-tree DIR                one BLAKE3 pass over every file
//! rival provide STORE DIR            a bare iroh-blobs provider; prints where and what
//! rival get STORE NODE ADDR HASH     one bare iroh-blobs get of a hash sequence
//! ```

#![allow(clippy::unwrap_used, reason = "a rival that fails ends the bench")]

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::{PortmapperConfig, presets};
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr};
use iroh_blobs::api::remote::GetProgressItem;
use iroh_blobs::hashseq::HashSeq;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::{BlobFormat, BlobsProtocol, Hash, HashAndFormat};
use n0_future::StreamExt as _;

const BUFFER: usize = 1 << 20;

#[tokio::main]
async fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["hash-copy", from, to] => hash_copy(Path::new(from), Path::new(to), false),
        ["hash-copy", from, to, "sync"] => hash_copy(Path::new(from), Path::new(to), true),
        ["hash-to", file] => hash_to(Path::new(file)),
        ["hash-tree", dir] => hash_tree(Path::new(dir)),
        ["provide", store, dir] => provide(Path::new(store), Path::new(dir)).await,
        ["get", store, node, addr, hash] => get(Path::new(store), node, addr, hash).await,
        _ => panic!("see the head of rival.rs"),
    }
}

/// Every file below `dir`, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn hash_copy(from: &Path, to: &Path, sync: bool) {
    let mut buffer = vec![0; BUFFER];
    let mut all = blake3::Hasher::new();
    let mut made = Vec::new();
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let hash = pump(&mut File::open(&file).unwrap(), &copy, &mut buffer);
        all.update(hash.as_bytes());
        made.push(copy);
    }
    if sync {
        for file in made {
            File::open(file).unwrap().sync_all().unwrap();
        }
    }
    println!("{}", all.finalize());
}

fn hash_to(file: &Path) {
    println!("{}", pump(&mut io::stdin().lock(), file, &mut vec![0; BUFFER]));
}

fn pump(from: &mut impl Read, to: &Path, buffer: &mut [u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut out = File::create(to).unwrap();
    loop {
        let read = from.read(buffer).unwrap();
        if read == 0 {
            return hasher.finalize();
        }
        hasher.update(&buffer[..read]);
        out.write_all(&buffer[..read]).unwrap();
    }
}

fn hash_tree(dir: &Path) {
    let mut buffer = vec![0; BUFFER];
    let mut all = blake3::Hasher::new();
    for file in files(dir) {
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(file).unwrap();
        loop {
            let read = file.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        all.update(hasher.finalize().as_bytes());
    }
    println!("{}", all.finalize());
}

async fn endpoint(book: MemoryLookup) -> Endpoint {
    Endpoint::builder(presets::Minimal)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .portmapper_config(PortmapperConfig::Disabled)
        .address_lookup(book)
        .bind()
        .await
        .unwrap()
}

async fn provide(store: &Path, dir: &Path) {
    let store = FsStore::load(store).await.unwrap();
    let mut hashes = Vec::new();
    let mut guards = Vec::new();
    for file in files(dir) {
        let tag = store.blobs().add_path(fs::canonicalize(file).unwrap()).temp_tag().await.unwrap();
        hashes.push(tag.hash());
        guards.push(tag);
    }
    let sequence: HashSeq = hashes.into_iter().collect();
    let root = store.blobs().add_bytes(sequence).temp_tag().await.unwrap();
    let endpoint = endpoint(MemoryLookup::new()).await;
    let address = endpoint.bound_sockets()[0];
    let router = Router::builder(endpoint)
        .accept(iroh_blobs::ALPN, BlobsProtocol::new(&store, None))
        .spawn();
    println!("{} {address} {}", router.endpoint().id(), root.hash());
    // The bench closes our input when it has seen enough.
    let waited = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    waited.await.unwrap().unwrap();
    router.shutdown().await.unwrap();
}

async fn get(store: &Path, node: &str, address: &str, hash: &str) {
    let store = FsStore::load(store).await.unwrap();
    let hash: Hash = hash.parse().unwrap();
    let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
    let book = MemoryLookup::new();
    let node = node.parse().unwrap();
    book.add_endpoint_info(EndpointAddr::new(node).with_ip_addr(address.parse().unwrap()));
    let endpoint = endpoint(book).await;
    let connection = endpoint.connect(node, iroh_blobs::ALPN).await.unwrap();
    let _guard = store.tags().temp_tag(content).await.unwrap();
    let mut progress = std::pin::pin!(store.remote().fetch(connection, content).stream());
    while let Some(item) = progress.next().await {
        if let GetProgressItem::Error(error) = item {
            panic!("{error:#}");
        }
    }
    store.sync_db().await.unwrap();
    store.shutdown().await.unwrap();
    endpoint.close().await;
}
