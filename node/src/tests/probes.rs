//! Denied and absent, compared to the byte, and as a campaign by the time that the answer takes:
//!
//! ```text
//! cargo test --release -p catalog-node --lib probes -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant};

use catalog::digest::Digest;
use catalog::permission::{Permission, Reader};
use catalog::store::ItemSet;
use catalog_discovery::{Index, Query};
use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::protocol::{ChunkRangesSeq, GetRequest, Request as BlobsRequest};

use super::fixture::{Machine, simple};
use crate::access;
use crate::node::now;
use crate::protocol::frame;
use crate::protocol::message::Request;
use crate::protocol::question::Asked;

/// A server that holds a private release, a stranger, and their connections.
struct Scene {
    server: Machine,
    stranger: Machine,
    contents: Connection,
    root: Digest,
}

impl Scene {
    async fn new() -> Self {
        let (server, stranger) = (Machine::publisher("acme").await, Machine::new().await);
        let mut secret = simple(server.dir.path(), "vaultdb", "1.0.0", 1);
        secret.permission = Permission::Private;
        let root = server.publish(secret).await.variants[0].root;
        server.publish(simple(server.dir.path(), "opendb", "1.0.0", 2)).await;
        stranger.meet(&server).await;
        let net = stranger.node.0.net().await.unwrap();
        let (id, addrs) = (server.node.id(), server.node.addrs());
        let contents = net.dial(id, &addrs, access::ALPN).await.unwrap();
        Self { server, stranger, contents, root }
    }

    /// Asks for a content: everything that comes, and how it ends.
    async fn get(&self, root: Digest) -> (Vec<u8>, ReadError) {
        let request = GetRequest::new(crate::blobs::hash(&root), ChunkRangesSeq::all());
        let (mut send, mut receive) = self.contents.open_bi().await.unwrap();
        let request = postcard::to_stdvec(&BlobsRequest::Get(request)).unwrap();
        send.write_all(&request).await.unwrap();
        send.finish().ok();
        let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
        loop {
            match receive.read(&mut part).await {
                Ok(Some(count)) => bytes.extend_from_slice(&part[..count]),
                Ok(None) => panic!("a stranger was answered"),
                Err(error) => return (bytes, error),
            }
        }
    }

    /// Searches for a word: the answer's bytes.
    async fn search(&self, word: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path()).unwrap();
        let (question, _) = index.question(&Query::new(word)).unwrap();
        self.ask(&Asked::of(&question)).await
    }

    async fn ask(&self, asked: &Asked) -> Vec<u8> {
        let link = self.stranger.node.0.links.get(&self.server.node.id()).unwrap();
        let (mut send, mut receive) = link.connection.open_bi().await.unwrap();
        frame::send(&mut send, &Request::Search(Box::new(asked.clone()))).await.unwrap();
        send.finish().ok();
        frame::receive_bytes(&mut receive).await.unwrap().unwrap().to_vec()
    }
}

/// Threat row 48: a stranger gets the same bytes for what it may not read and for what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn denied_and_absent_are_the_same_bytes_in_every_way_to_ask() {
    let scene = Scene::new().await;
    let absent = scene.get(Digest::of(b"nothing")).await;
    assert!(absent.0.is_empty());
    for _ in 0..20 {
        assert_eq!(scene.get(scene.root).await, absent);
    }
    let nothing = scene.search("zebrafx").await;
    assert_eq!(scene.search("vaultdb").await, nothing);
    assert_ne!(scene.search("opendb").await, nothing, "the control: it does answer");

    // In sync: the server that holds a statement shows a stranger what one shows that never had it.
    let stranger = Reader::Node(Machine::new().await.node.id());
    let [holds, lacks] = [&scene.server, &scene.stranger]
        .map(|machine| machine.node.store().snapshot().unwrap().at(now()));
    let ids = holds.ids(ItemSet::Log, &[0; 32], 0, usize::MAX).unwrap();
    assert_eq!(ids, lacks.ids(ItemSet::Log, &[0; 32], 0, usize::MAX).unwrap());
    assert_eq!(ids.len(), 4, "an inception, a parcel and two releases");
    for id in &ids {
        assert_eq!(holds.payload(stranger, id).unwrap(), lacks.payload(stranger, id).unwrap());
    }
    let differs =
        |id| holds.payload(Reader::Local, id).unwrap() != lacks.payload(Reader::Local, id).unwrap();
    assert!(ids.iter().any(differs), "the control: its owner sees it");
}

/// How likely two samples of one distribution differ as much as these.
///
/// # Source
/// Two-sample Kolmogorov-Smirnov test: Press et al., *Numerical Recipes*, section 14.3.
fn kolmogorov_smirnov(one: &mut [Duration], other: &mut [Duration]) -> f64 {
    one.sort();
    other.sort();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < one.len() && j < other.len() {
        let at = one[i].min(other[j]);
        while i < one.len() && one[i] <= at {
            i += 1;
        }
        while j < other.len() && other[j] <= at {
            j += 1;
        }
        distance = distance.max((i as f64 / n - j as f64 / m).abs());
    }
    let root = (n * m / (n + m)).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    let term = |k: i32| {
        let k = f64::from(k);
        2.0 * (-1.0_f64).powf(k - 1.0) * (-2.0 * k * k * lambda * lambda).exp()
    };
    if lambda < 0.2 { 1.0 } else { (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0) }
}

#[test]
fn samples_of_one_distribution_are_told_from_samples_of_two() {
    let sample = |seed: u64, shift: u64| -> Vec<Duration> {
        let bytes = super::fixture::noise(4000, seed);
        bytes.iter().map(|byte| Duration::from_nanos(u64::from(*byte) + shift)).collect()
    };
    assert!(kolmogorov_smirnov(&mut sample(1, 0), &mut sample(2, 0)) > 0.01);
    assert!(kolmogorov_smirnov(&mut sample(1, 0), &mut sample(2, 20)) < 0.001);
}

/// Probes of each sort.
const PROBES: usize = 10_000;

/// Threat row 48, by the clock: ten thousand probes of each sort, in an order that is drawn.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn denied_and_absent_take_the_same_time() {
    let scene = Scene::new().await;
    let index = Index::open(tempfile::tempdir().unwrap().path()).unwrap();
    let asked =
        ["vaultdb", "zebrafx"].map(|word| Asked::of(&index.question(&Query::new(word)).unwrap().0));
    let order = super::fixture::noise(4 * PROBES, 7);
    for way in ["get", "search"] {
        let mut took: [Vec<Duration>; 2] = Default::default();
        for byte in order.iter().cycle() {
            let which = usize::from(byte & 1);
            if took[which].len() == PROBES {
                if took[1 - which].len() == PROBES {
                    break;
                }
                continue;
            }
            scene.server.node.0.federation.forgive();
            // Both are at hand, so that neither question leaves later after the answer before it:
            // timers go by milliseconds, and to miss one would look like the server's time.
            let root = std::hint::black_box([scene.root, Digest::of(&[*byte])])[which];
            let began = Instant::now();
            match way {
                "get" => drop(scene.get(root).await),
                _ => drop(scene.ask(&asked[which]).await),
            }
            took[which].push(began.elapsed());
        }
        let [denied, absent] = &mut took;
        let p = kolmogorov_smirnov(denied, absent);
        let median = |sorted: &[Duration]| sorted[sorted.len() / 2];
        println!("{way}: denied {:?}, absent {:?}, p {p:.3}", median(denied), median(absent));
        assert!(p > 0.01, "{way}: p {p}");
    }
}
