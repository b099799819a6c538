//! What a node says of what it gives and takes, on its control socket and over HTTP.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::fixture::{Machine, draft, noise, reference, simple};
use crate::control::serve::Serving;

/// A request as anybody sends it, and the answer: status line, headers, body.
async fn get(mut to: impl AsyncReadExt + AsyncWriteExt + Unpin, headers: &str) -> (String, String) {
    let request = format!("GET /metrics HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    to.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    to.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// Reads the text as a collector does: each metric is announced once, and has its samples behind.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut announced, mut kind) = (BTreeMap::new(), String::new(), "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && !samples.contains_key(name), "{line}");
            announced = name.to_owned();
        } else if let Some(is) = line.strip_prefix("# TYPE ") {
            let (name, is) = is.split_once(' ').unwrap();
            assert_eq!(name, announced, "{line}");
            kind = if is == "counter" { "counter" } else { "gauge" };
            assert_eq!(is, kind);
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert_eq!(name, announced, "{line} stands under another name");
            let of_name = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("catalog_") && name.chars().all(of_name), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0 && samples.insert(sample.to_owned(), value).is_none(), "{line}");
        }
    }
    assert!(text.ends_with('\n') && !kind.is_empty());
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_is_counted_on_both_sides_and_can_be_collected() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    b.meet(&a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    // Of the next version one file is new; all of it is wanted.
    let files: &[(&str, Vec<u8>)] =
        &[("bin/run", noise(3_000_000, 1)), ("share/more", noise(1_000_000, 9))];
    a.publish(draft(a.dir.path(), "graphdb", "1.1.0", &[("any", files)])).await;
    b.node.sync(None).await.unwrap();
    b.node.install(&reference("acme/graphdb")).await.unwrap();

    let (given, taken) = (a.node.stats().await.unwrap(), b.node.stats().await.unwrap());
    // Files, their lists and hash sequences: not one byte twice, and none of the proofs.
    let (first, second) = (3_000_000 + 200_000 + 13, 1_000_000);
    let files = first + second;
    assert!((files..files + 2000).contains(&taken.received.as_u64()), "{taken:?}");
    assert_eq!(given.sent, taken.received);
    assert_eq!((given.received.as_u64(), taken.sent.as_u64()), (0, 0));
    assert_eq!(taken.cache.of, first + 4_000_000);
    assert_eq!(taken.cache.good, 3_000_000, "what the version before had already");
    assert!(given.requests.good > 0 && given.requests.good == given.requests.of);
    assert_eq!((given.shared.packages, given.shared.variants), (1, 2));
    assert_eq!(given.shared, taken.shared, "who installed it gives it, too");
    assert_eq!(taken.mirrored.packages, 0);
    assert_eq!((taken.peers, taken.connected), (1, 1));
    assert!(taken.syncs.good >= 2 && taken.syncs.good == taken.syncs.of);
    assert_eq!(taken.health.score, 1.0, "{:?}", taken.health);

    let serving = Serving::start(&b.node, Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let socket = UnixStream::connect(b.node.config().socket_path()).await.unwrap();
    let (head, body) = get(socket, "Host: catalog\r\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let samples = read(&body);
    let is = |name: &str, value: u64| assert_eq!(samples[name], value as f64, "{name}");
    is("catalog_contents_received_bytes_total", taken.received.as_u64());
    is("catalog_wanted_here_bytes_total", 3_000_000);
    is("catalog_packages{held=\"shared\"}", 1);
    is("catalog_held_bytes{held=\"mirrored\"}", 0);
    is("catalog_peers_connected", 1);
    is("catalog_health{term=\"sync\"}", 1);

    // Over HTTP it takes the token, as everything else there.
    let http = serving.http().unwrap().clone();
    let host = format!("Host: {}\r\n", http.addr);
    let (head, _) = get(TcpStream::connect(http.addr).await.unwrap(), &host).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let token = std::fs::read_to_string(&http.token_path).unwrap();
    let shown = format!("{host}Authorization: Bearer {token}\r\n");
    let (head, body) = get(TcpStream::connect(http.addr).await.unwrap(), &shown).await;
    assert!(head.starts_with("http/1.1 200") && read(&body).len() == samples.len(), "{head}");
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_shows_in_the_health_score() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    b.meet(&a).await;
    a.node.shutdown().await.unwrap();
    super::records::until(async || b.node.stats().await.unwrap().connected == 0).await;
    let stats = b.node.stats().await.unwrap();
    assert_eq!(stats.health.score, 0.0, "the only peer is out of reach");
    let reach = stats.health.terms.iter().find(|term| term.name == "reach").unwrap();
    assert_eq!((reach.value, reach.words.as_str()), (0.0, "0 of 1 usual peers can be reached"));
    let product: f64 = stats.health.terms.iter().map(|term| term.value).product();
    assert_eq!(product, stats.health.score);
}
