//! Receipts between real nodes: what clients verified is what their servers can show, to the byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::register::Hlc;
use catalog::signature::SecretKey;
use catalog::{ByteSize, Digest};
use catalog_mirror::receipt::{Receipt, SealedReceipt};
use iroh::Endpoint;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh_blobs::protocol::{GetRequest, Request};

use super::fixture::{Machine, draft, noise, open, reference};
use super::records::until;
use crate::account::wire::{Frame, Why};
use crate::meter::Count;
use crate::node::now;
use crate::shaping::{Limits, Rate};
use crate::{Node, access, account, blobs};

/// Publishes a package of this size at a new node.
async fn publisher(bytes: usize) -> (Machine, Digest) {
    let machine = Machine::publisher("acme").await;
    let root = publish(&machine, "graphdb", bytes).await;
    machine.node.serve().await.unwrap();
    (machine, root)
}

async fn publish(machine: &Machine, name: &str, bytes: usize) -> Digest {
    let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(bytes, 7)), ("README", noise(900, 8))];
    let published =
        machine.publish(draft(machine.dir.path(), name, "1.0.0", &[("any", files)])).await;
    published.variants[0].root
}

/// What `client` signed for `server`, as `viewer` knows it.
fn total(viewer: &Node, server: &Node, client: &Node) -> u64 {
    viewer.0.account.books().ledger.total(&server.id(), &client.id()).as_u64()
}

fn counted(node: &Node, what: Count) -> u64 {
    node.0.meter.of(what)
}

/// Ends a node as a crash does: nothing is said, signed or written any more.
async fn crash(machine: Machine) -> Machine {
    let Machine { dir, node } = machine;
    let inner = &node.0;
    inner.stop.cancel();
    inner.links.close();
    if let Some(net) = inner.open_net() {
        net.close().await;
    }
    inner.tasks.close();
    inner.tasks.wait().await;
    inner.blobs().await.unwrap().shutdown().await.unwrap();
    drop(node);
    Machine { node: open(dir.path()).await, dir }
}

/// Threat row 37, and what credits are for: several clients, several providers, one that crashes
/// while it serves.
#[tokio::test(flavor = "multi_thread")]
async fn credits_equal_the_bytes_that_clients_verified() {
    const BYTES: usize = 12_000_000;
    let (a, _) = publisher(BYTES).await;
    let (b, c) = (Machine::new().await, Machine::new().await);
    let wanted = reference("acme/graphdb");
    for mirror in [&b, &c] {
        mirror.meet(&a).await;
        mirror.node.fetch(&wanted, vec![]).await.unwrap();
        mirror.node.serve().await.unwrap();
    }
    let (d, e) = (Machine::new().await, Machine::new().await);
    for client in [&d, &e] {
        for mirror in [&a, &b, &c] {
            client.meet(mirror).await;
        }
    }
    // So slow that nobody serves all of it, and that there is a middle.
    let limits = |rate| Limits {
        total: Rate::AtMost(ByteSize::bytes(rate)),
        burst: ByteSize::kib(64),
        ..Limits::default()
    };
    for mirror in [&a, &b, &c] {
        mirror.node.limit_upload(limits(6_000_000));
    }
    let installs = async {
        let (one, other) = tokio::join!(async { d.node.install(&wanted).await }, async {
            e.node.install(&wanted).await
        });
        one.unwrap();
        other.unwrap();
    };
    let came = |client: &Machine| counted(&client.node, Count::ContentsReceived);
    let crashes = async {
        until(async || came(&d) > BYTES as u64 / 3 && came(&e) > BYTES as u64 / 3).await;
        crash(c).await
    };
    let ((), c) = tokio::join!(installs, crashes);
    c.node.serve().await.unwrap();

    let (mirrors, clients) = ([&a, &b, &c], [&d, &e]);
    for client in clients {
        let signed = || mirrors.map(|mirror| total(&client.node, &mirror.node, &client.node));
        until(async || signed().iter().sum::<u64>() == came(client)).await;
        assert!(came(client) >= BYTES as u64 && signed()[2] > 0, "{:?}", signed());
    }
    // What was signed is with those it was signed for, also with the one that was gone.
    let differing = || {
        let pairs = mirrors.into_iter().flat_map(|mirror| clients.map(|client| (mirror, client)));
        let pairs = pairs.map(|(mirror, client)| {
            let [theirs, ours] =
                [mirror, client].map(|viewer| total(&viewer.node, &mirror.node, &client.node));
            (theirs, ours)
        });
        pairs.filter(|(theirs, ours)| theirs != ours).collect::<Vec<_>>()
    };
    let equal =
        tokio::time::timeout(Duration::from_secs(60), until(async || differing().is_empty()));
    assert!(equal.await.is_ok(), "{:?}", differing());
    for mirror in [&a, &b] {
        let of_clients = clients.map(|client| total(&mirror.node, &mirror.node, &client.node));
        let of_mirrors = [&b, &c].map(|other| total(&mirror.node, &mirror.node, &other.node));
        let sum = of_clients.iter().sum::<u64>() + of_mirrors.iter().sum::<u64>();
        assert!(sum <= counted(&mirror.node, Count::ContentsSent), "nobody signs for more");
        assert_eq!(counted(&mirror.node, Count::ReceiptsRefused), 0);
    }
}

/// Receipts cost a ten thousandth of what they are about.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_a_ten_thousandth_of_the_bytes() {
    let (a, _) = publisher(64 << 20).await;
    let b = Machine::new().await;
    b.meet(&a).await;
    b.node.fetch(&reference("acme/graphdb"), vec![]).await.unwrap();
    let came = counted(&b.node, Count::ContentsReceived);
    until(async || total(&a.node, &a.node, &b.node) == came).await;
    let (frames, receipts) =
        (counted(&b.node, Count::ReceiptBytes), counted(&b.node, Count::ReceiptsSigned));
    assert!(receipts >= 16, "{receipts} receipts");
    assert!(frames * 10_000 <= came, "{frames} bytes of {receipts} receipts about {came}");
}

/// A counting goes on after a restart in good order, and another begins after a crash: no number is
/// ever signed for two amounts.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_signed_twice_over_restarts_and_crashes() {
    let (a, _) = publisher(900_000).await;
    let mut b = Machine::new().await;
    b.meet(&a).await;
    let mut places = Vec::new();
    for round in 0..4 {
        let name = format!("part-{round}");
        publish(&a, &name, 700_000 + 1000 * round).await;
        b.node.sync(None).await.unwrap();
        b.node.install(&reference(&format!("acme/{name}"))).await.unwrap();
        until(async || {
            let ours = total(&b.node, &a.node, &b.node);
            ours > places.len() as u64 * 700_000 && ours == total(&a.node, &a.node, &b.node)
        })
        .await;
        let row = a.node.0.account.books().ledger.row(&a.node.id(), &b.node.id()).cloned().unwrap();
        let newest = *row.newest().unwrap().receipt();
        places.push((newest.epoch, newest.seq));
        b = if round < 2 { b.restart().await } else { crash(b).await };
    }
    assert!(places.is_sorted_by(|before, after| before < after), "{places:?}");
    assert!(places[0].0 == places[1].0 && places[1].0 == places[2].0, "{places:?}");
    assert!(places[2].0 < places[3].0, "after the crash: {places:?}");
    assert_eq!(counted(&a.node, Count::Frauds), 0);
}

/// A client that is no node of ours, and does as it likes.
struct Rogue {
    endpoint: Endpoint,
    key: SecretKey,
    id: NodeId,
}

impl Rogue {
    async fn new() -> Self {
        let endpoint = super::fixture::stranger(account::ALPN).await;
        let key = SecretKey::from_bytes(&endpoint.secret_key().to_bytes());
        let id = NodeId::from_bytes(*endpoint.id().as_bytes());
        Self { endpoint, key, id }
    }

    async fn dial(&self, server: &Node, alpn: &[u8]) -> Connection {
        let id = iroh::EndpointId::from_bytes(server.id().as_bytes()).unwrap();
        let addr = server
            .addrs()
            .into_iter()
            .fold(iroh::EndpointAddr::new(id), |addr, one| addr.with_ip_addr(one));
        self.endpoint.connect(addr, alpn).await.unwrap()
    }

    /// Says that it will sign.
    async fn hello(&self, server: &Node) -> Signs {
        let connection = self.dial(server, account::ALPN).await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        Frame::Hello.write(&mut send).await.unwrap();
        let Ok(Some(Frame::Last(last))) = Frame::read(&mut receive).await else { panic!() };
        Signs { _connection: connection, send, receive, last }
    }

    /// Asks for a content and reads whatever comes: how much that is.
    async fn gulp(&self, server: &Node, root: Digest) -> (Connection, Arc<AtomicU64>) {
        let connection = self.dial(server, access::ALPN).await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let request = Request::Get(GetRequest::all(blobs::hash(&root)));
        send.write_all(&postcard::to_stdvec(&request).unwrap()).await.unwrap();
        send.finish().unwrap();
        let came = Arc::new(AtomicU64::new(0));
        let counts = came.clone();
        tokio::spawn(async move {
            while let Ok(Some(chunk)) = receive.read_chunk(1 << 16).await {
                counts.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        });
        (connection, came)
    }

    fn receipt(&self, server: &Node, seq: u64, bytes: u64) -> Receipt {
        Receipt {
            server: server.id(),
            client: self.id,
            epoch: 1,
            seq,
            bytes: ByteSize::bytes(bytes),
            hlc: Hlc::after(Hlc::default(), now()),
            hint: Digest::from_bytes([0; 32]),
        }
    }

    fn sealed(&self, receipt: &Receipt) -> Vec<u8> {
        SealedReceipt::seal(receipt, &self.key).unwrap().as_bytes().to_vec()
    }
}

struct Signs {
    _connection: Connection,
    send: SendStream,
    receive: RecvStream,
    last: Vec<u8>,
}

impl Signs {
    async fn show(&mut self, receipt: Vec<u8>) -> Result<(), Why> {
        Frame::Receipt(receipt).write(&mut self.send).await.unwrap();
        match Frame::read(&mut self.receive).await.unwrap() {
            Some(Frame::Taken(_)) => Ok(()),
            Some(Frame::Refused(why)) => Err(why),
            other => panic!("{other:?}"),
        }
    }
}

/// Threat rows 37 and 38: what is forged, empty, of others, for too much, repeated or out of order
/// is refused and counted, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_do_not_count_are_refused_and_counted() {
    let (a, root) = publisher(600_000).await;
    let (rogue, other) = (Rogue::new().await, Rogue::new().await);
    let mut signs = rogue.hello(&a.node).await;
    assert!(signs.last.is_empty());
    let (_open, came) = rogue.gulp(&a.node, root).await;
    until(async || came.load(Ordering::Relaxed) > 600_000).await;
    let honest = |seq, bytes| rogue.sealed(&rogue.receipt(&a.node, seq, bytes));
    let known = || a.node.0.account.books().ledger.total(&a.node.id(), &rogue.id).as_u64();

    let mut forged = honest(1, 300_000);
    *forged.last_mut().unwrap() ^= 1;
    let twisted = {
        let mut bytes = honest(1, 300_000);
        bytes[60] ^= 1;
        bytes
    };
    let of_another = other.sealed(&other.receipt(&a.node, 1, 1000));
    let about_another =
        rogue.sealed(&Receipt { server: other.id, ..rogue.receipt(&a.node, 1, 1000) });
    let future = Hlc::from_bits(u64::MAX >> 1);
    let ahead = rogue.sealed(&Receipt { hlc: future, ..rogue.receipt(&a.node, 1, 1000) });
    let refused = [
        (forged, Why::NoReceipt),
        (twisted, Why::NoReceipt),
        (b"nothing".to_vec(), Why::NoReceipt),
        (of_another, Why::OtherPair),
        (about_another, Why::OtherPair),
        (honest(1, 2_000_000), Why::Amount),
        (ahead, Why::Ahead),
    ];
    let count = refused.len() as u64;
    for (receipt, why) in refused {
        assert_eq!(signs.show(receipt).await, Err(why));
        assert_eq!(known(), 0, "{why:?}");
    }
    assert_eq!(signs.show(honest(2, 300_000)).await, Ok(()));
    assert_eq!(signs.show(honest(2, 300_000)).await, Err(Why::Stale), "shown again");
    assert_eq!(signs.show(honest(1, 200_000)).await, Err(Why::Stale), "late");
    assert_eq!(known(), 300_000);
    assert_eq!(signs.show(honest(3, 900_000)).await, Err(Why::Amount), "more than it was sent");
    assert_eq!(signs.show(honest(4, 500_000)).await, Ok(()));
    assert_eq!(known(), 500_000);
    assert_eq!(counted(&a.node, Count::ReceiptsRefused), count + 3);
    assert_eq!(counted(&a.node, Count::ReceiptsTaken), 2);
    // Whoever lost its state is shown where it was.
    let again = rogue.hello(&a.node).await;
    let last = SealedReceipt::open(&again.last).unwrap();
    assert_eq!((last.receipt().seq, last.receipt().bytes.as_u64()), (4, 500_000));
    // Enough is enough.
    for _ in 0..32 {
        if Frame::Receipt(vec![1]).write(&mut signs.send).await.is_err() {
            break;
        }
    }
    until(async || signs._connection.close_reason().is_some()).await;
}

/// Threat row 39: who signs one number for two amounts is found out, and those who were never told
/// learn it with both receipts in hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_contradiction_becomes_proof_and_spreads() {
    let (a, root) = publisher(600_000).await;
    let rogue = Rogue::new().await;
    let mut signs = rogue.hello(&a.node).await;
    let (_open, came) = rogue.gulp(&a.node, root).await;
    until(async || came.load(Ordering::Relaxed) > 600_000).await;
    let signed = |seq, bytes| rogue.sealed(&rogue.receipt(&a.node, seq, bytes));
    assert_eq!(signs.show(signed(1, 500_000)).await, Ok(()));
    assert_eq!(signs.show(signed(1, 100_000)).await, Err(Why::Equivocation));
    assert!(a.node.0.account.books().ledger.is_fraud(&rogue.id));

    a.node.0.show_receipts(Duration::ZERO).await.unwrap();
    let (b, c) = (Machine::new().await, Machine::new().await);
    b.meet(&a).await;
    // c has never met a.
    b.node.serve().await.unwrap();
    c.meet(&b).await;
    for machine in [&b, &c] {
        machine.node.0.read_receipts().await.unwrap();
        let books = machine.node.0.account.books();
        let (_, proof) = books.ledger.frauds().find(|(signer, _)| **signer == rogue.id).unwrap();
        let amounts = proof.receipts().map(|sealed| sealed.receipt().bytes.as_u64());
        assert_eq!(amounts, [100_000, 500_000]);
    }
    assert_eq!(counted(&c.node, Count::Frauds), 1);
}

/// What was signed for a node is known to those who never met its clients; what it says of others is
/// not listened to.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_for_a_node_is_shown_to_others() {
    let (a, _) = publisher(600_000).await;
    let (b, c) = (Machine::new().await, Machine::new().await);
    b.meet(&a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    until(async || total(&a.node, &a.node, &b.node) > 600_000).await;
    a.node.0.exchange_receipts().await.unwrap();
    c.meet(&a).await;
    c.node.0.read_receipts().await.unwrap();
    assert_eq!(total(&c.node, &a.node, &b.node), total(&b.node, &a.node, &b.node));
    // b shows nothing: nobody signed for it.
    b.node.0.exchange_receipts().await.unwrap();
    let said = b.node.store().registers(&"receipts".parse().unwrap(), now()).unwrap();
    assert!(said.iter().all(|register| register.node != b.node.id()));
}

/// Threat row 40: who said that it signs and does not is sent a little and no more, until it does.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_signing_is_sent_no_more() {
    let (a, root) = publisher(6_000_000).await;
    let rogue = Rogue::new().await;
    let mut signs = rogue.hello(&a.node).await;
    let (_open, _) = rogue.gulp(&a.node, root).await;
    let waits = || {
        let account = &a.node.0.account;
        account.books().waits_until(account.now(), &rogue.id).is_some()
    };
    until(async || waits()).await;
    let sent = counted(&a.node, Count::ContentsSent);
    assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&sent), "{sent} bytes without a receipt");
    let receipt = rogue.sealed(&rogue.receipt(&a.node, 1, sent));
    assert_eq!(signs.show(receipt).await, Ok(()));
    until(async || counted(&a.node, Count::ContentsSent) > sent && waits()).await;
    // What was signed for buys twice as much ahead.
    let more = counted(&a.node, Count::ContentsSent) - sent;
    assert!(more >= 2 << 20, "{more}");
}

/// An old client, or one that does not want to sign, installs all the same.
#[tokio::test(flavor = "multi_thread")]
async fn who_knows_no_receipts_gets_everything() {
    let (a, root) = publisher(6_000_000).await;
    let rogue = Rogue::new().await;
    let (_open, came) = rogue.gulp(&a.node, root).await;
    until(async || came.load(Ordering::Relaxed) > 6_000_000).await;
    assert_eq!(counted(&a.node, Count::ReceiptsTaken), 0);
}
