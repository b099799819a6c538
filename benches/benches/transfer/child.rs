//! The processes of the bench: sources that can be slowed down and stopped, and what is timed.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use catalog::ByteSize;
use catalog::digest::Digest;
use catalog::import::{self, ImportOptions};
use catalog_node::shaping::{Limits, Rate};
use catalog_node::{Node, NodeConfig};

/// What a process of this program does.
pub enum Role {
    /// Publishes a folder and provides it.
    Publish { dir: PathBuf, source: PathBuf },
    /// Fetches what is published and provides it.
    Mirror { dir: PathBuf, ticket: String },
    /// Serves a file by HTTP.
    Serve { file: PathBuf },
    /// Fetches, or installs, and ends.
    Take { dir: PathBuf, ticket: String, installs: bool },
}

impl Role {
    pub fn of(words: &[String]) -> Option<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["publish", dir, source] => {
                Some(Self::Publish { dir: dir.into(), source: source.into() })
            }
            ["mirror", dir, ticket] => {
                Some(Self::Mirror { dir: dir.into(), ticket: ticket.to_owned() })
            }
            ["serve", file] => Some(Self::Serve { file: file.into() }),
            [verb @ ("fetch" | "install"), dir, ticket] => Some(Self::Take {
                dir: dir.into(),
                ticket: ticket.to_owned(),
                installs: verb == "install",
            }),
            _ => None,
        }
    }
}

/// A node that only hears the loopback interface.
pub async fn node(dir: &Path) -> Node {
    let config = NodeConfig::at(dir).listen("127.0.0.1:0".parse().unwrap());
    Node::builder(config).spawn().await.unwrap()
}

/// A node that has published a folder as `acme/bench`.
pub async fn publisher(dir: &Path, source: &Path) -> Node {
    let node = node(dir).await;
    node.init(Some("acme".parse().unwrap())).await.unwrap();
    let options = ImportOptions {
        name: Some("bench".parse().unwrap()),
        version: Some("1.0.0".parse().unwrap()),
        license: Some("MIT".to_owned()),
        summary: Some("What the bench moves".to_owned()),
        ..ImportOptions::default()
    };
    let draft = import::dir(source, &options).unwrap();
    let published = node.publish(draft).await.unwrap();
    std::fs::write(root_file(dir), published.variants[0].root.to_string()).unwrap();
    node
}

fn root_file(dir: &Path) -> PathBuf {
    dir.join("root")
}

/// The content root of what the publisher in `dir` published.
pub async fn root(dir: &Path) -> Digest {
    std::fs::read_to_string(root_file(dir)).unwrap().parse().unwrap()
}

pub async fn run(role: Role) {
    match role {
        Role::Publish { dir, source } => provide(publisher(&dir, &source).await).await,
        Role::Mirror { dir, ticket } => {
            let node = node(&dir).await;
            node.connect(&ticket.parse().unwrap()).await.unwrap();
            node.fetch(&"acme/bench".parse().unwrap(), vec![]).await.unwrap();
            provide(node).await;
        }
        Role::Serve { file } => serve(&file),
        Role::Take { dir, ticket, installs } => {
            let node = node(&dir).await;
            node.connect(&ticket.parse().unwrap()).await.unwrap();
            let wanted = "acme/bench".parse().unwrap();
            match installs {
                true => drop(node.install(&wanted).await.unwrap()),
                false => drop(node.fetch(&wanted, vec![]).await.unwrap()),
            }
            node.shutdown().await.unwrap();
        }
    }
}

/// Provides until the input ends; `limit N` slows it down.
async fn provide(node: Node) {
    println!("{}", node.ticket().await.unwrap());
    let limited = node.clone();
    let listening = tokio::task::spawn_blocking(move || {
        orders(|rate| {
            let total = Rate::AtMost(ByteSize::bytes(rate));
            let burst = ByteSize::kib(64);
            limited.limit_upload(Limits { total, burst, ..Limits::default() });
        });
    });
    listening.await.unwrap();
    node.shutdown().await.unwrap();
}

/// Obeys what comes by standard input until it ends.
fn orders(limit: impl Fn(u64)) {
    for line in std::io::stdin().lines() {
        if let Some(rate) = line.unwrap().strip_prefix("limit ") {
            limit(rate.parse().unwrap());
        }
    }
}

/// Serves ranges of one file by HTTP; all connections share the rate.
fn serve(file: &Path) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}/large.bin", listener.local_addr().unwrap());
    let rate = Arc::new(AtomicU64::new(u64::MAX));
    let (set, file) = (rate.clone(), file.to_owned());
    std::thread::spawn(move || {
        // When the next byte may go, in nanoseconds since the beginning.
        let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        for stream in listener.incoming() {
            let (stream, file) = (stream.unwrap(), file.clone());
            let (rate, next) = (rate.clone(), next.clone());
            std::thread::spawn(move || answer(stream, &file, &rate, began, &next));
        }
    });
    orders(|rate| set.store(rate, Ordering::Relaxed));
}

fn answer(
    stream: std::net::TcpStream,
    file: &Path,
    rate: &AtomicU64,
    began: Instant,
    next: &AtomicU64,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut stream = stream;
    let size = std::fs::metadata(file).ok()?.len();
    loop {
        let verb = lines.next()?.ok()?;
        let mut range = None;
        loop {
            let line = lines.next()?.ok()?.to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("range: bytes=") {
                let (from, to) = bytes.split_once('-')?;
                let to = to.parse::<u64>().map_or(size, |last| last + 1);
                range = Some(from.parse().ok()?..to.min(size));
            }
        }
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let wanted = range.unwrap_or(0..size);
        let (from, length) = (wanted.start, wanted.end - wanted.start);
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\n\
             Content-Range: bytes {from}-{}/{size}\r\n\r\n",
            wanted.end - 1
        )
        .ok()?;
        if verb.starts_with("HEAD") {
            continue;
        }
        let mut file = std::fs::File::open(file).ok()?;
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut left = length;
        let mut buffer = vec![0; 16 << 10];
        while left > 0 {
            let chunk = buffer.len().min(left as usize);
            file.read_exact(&mut buffer[..chunk]).ok()?;
            wait(chunk, rate, began, next);
            stream.write_all(&buffer[..chunk]).ok()?;
            left -= chunk as u64;
        }
    }
}

/// Waits for the turn of so many bytes.
fn wait(bytes: usize, rate: &AtomicU64, began: Instant, next: &AtomicU64) {
    let now = began.elapsed().as_nanos() as u64;
    let rate = rate.load(Ordering::Relaxed) as u128;
    let cost = (bytes as u128 * 1_000_000_000 / rate) as u64;
    let turn = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
        Some(next.max(now.saturating_sub(2_000_000)) + cost)
    });
    let turn = turn.unwrap_or_default().max(now.saturating_sub(2_000_000));
    std::thread::sleep(Duration::from_nanos(turn.saturating_sub(now)));
}

/// A process of this program; killed when dropped.
pub struct Child {
    process: process::Child,
    /// Its first line.
    pub said: String,
}

impl Child {
    /// Starts it and waits for its first line.
    pub fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(!said.is_empty(), "{args:?} said nothing");
        Self { process, said: said.trim().to_owned() }
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
