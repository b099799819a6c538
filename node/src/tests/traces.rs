//! What sessions without a name leave behind.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use catalog::permission::{NodeId, Permission};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::fixture::{Machine, draft, noise, reference};
use crate::endpoint::{Net, remote};
use crate::{Node, NodeConfig, access};

/// Sessions; each asks the server and the witness.
const SESSIONS: u8 = 20;

/// A provider that has nothing and remembers who asked.
struct Witness {
    net: Arc<Net>,
    id: NodeId,
    seen: Arc<Mutex<Vec<NodeId>>>,
}

impl Witness {
    async fn new(dir: &Path) -> Self {
        let config = NodeConfig::at(dir).listen("127.0.0.1:0".parse().unwrap());
        let net = Arc::new(Net::bind(&config, [9; 32], &[access::ALPN]).await.unwrap());
        let seen: Arc<Mutex<Vec<NodeId>>> = Arc::default();
        let (accepting, noted) = (net.clone(), seen.clone());
        tokio::spawn(async move {
            while let Some(incoming) = accepting.endpoint().accept().await {
                let noted = noted.clone();
                tokio::spawn(async move {
                    let Ok(connection) = incoming.await else { return };
                    noted.lock().unwrap().push(remote(&connection));
                    while let Ok((mut send, _)) = connection.accept_bi().await {
                        send.reset(3u32.into()).ok();
                    }
                });
            }
        });
        Self { net, id: crate::endpoint::node_id(&[9; 32]), seen }
    }
}

/// Keeps what is logged: everything of ours, and of the libraries what says that something is wrong.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// Listens to all threads from now on; other tests are heard, too.
    fn listen() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    }

    fn says(&self, word: &str) -> bool {
        self.0.lock().unwrap().contains(word)
    }
}

impl Subscriber for Log {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.is_event() && (of.target().starts_with("catalog") || *of.level() <= Level::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        struct Fields<'a>(&'a mut String);
        impl Visit for Fields<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// How often `needle` stands in the files below `dir`.
fn count(dir: &Path, needle: &[u8]) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let within = |path: std::path::PathBuf| match path.is_dir() {
        true => count(&path, needle),
        false => {
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(needle.len()).filter(|window| *window == needle).count()
        }
    };
    entries.map(within).sum()
}

/// Threat row 51: whoever fetches what is anonymous asks under a key that is seen once, from which
/// nothing leads to its node; and neither side keeps a note of it, on disk or in its log.
#[tokio::test(flavor = "multi_thread")]
async fn anonymous_sessions_leave_no_key_no_address_and_no_count() {
    let log = Log::listen();
    let a = Machine::publisher("acme").await;
    for n in 0..SESSIONS {
        let files: &[(&str, Vec<u8>)] = &[("data", noise(50_000, n.into()))];
        let mut open = draft(a.dir.path(), &format!("leaflet{n}"), "1.0.0", &[("any", files)]);
        open.permission = Permission::Anonymous;
        a.publish(open).await;
    }
    a.publish(draft(a.dir.path(), "named", "1.0.0", &[("any", &[("data", noise(9, 9))])])).await;
    // An address of its own, to be looked for.
    let (dir, ip) = (tempfile::tempdir().unwrap(), "127.0.0.77");
    let config = NodeConfig::at(dir.path()).listen(format!("{ip}:0").parse().unwrap());
    let c = Machine { dir, node: Node::builder(config).spawn().await.unwrap() };
    c.meet(&a).await;
    let witness_dir = tempfile::tempdir().unwrap();
    let witness = Witness::new(witness_dir.path()).await;
    c.node.0.lan.note(witness.id, witness.net.addrs());
    let roots: Vec<_> = a
        .node
        .store()
        .packages()
        .unwrap()
        .iter()
        .map(|package| {
            let row = a.node.store().versions(package).unwrap().remove(0);
            a.node.store().release(&row.id).unwrap().unwrap().variants[0].root
        })
        .collect();
    let mentioned = |machine: &Machine| -> usize {
        let of = |root: &catalog::Digest| {
            let hex = count(machine.dir.path(), root.to_string().as_bytes());
            hex + count(machine.dir.path(), root.as_bytes())
        };
        roots.iter().map(of).sum()
    };
    let before = mentioned(&a);

    for n in 0..SESSIONS {
        c.node.install(&reference(&format!("leaflet{n}"))).await.unwrap();
    }
    let keys = std::mem::take(&mut *witness.seen.lock().unwrap());
    let distinct: BTreeSet<NodeId> = keys.iter().copied().collect();
    assert!(distinct.len() > 3, "{} were seen", distinct.len());
    assert_eq!(distinct.len(), keys.len(), "a key was used twice");
    assert!(!distinct.contains(&c.node.id()));
    assert!(c.node.0.counts.warmth().is_empty(), "no use was counted");
    assert_eq!(mentioned(&a), before, "the server noted what was asked for");

    // The control: what is public is fetched, and counted, under the node's own name.
    c.node.install(&reference("named")).await.unwrap();
    assert_eq!(c.node.0.counts.warmth().len(), 1);
    let net = c.node.0.net().await.unwrap();
    let seen = net.dial(witness.id, &witness.net.addrs(), access::ALPN).await.unwrap();
    super::records::until(async || witness.seen.lock().unwrap().contains(&c.node.id())).await;
    drop(seen);

    for key in &distinct {
        assert!(!log.says(&key.short()), "a key was logged");
    }
    assert!(!log.says(ip), "an address was logged");
    for root in &roots {
        assert!(!log.says(&root.short()), "a content was logged");
    }
    tracing::debug!("peer {} was heard", c.node.id().short());
    assert!(log.says(&c.node.id().short()), "the control: what is logged is heard");
    for machine in [&a, &c] {
        machine.node.shutdown().await.unwrap();
        for key in &distinct {
            assert_eq!(count(machine.dir.path(), key.as_bytes()), 0);
            assert_eq!(count(machine.dir.path(), key.to_string().as_bytes()), 0);
        }
    }
    assert_eq!(count(a.dir.path(), ip.as_bytes()), 0, "the server noted an address");
}
