//! Peers that lie, strangers that probe, and nodes that are not who they say.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use catalog::digest::Digest;
use catalog::permission::Permission;

use super::fixture::{Events, Machine, draft, noise, reference, simple};
use super::odd::{Manner, Odd};
use crate::fetch::TransferProgress;
use crate::fetch::gauge::Gauge;
use crate::fetch::provider::{Provider, ProviderError, Work};
use crate::fetch::tally::Tally;
use crate::peers::ConnectError;
use crate::ticket::Ticket;
use crate::{access, endpoint};

/// Flips one bit of the file.
pub(super) fn flip(path: &Path, at: u64) {
    let mut file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ (1 << (at % 8))]).unwrap();
}

fn contents(machine: &Machine, digest: &Digest) -> std::path::PathBuf {
    machine.dir.path().join("data/blobs/data").join(format!("{digest}.data"))
}

/// Threat row 1: whatever byte of a provider's copy rots, nothing wrong reaches the disk of those
/// who fetch from it, and another provider is used.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_rot_at_one_provider_come_from_another() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let bytes = noise(5_000_000, 1);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", bytes.clone())];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    b.meet(&a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    let rotten = contents(&a, &Digest::of(&bytes));
    for round in 0..20 {
        flip(&rotten, round * 249_989);
    }
    let c = Machine::new().await;
    c.meet(&a).await;
    c.meet(&b).await;
    let installed = c.node.install(&reference("acme/graphdb")).await.unwrap();
    assert_eq!(std::fs::read(installed.path.unwrap().join("bin/run")).unwrap(), bytes);
    assert!(c.node.verify().await.unwrap().is_clean());
}

/// Threat row 1, on the wire: a provider that changes a bit in what it sends is noticed before
/// anything of that range is kept, and is not asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_sends_wrong_bytes_is_dropped_and_the_other_finishes() {
    let (a, liar) = (Machine::publisher("acme").await, Machine::new().await);
    let bytes = noise(6_000_000, 1);
    let files: &[(&str, Vec<u8>)] = &[("bin/run", bytes.clone()), ("doc", noise(9000, 2))];
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", files)])).await;
    liar.meet(&a).await;
    liar.node.install(&reference("acme/graphdb")).await.unwrap();
    // It has the right bytes and sends others.
    let lying = Odd::serve(&liar, Manner::Flips).await;

    // What it sent may come after the other has finished, so a lie is not caught in every round.
    let mut caught = 0;
    for round in 0.. {
        assert!(round < 60, "{caught} lies were caught");
        let c = Machine::new().await;
        c.meet(&a).await;
        lying.show(&c);
        lying.at.store(50_000 + round % 6 * 131_071, Ordering::Relaxed);
        let events = Events::default();
        let install = c.node.install(&reference("acme/graphdb")).progress(events.recorder());
        let installed = install.await.unwrap();
        assert_eq!(std::fs::read(installed.path.unwrap().join("bin/run")).unwrap(), bytes);
        assert!(c.node.verify().await.unwrap().is_clean());
        let dropped = events.all().into_iter().any(|event| {
            matches!(event, TransferProgress::ProviderLost { node, reason }
                if node == lying.id && reason.contains("wrong bytes"))
        });
        let lied = lying.did.swap(0, Ordering::Relaxed) > 0;
        assert!(lied || !dropped, "round {round}: only who lies is dropped");
        caught += usize::from(dropped);
        if caught == 4 {
            break;
        }
    }
    lying.close().await;
}

/// Asks `server` for a content root on behalf of `asker`.
pub(super) async fn ask(
    asker: &Machine,
    server: &Machine,
    root: Digest,
    tree: Digest,
) -> Result<(), String> {
    let net = asker.node.0.net().await.unwrap();
    let connection = net.dial(server.node.id(), &server.node.addrs(), access::ALPN).await.unwrap();
    let gauge =
        Gauge::new(Tally::new(Arc::new(|_| ())), catalog::permission::NodeId::from_bytes([1; 32]));
    let work = Work { gauge, cancelled: Default::default() };
    let sequence_bytes = 32 * (files_of(server, &root) + 1);
    match Provider(connection).head(root, tree, sequence_bytes, 1 << 20, &work).await {
        Ok(_) => Ok(()),
        Err(error @ ProviderError::Refused) => Err(error.to_string()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// How many files a content has, by what the server knows; any number when it knows none.
fn files_of(server: &Machine, root: &Digest) -> u64 {
    let store = server.node.store();
    let released = store
        .release_of_root(root)
        .unwrap()
        .into_iter()
        .find_map(|(id, variant)| Some(store.release(&id).unwrap()?.variant(&variant)?.files));
    let carried = store.carried(&server.node.id()).unwrap();
    let carried = carried.iter().find(|row| row.content.root == *root).map(|row| row.content.files);
    released.or(carried).unwrap_or(4)
}

/// Threat row 48: who may not read a release gets, for its contents, the very answer that everybody
/// gets for contents that do not exist.
#[tokio::test(flavor = "multi_thread")]
async fn denied_and_absent_are_the_same_answer() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let mut secret = simple(a.dir.path(), "secret", "1.0.0", 1);
    secret.permission = Permission::Restricted(BTreeSet::from([b.node.id()]));
    let published = a.publish(secret).await;
    a.node.online().await.unwrap();
    let root = published.variants[0].root;
    let release = a.node.store().release(&published.id.unwrap()).unwrap().unwrap();
    let tree = release.variants[0].tree;

    let denied = ask(&c, &a, root, tree).await;
    let absent = ask(&c, &a, Digest::of(b"nothing"), tree).await;
    assert!(denied.is_err());
    assert_eq!(denied, absent);
    // Nor by the hash of a file or of the tree, which are no content roots.
    for digest in [tree, Digest::of(&noise(3_000_000, 1))] {
        assert_eq!(ask(&c, &a, digest, tree).await, absent);
    }
    // The control: the same question from somebody who may read it is answered.
    assert_eq!(ask(&b, &a, root, tree).await, Ok(()));
    // And everybody learns by it that no other kind of request is served.
    let net = c.node.0.net().await.unwrap();
    let connection = net.dial(a.node.id(), &a.node.addrs(), access::ALPN).await.unwrap();
    let observed = iroh_blobs::protocol::ObserveRequest::new(crate::blobs::hash(&root));
    let store = iroh_blobs::store::mem::MemStore::new();
    let mut answers = std::pin::pin!(store.remote().observe(connection, observed));
    assert!(matches!(n0_future::StreamExt::next(&mut answers).await, Some(Err(_))));
}

/// Threat row 49: at the address of a node answers another: the handshake fails, and no question
/// is ever asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_at_a_known_address_is_not_talked_to() {
    let (a, impostor, b) =
        (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    impostor.node.online().await.unwrap();
    let ticket = Ticket::new(a.node.id(), impostor.node.addrs());
    let error = b.node.connect(&ticket).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(b.node.peers().await.unwrap().is_empty());
    assert!(impostor.node.0.links.all().is_empty());
    // The control: the right id at the same address is talked to.
    let ticket = Ticket::new(impostor.node.id(), impostor.node.addrs());
    assert!(b.node.connect(&ticket).await.is_ok());
    assert_eq!(endpoint::node_id(&b.node.0.key), b.node.id());
}

/// Threat row 6: a provider that sends without end is cut off where its first block is wrong; what
/// it gets rid of is what the connection lets it have under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_sends_without_end_is_cut_off() {
    let (a, c) = (Machine::publisher("acme").await, Machine::new().await);
    let bytes = noise(1_000_000, 1);
    a.publish(draft(a.dir.path(), "graphdb", "1.0.0", &[("any", &[("run", bytes.clone())])])).await;
    let endless = Odd::serve(&a, Manner::Endless).await;
    c.meet(&a).await;
    endless.show(&c);
    let installed = c.node.install(&reference("acme/graphdb")).await.unwrap();
    assert_eq!(std::fs::read(installed.path.unwrap().join("run")).unwrap(), bytes);
    let sent = endless.did.load(Ordering::Relaxed);
    assert!(sent < 40 << 20, "{sent} bytes were taken");
    endless.close().await;
}

/// Threat row 8: a node that is full refuses at once, and answers again when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_is_refused_and_leaves_no_one_out_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::NodeConfig::at(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let node = crate::Node::builder(config.connections_max(6)).spawn().await.unwrap();
    node.init(Some("acme".parse().unwrap())).await.unwrap();
    let a = Machine { dir, node };
    a.publish(simple(a.dir.path(), "graphdb", "1.0.0", 1)).await;
    a.node.online().await.unwrap();
    let (id, addrs) = (a.node.id(), a.node.addrs());
    let addrs = addrs.as_slice();
    let flood = (0..4).map(|_| endpoint::Net::ephemeral(a.node.config()));
    let flood = n0_future::join_all(flood).await.into_iter().map(Result::unwrap);
    let flood: Vec<_> = flood.collect();
    let dial = |net| (0..10).map(move |_| endpoint::Net::dial(net, id, addrs, access::ALPN));
    let dials = flood.iter().flat_map(dial);
    let dialled = n0_future::join_all(dials).await;
    let held: Vec<_> = dialled.into_iter().flatten().collect();
    assert!(!held.is_empty() && held.len() <= 6, "{} are held", held.len());
    drop(held);
    for net in flood {
        net.close().await;
    }
    let b = Machine::new().await;
    let ticket = a.node.ticket().await.unwrap();
    super::records::until(async || b.node.connect(&ticket).await.is_ok()).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
}
