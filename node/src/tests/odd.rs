//! Providers that misbehave on purpose, with real endpoints and real contents.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use catalog::permission::NodeId;
use catalog::size::ByteSize;
use iroh::endpoint::{Connection, VarInt};
use iroh_blobs::api::Store;
use iroh_blobs::protocol::Request;
use iroh_blobs::provider::events::EventSender;
use iroh_blobs::provider::{StreamPair, handle_get};
use iroh_blobs::util::SendStream;

use super::fixture::{Machine, stranger};
use crate::access;
use crate::endpoint::remote;
use crate::pace::{Pace, Paced};
use crate::shaping::{Class, Limits, Rate};

/// In which way it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It flips one bit of each stream.
    Flips,
    /// It accepts connections and requests, and never answers.
    Silent,
    /// After so many bytes it falls silent, for ever.
    Dies(u64),
    /// It sends so many bytes in a second.
    Drips(u64),
    /// It has nothing.
    Refuses,
    /// It sends zeros, for ever.
    Endless,
}

/// A provider of a machine's contents.
pub(crate) struct Odd {
    pub id: NodeId,
    /// Which byte of each stream is wrong.
    pub at: Arc<AtomicU64>,
    /// How often it misbehaved.
    pub did: Arc<AtomicUsize>,
    endpoint: iroh::Endpoint,
}

impl Odd {
    /// Provides what `machine` has.
    pub(crate) async fn serve(machine: &Machine, manner: Manner) -> Self {
        let endpoint = stranger(access::ALPN).await;
        let odd = Self {
            id: NodeId::from_bytes(*endpoint.id().as_bytes()),
            at: Arc::default(),
            did: Arc::default(),
            endpoint: endpoint.clone(),
        };
        let store = machine.node.0.blobs().await.unwrap().api().clone();
        let mut limits = Limits { burst: ByteSize::bytes(0), ..Limits::default() };
        if let Manner::Drips(rate) = manner {
            limits.total = Rate::AtMost(ByteSize::bytes(rate));
        }
        let pace = Arc::new(Pace::new(limits));
        tokio::spawn(pace.clone().run(machine.node.0.stop.clone()));
        let bad = Bad { manner, at: odd.at.clone(), did: odd.did.clone(), sent: Arc::default() };
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let (store, bad, pace) = (store.clone(), bad.clone(), pace.clone());
                tokio::spawn(async move {
                    let Ok(connection) = incoming.await else { return };
                    bad.answer(connection, store, pace).await;
                });
            }
        });
        odd
    }

    /// Makes it known to `machine`, as the local network does.
    pub(crate) fn show(&self, machine: &Machine) {
        let addrs: Vec<SocketAddr> = self.endpoint.bound_sockets();
        machine.node.0.lan.note(self.id, addrs);
    }

    pub(crate) async fn close(self) {
        self.endpoint.close().await;
    }
}

#[derive(Clone)]
struct Bad {
    manner: Manner,
    at: Arc<AtomicU64>,
    did: Arc<AtomicUsize>,
    /// What it sent in all.
    sent: Arc<AtomicU64>,
}

impl Bad {
    async fn answer(self, connection: Connection, store: Store, pace: Arc<Pace>) {
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            let Ok((Request::Get(request), _)) = Request::read_async(&mut receive).await else {
                return;
            };
            if self.manner == Manner::Refuses {
                self.did.fetch_add(1, Ordering::Relaxed);
                send.reset(3u32.into()).ok();
                continue;
            }
            if self.manner == Manner::Endless {
                let did = self.did.clone();
                tokio::spawn(async move {
                    while send.write_all(&[0; 16 * 1024]).await.is_ok() {
                        did.fetch_add(16 * 1024, Ordering::Relaxed);
                    }
                });
                continue;
            }
            let at = self.at.load(Ordering::Relaxed);
            let stream = Stream { send, of_stream: 0, at, bad: self.clone() };
            let (pace, peer) = (pace.clone(), remote(&connection));
            let stream = Paced { stream, pace, peer, class: Class::Normal, small: 0 };
            let pair = StreamPair::new(0, receive, stream, EventSender::DEFAULT);
            tokio::spawn(handle_get(pair, store.clone(), request));
        }
    }
}

struct Stream {
    send: iroh::endpoint::SendStream,
    of_stream: u64,
    at: u64,
    bad: Bad,
}

impl Stream {
    /// What it sends instead of these bytes.
    async fn instead(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let sent = self.bad.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match self.bad.manner {
            Manner::Flips => {
                if let Some(at) = self.at.checked_sub(self.of_stream)
                    && let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at))
                {
                    *byte ^= 4;
                    self.bad.did.fetch_add(1, Ordering::Relaxed);
                }
            }
            Manner::Silent => self.never().await,
            Manner::Dies(after) if sent >= after => self.never().await,
            Manner::Dies(_) | Manner::Drips(_) | Manner::Refuses | Manner::Endless => {}
        }
        self.of_stream += bytes.len() as u64;
        bytes
    }

    async fn never(&self) {
        self.bad.did.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }
}

impl SendStream for Stream {
    async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let bytes = self.instead(&bytes).await;
        SendStream::send_bytes(&mut self.send, bytes.into()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = self.instead(bytes).await;
        SendStream::send(&mut self.send, &bytes).await
    }

    async fn sync(&mut self) -> io::Result<()> {
        SendStream::sync(&mut self.send).await
    }

    fn reset(&mut self, code: VarInt) -> io::Result<()> {
        SendStream::reset(&mut self.send, code)
    }

    async fn stopped(&mut self) -> io::Result<Option<VarInt>> {
        SendStream::stopped(&mut self.send).await
    }

    fn id(&self) -> u64 {
        SendStream::id(&self.send)
    }
}
