//! Carries the frames of `catalog/session/1` over connections, on both sides.
//!
//! Each session is a connection of its own with one stream, beside the one over which contents go.
//! Guarantees: who breaks the protocol loses its session, and is served as before; what a session
//! can hold open is counted with all other connections.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::permission::NodeId;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, timeout};
use tracing::debug;

use crate::endpoint::{Net, remote};
use crate::node::{Inner, Node};
use crate::peers::Candidate;
use crate::predict::{EVERY, Packets, Reading};
use crate::protocol::short;
use crate::session::host::{GuestId, Host, State};
use crate::session::wire::{FRAME_BYTES_MAX, Frame, Reason};
use crate::session::{self};
use crate::transfer::SourceId;

/// Who does not say hello in time gets no session.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// A frame that takes longer to go out is not worth the wait.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// A transfer that is over sooner needs no session.
const SOON: Duration = Duration::from_millis(200);
/// So many requests at once are as much as a node serves well.
const REQUESTS_FULL: f64 = 64.0;
/// The code with which a session ends whose peer broke the rules.
const MISBEHAVED: u32 = 1;

/// Everybody who is served by this node.
pub(crate) struct Sessions {
    host: Mutex<Host>,
    /// Something is to be said.
    news: Notify,
    /// A session began.
    began: Notify,
    /// A session or an answer ended.
    ended: Notify,
    /// Requests for contents that are being answered.
    answering: AtomicUsize,
    /// The newest connection over which contents go to each node.
    contents: Mutex<HashMap<NodeId, Connection>>,
    next: AtomicU64,
}

/// What became of taking leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Sessions that were told.
    pub sessions: u64,
    /// Whether all of them, and everybody else, had what they wanted before the time was over.
    pub complete: bool,
}

impl Sessions {
    pub(crate) fn new(us: NodeId) -> Self {
        Self {
            host: Mutex::new(Host::new(us)),
            news: Notify::new(),
            began: Notify::new(),
            ended: Notify::new(),
            answering: AtomicUsize::new(0),
            contents: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contents(&self) -> MutexGuard<'_, HashMap<NodeId, Connection>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request for contents until what is returned is dropped.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Notes over which connection contents go to a node.
    pub(crate) fn gives(&self, connection: &Connection) {
        self.contents().insert(remote(connection), connection.clone());
    }

    /// Notes that no more contents go over a connection.
    pub(crate) fn gave(&self, connection: &Connection) {
        let (node, mut contents) = (remote(connection), self.contents());
        let is_it = |open: &Connection| open.stable_id() == connection.stable_id();
        if contents.get(&node).is_some_and(is_it) {
            contents.remove(&node);
        }
    }

    /// Whether nobody needs this node.
    fn is_quiet(&self) -> bool {
        self.host().is_free() && self.answering.load(Ordering::Relaxed) == 0
    }
}

/// A request for contents that is being answered.
pub(crate) struct Answering(Arc<Sessions>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.notify_waiters();
    }
}

/// A session while it is open.
struct Guest<'a> {
    sessions: &'a Sessions,
    id: GuestId,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.sessions.host().close(self.id);
        self.sessions.ended.notify_waiters();
    }
}

impl Node {
    /// Tells everybody who is served that this node will end, and serves on until they have turned
    /// to others, or for so long at most.
    pub async fn drain(&self, within: Duration) -> Drained {
        let (inner, sessions) = (&self.0, &self.0.sessions);
        // Only whom everybody may know: those who announce themselves.
        let said = inner.said().unwrap_or_default();
        let others = said.into_iter().map(|said| said.node);
        let suggest = others.filter(|node| inner.links.get(node).is_some()).collect();
        let told = {
            let mut host = sessions.host();
            host.drain(inner.uptime(), Reason::Shutdown, within, suggest);
            host.nodes().len() as u64
        };
        sessions.news.notify_waiters();
        let quiet = async {
            loop {
                let ended = sessions.ended.notified();
                if sessions.is_quiet() {
                    return;
                }
                ended.await;
            }
        };
        Drained { sessions: told, complete: timeout(within, quiet).await.is_ok() }
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> u64 {
        self.0.sessions.host().nodes().len() as u64
    }
}

/// Serves one session until it ends.
pub(crate) async fn serve(node: Arc<Inner>, connection: Connection) {
    let greeted = timeout(HELLO_TIMEOUT, async {
        let (send, mut receive) = connection.accept_bi().await.map_err(io::Error::other)?;
        Ok::<_, io::Error>((read(&mut receive).await?, send, receive))
    });
    let Ok(Ok((Some(Frame::Hello { map, .. }), mut send, mut receive))) = greeted.await else {
        connection.close(MISBEHAVED.into(), b"no hello");
        return;
    };
    let sessions = &node.sessions;
    let id = sessions.next.fetch_add(1, Ordering::Relaxed);
    if !sessions.host().open(node.uptime(), id, remote(&connection), map) {
        return;
    }
    let _guest = Guest { sessions, id };
    sessions.began.notify_waiters();
    let speak = async {
        loop {
            let news = sessions.news.notified();
            loop {
                let Some(frame) = sessions.host().next_frame(id) else { break };
                if write(&mut send, &frame).await.is_err() {
                    return;
                }
            }
            news.await;
        }
    };
    let listen = async {
        while let Ok(Some(frame)) = read(&mut receive).await {
            let heard = sessions.host().hear(id, frame);
            sessions.ended.notify_waiters();
            if heard.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = node.stop.cancelled() => {}
        () = speak => {}
        () = listen => {}
    }
}

/// Looks at this node twice a second while it has sessions, and tells them.
pub(crate) async fn report(node: Arc<Inner>) {
    let sessions = &node.sessions;
    let mut counted: HashMap<GuestId, Packets> = HashMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let began = sessions.began.notified();
        let guests = sessions.host().nodes();
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = began, if guests.is_empty() => continue,
            _ = ticks.tick(), if !guests.is_empty() => {}
        }
        counted.retain(|id, _| guests.iter().any(|(open, _)| open == id));
        let mut losses = HashMap::new();
        for (id, peer) in guests {
            let Some(connection) = sessions.contents().get(&peer).cloned() else { continue };
            let now = packets(&connection);
            let before = counted.insert(id, now).unwrap_or(now);
            let less =
                |now: u64, before: u64| now.saturating_sub(before).min(u32::MAX.into()) as u32;
            losses.insert(id, (less(now.sent, before.sent), less(now.lost, before.lost)));
        }
        let requests = sessions.answering.load(Ordering::Relaxed);
        let load = Some(requests as f64 / REQUESTS_FULL);
        let reading = Reading { load, memory: memory_in_use(), ..Reading::default() };
        let state = State { reading, requests: requests.min(u16::MAX.into()) as u16 };
        let of = |id| losses.get(&id).copied().unwrap_or_default();
        sessions.host().observe(node.uptime(), state, of);
        sessions.news.notify_waiters();
    }
}

/// Packets that went to the other side, and those of them that were lost.
pub(crate) fn packets(connection: &Connection) -> Packets {
    let stats = connection.paths().iter().map(|path| path.stats()).collect::<Vec<_>>();
    Packets {
        sent: stats.iter().map(|stats| stats.sent_packets).sum(),
        lost: stats.iter().map(|stats| stats.lost_packets).sum(),
    }
}

/// The share of this machine's memory that is in use, where that can be known.
fn memory_in_use() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let of = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    Some(1.0 - of("MemAvailable")? / of("MemTotal")?)
}

/// What a session of ours with a provider is told through, and tells through.
pub(crate) struct Line {
    /// The socket to dial from; `None`: that of the node.
    pub net: Option<Arc<Net>>,
    pub hello: Frame,
    pub heard: mpsc::Sender<(SourceId, Frame)>,
    pub says: mpsc::Receiver<Frame>,
}

/// Holds a session with a provider for as long as both want. A provider that knows of no sessions
/// is left alone.
pub(crate) async fn attend(
    node: Arc<Inner>,
    source: SourceId,
    candidate: Candidate,
    line: Line,
) -> Option<()> {
    let Line { net, hello, heard, mut says } = line;
    tokio::time::sleep(SOON).await;
    let net = match net {
        Some(net) => net,
        None => node.net().await.ok()?.clone(),
    };
    let dialled = net.dial(candidate.node, &candidate.addrs, session::ALPN).await;
    let connection = dialled.inspect_err(|error| debug!("there is no session: {error}")).ok()?;
    let (mut send, mut receive) = connection.open_bi().await.ok()?;
    write(&mut send, &hello).await.ok()?;
    let speak = async {
        while let Some(frame) = says.recv().await {
            if write(&mut send, &frame).await.is_err() {
                return;
            }
        }
    };
    let listen = async {
        while let Ok(Some(frame)) = read(&mut receive).await {
            if heard.send((source, frame)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = speak => {}
        () = listen => {}
    }
    Some(())
}

async fn write(send: &mut SendStream, frame: &Frame) -> io::Result<()> {
    timeout(FRAME_TIMEOUT, send.write_all(&frame.encode())).await?.map_err(io::Error::other)
}

/// The next frame; `None` when the stream ended before it.
async fn read(receive: &mut RecvStream) -> io::Result<Option<Frame>> {
    let mut buffer = [0; FRAME_BYTES_MAX];
    let Some(body) = short::body(receive, &mut buffer).await? else { return Ok(None) };
    let frame = Frame::decode(body);
    frame.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
