//! Updates that take only what changed, and peers that lie about it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::digest::Digest;
use catalog::permission::{NodeId, Permission};
use catalog::size::ByteSize;
use iroh::endpoint::{RecvStream, SendStream};

use super::fixture::{Events, Files, Machine, draft, noise, reference, stranger};
use crate::delta;
use crate::fetch::TransferProgress;
use crate::publish::Published;
use crate::update::UpdateBytes;

const SIZE: usize = 3_000_000;

/// A program, and its next version: most of its bytes are the same, at other places.
fn versions() -> (Vec<u8>, Vec<u8>) {
    let old = noise(SIZE, 1);
    let new = [&noise(20_000, 2), &old[..1_000_000], &noise(30_000, 3), &old[1_050_000..]].concat();
    (old, new)
}

fn files(program: Vec<u8>, version: &str) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("bin/run", program),
        ("share/data", noise(500_000, 4)),
        ("README", format!("version {version}").into_bytes()),
    ]
}

async fn publish(machine: &Machine, version: &str, files: Files<'_>) -> Published {
    machine.publish(draft(machine.dir.path(), "graphdb", version, &[("any", files)])).await
}

/// Two versions at `a`, of which `b` has the first.
async fn with_news(a: &Machine, b: &Machine) -> Vec<u8> {
    let (old, new) = versions();
    publish(a, "1.0.0", &files(old, "1.0.0")).await;
    b.meet(a).await;
    b.node.install(&reference("acme/graphdb")).await.unwrap();
    publish(a, "1.1.0", &files(new.clone(), "1.1.0")).await;
    new
}

/// Updates, checks every byte of the program, and answers what came over the wire.
async fn update(machine: &Machine, events: &Events, program: &[u8]) -> u64 {
    let updated = machine.node.update(None).progress(events.recorder()).await.unwrap();
    assert_eq!(updated[0].to.to_string(), "1.1.0", "{updated:?}");
    let installed = updated[0].installed.as_ref().unwrap();
    let path = installed.path.as_ref().unwrap();
    assert!(std::fs::read(path.join("bin/run")).unwrap() == program);
    assert!(machine.node.verify().await.unwrap().is_clean());
    installed.bytes_moved
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_moves_only_the_files_that_changed() {
    let (a, b) = (Machine::publisher("acme").await, Machine::without_patches().await);
    let new = with_news(&a, &b).await;
    let moved = update(&b, &Events::default(), &new).await;
    let changed = new.len() as u64;
    assert!((changed..changed + changed / 50).contains(&moved), "{moved} of {changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_file_that_changed_only_the_change_moves() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    c.meet(&a).await;
    let new = with_news(&a, &b).await;
    let moved = update(&b, &Events::default(), &new).await;
    assert!((50_000..70_000).contains(&moved), "{moved}");

    // Whoever has both versions makes patches for others, and each once only.
    c.node.install(&reference("acme/graphdb@1.0.0")).await.unwrap();
    c.node.forget_peer(&a.node.id()).await.unwrap();
    c.meet(&b).await;
    c.node.install(&reference("acme/graphdb@1.1.0")).await.unwrap();
    for machine in [&a, &b] {
        let kept = std::fs::read_dir(machine.node.config().patches_dir()).unwrap();
        assert_eq!(kept.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_an_update_would_move_and_moves_nothing() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let new = with_news(&a, &b).await;
    let before = b.node.store().holds().unwrap();
    let planned = b.node.update(None).dry_run().await.unwrap();
    let Some(UpdateBytes { full, by_file, by_patch, files, patches }) = planned[0].bytes else {
        panic!("{planned:?}")
    };
    let changed = new.len() as u64 + 13;
    assert_eq!(full, ByteSize::bytes(changed + 500_000));
    assert_eq!((by_file, files, patches), (ByteSize::bytes(changed), 2, 1));
    assert!((50_000..60_000).contains(&by_patch.as_u64()), "{by_patch}");
    assert_eq!(b.node.store().holds().unwrap(), before);
    // It is what moves then, but for the file list.
    let moved = update(&b, &Events::default(), &new).await;
    assert!(moved.abs_diff(by_patch.as_u64()) < 2000, "{moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_who_makes_patches_files_come_whole() {
    let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
    let new = with_news(&a, &b).await;
    let a = a.restart_without_patches().await;
    a.node.online().await.unwrap();
    b.meet(&a).await;
    let moved = update(&b, &Events::default(), &new).await;
    assert!(moved >= new.len() as u64, "{moved}");
}

/// Threat row 1: a patch that makes other bytes than were signed installs nothing, and whoever sent
/// it is not asked again for a day.
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_makes_something_else_is_noticed_and_its_sender_banned() {
    let wrong = zstd::bulk::compress(&noise(SIZE, 9)[..SIZE / 2].repeat(2), 3).unwrap();
    // A good patch for other bytes, nonsense, and a bomb.
    for patch in [wrong, noise(5000, 7), zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap()] {
        let a = Machine::publisher("acme").await;
        let b = Machine::new().await;
        let new = with_news(&a, &b).await;
        let a = a.restart_without_patches().await;
        a.node.online().await.unwrap();
        b.meet(&a).await;
        let liar = Patcher::serve(Manner::Sends(patch)).await;
        liar.show(&b);
        let events = Events::default();
        update(&b, &events, &new).await;
        assert!(liar.asked.load(Ordering::Relaxed) > 0);
        let blamed = events.all().into_iter().any(
            |event| matches!(event, TransferProgress::ProviderLost { node, .. } if node == liar.id),
        );
        assert!(blamed);
        let health = b.node.0.experience.of(&liar.id);
        assert!(health.banned_until().is_some());
        liar.close().await;
    }
}

/// Threat row 7: who keeps an update waiting for a patch is left after a second or two.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_keeps_an_update_waiting_is_left() {
    for manner in [Manner::Silent, Manner::AlwaysAtWork, Manner::Drips] {
        let (a, b) = (Machine::publisher("acme").await, Machine::new().await);
        let new = with_news(&a, &b).await;
        let a = a.restart_without_patches().await;
        a.node.online().await.unwrap();
        b.meet(&a).await;
        let slow = Patcher::serve(manner).await;
        slow.show(&b);
        update(&b, &Events::default(), &new).await;
        assert!(slow.asked.load(Ordering::Relaxed) > 0);
        assert!(b.node.0.experience.of(&slow.id).banned_until().is_none());
        slow.close().await;
    }
}

/// Asks `server` for the size of a patch on behalf of `asker`; the code of its refusal otherwise.
async fn ask(asker: &Machine, server: &Machine, old: Digest, new: Digest) -> Result<u8, String> {
    let net = asker.node.0.net().await.unwrap();
    let connection = net.dial(server.node.id(), &server.node.addrs(), delta::ALPN).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let place = |root: Digest| [root.as_bytes().as_slice(), &2_u64.to_be_bytes()].concat();
    let question = [vec![0], place(old), place(new)].concat();
    send.write_all(&question).await.unwrap();
    let mut said = [0];
    receive.read_exact(&mut said).await.map_err(|error| format!("{error:?}"))?;
    Ok(said[0])
}

/// Threat row 48: who may not read one of the two versions gets the answer that everybody gets for
/// versions that do not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_of_what_one_may_not_read_is_refused_like_one_of_nothing() {
    let (a, b, c) = (Machine::publisher("acme").await, Machine::new().await, Machine::new().await);
    let (old, new) = versions();
    let [public, secret] = ["1.0.0", "1.1.0"].map(|version| version.to_owned());
    let public = publish(&a, &public, &files(old, &public)).await.variants[0].root;
    let third = publish(&a, "1.2.0", &files(new.clone(), "1.2.0")).await.variants[0].root;
    let files = files(new, &secret);
    let mut draft = draft(a.dir.path(), "graphdb", &secret, &[("any", &files)]);
    draft.permission = Permission::Restricted(BTreeSet::from([b.node.id()]));
    let secret = a.publish(draft).await.variants[0].root;
    a.node.online().await.unwrap();

    let absent = ask(&c, &a, public, Digest::of(b"nothing")).await;
    assert!(absent.is_err());
    assert_eq!(ask(&c, &a, public, secret).await, absent);
    assert_eq!(ask(&c, &a, secret, public).await, absent);
    // The control: who may read both is answered. What is sealed has nothing in common with anything.
    assert!(ask(&b, &a, public, third).await.is_ok());
    assert!(ask(&b, &a, public, secret).await.is_err());
    assert_eq!(ask(&b, &a, public, Digest::of(b"nothing")).await, absent);
}

/// In which way a patcher misbehaves.
#[derive(Clone, Debug)]
enum Manner {
    /// It sends this, whatever it is asked for.
    Sends(Vec<u8>),
    /// It never answers.
    Silent,
    /// It says that it is making the patch, for ever.
    AlwaysAtWork,
    /// It sends a byte now and then.
    Drips,
}

/// Somebody who answers questions about patches as it likes.
struct Patcher {
    id: NodeId,
    asked: Arc<AtomicUsize>,
    endpoint: iroh::Endpoint,
}

impl Patcher {
    async fn serve(manner: Manner) -> Self {
        let endpoint = stranger(delta::ALPN).await;
        let id = NodeId::from_bytes(*endpoint.id().as_bytes());
        let patcher = Self { id, asked: Arc::default(), endpoint: endpoint.clone() };
        let asked = patcher.asked.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let Ok(connection) = incoming.await else { continue };
                let (manner, asked) = (manner.clone(), asked.clone());
                tokio::spawn(async move {
                    while let Ok((send, receive)) = connection.accept_bi().await {
                        asked.fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(misbehave(manner.clone(), send, receive));
                    }
                });
            }
        });
        patcher
    }

    /// Makes it known to `machine`, as the local network does.
    fn show(&self, machine: &Machine) {
        let addrs: Vec<SocketAddr> = self.endpoint.bound_sockets();
        machine.node.0.lan.note(self.id, addrs);
    }

    async fn close(self) {
        self.endpoint.close().await;
    }
}

async fn misbehave(manner: Manner, mut send: SendStream, mut receive: RecvStream) -> Option<()> {
    let mut question = [0; 81];
    receive.read_exact(&mut question).await.ok()?;
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(200));
    let size = match &manner {
        Manner::Sends(patch) => patch.len() as u64,
        _ => 100_000,
    };
    let offer = [&[1][..], &size.to_be_bytes()].concat();
    match manner {
        Manner::Silent => std::future::pending().await,
        Manner::AlwaysAtWork => loop {
            beat.tick().await;
            send.write_all(&[0]).await.ok()?;
        },
        Manner::Sends(patch) => {
            send.write_all(&offer).await.ok()?;
            if question[0] == 1 {
                send.write_all(&patch).await.ok()?;
            }
            send.finish().ok()
        }
        Manner::Drips => {
            send.write_all(&offer).await.ok()?;
            if question[0] == 0 {
                return send.finish().ok();
            }
            loop {
                beat.tick().await;
                send.write_all(&[7]).await.ok()?;
            }
        }
    }
}
