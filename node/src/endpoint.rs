//! Opens the one socket of a node and dials others through it.
//!
//! Guarantees: nothing is contacted that was not named by a ticket, a known peer, a mirror that
//! says that it holds what is wanted, or, when asked for, the local network: no relay, no public
//! lookup, no port mapping. A connection is to the node that was dialled or it fails: the handshake
//! proves the node's key.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use catalog::permission::NodeId;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::{Connection, IdleTimeout, PortmapperConfig, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use n0_future::StreamExt;

use crate::config::NodeConfig;

/// How long a dial may take; on a local network it takes a millisecond.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that sends nothing for this long is gone.
const IDLE: Duration = Duration::from_secs(8);
/// How often a silent connection shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Not yet read bytes of one stream: several ranges in flight at full speed.
const STREAM_WINDOW: u32 = 2 << 20;
/// The transport gives a connection up when one stream has more gaps than this. A window of full
/// packets that lost every other one must stay below, or a busy receiver cannot take a long stream.
const STREAM_GAPS_MAX: u32 = 1024;
/// What the smallest packet of QUIC leaves for a stream.
const PACKET_BYTES_MIN: u32 = 1150;
const _: () = assert!(STREAM_WINDOW / PACKET_BYTES_MIN / 2 < STREAM_GAPS_MAX);
/// Not yet read bytes of one connection; also what we keep for a peer that reads slowly.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Streams that a peer may have open towards us.
const STREAMS_MAX: u32 = 64;
/// The name under which nodes of the local network find each other.
const LAN_SERVICE: &str = "catalog-v1";

/// Why the node has no network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnlineError {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Nodes on the local network cannot be looked for.
    #[error("cannot start discovery on the local network")]
    Lan {
        /// What the system said.
        source: io::Error,
    },
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Shutdown,
}

/// Why a node was not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody answered at any address that we know.
    #[error("node {} did not answer", node.short())]
    NoAnswer {
        /// Who was dialled.
        node: NodeId,
    },
    /// We know no address of it.
    #[error("no address is known for node {}", node.short())]
    NoAddress {
        /// Who was dialled.
        node: NodeId,
    },
    /// Somebody answered who is not that node, or does not speak our protocol.
    #[error("the handshake with node {} failed", node.short())]
    Handshake {
        /// Who was dialled.
        node: NodeId,
        /// What went wrong.
        source: io::Error,
    },
}

/// The open socket.
pub(crate) struct Net {
    endpoint: Endpoint,
    book: MemoryLookup,
    lan: Option<MdnsAddressLookup>,
}

impl Net {
    /// Binds the socket and accepts the given protocols on it.
    pub(crate) async fn bind(
        config: &NodeConfig,
        key: [u8; 32],
        protocols: &[&[u8]],
    ) -> Result<Self, OnlineError> {
        let wanted = config.listen_addr();
        let remembered = remembered_port(config).filter(|_| wanted.port() == 0);
        let book = MemoryLookup::new();
        let bind = |addr| bind(addr, key, protocols, &book);
        let endpoint = match remembered {
            Some(port) => match bind(SocketAddr::new(wanted.ip(), port)).await {
                Ok(endpoint) => endpoint,
                Err(_) => bind(wanted).await?,
            },
            None => bind(wanted).await?,
        };
        remember_port(config, &endpoint);

        let lan = if config.is_lan_discovery() {
            let failed = |error: String| OnlineError::Lan { source: io::Error::other(error) };
            let lookup = MdnsAddressLookup::builder()
                .service_name(LAN_SERVICE)
                .build(endpoint.id())
                .map_err(|error| failed(format!("{error:#}")))?;
            let services =
                endpoint.address_lookup().map_err(|error| failed(format!("{error:#}")))?;
            services.add(lookup.clone());
            Some(lookup)
        } else {
            None
        };
        Ok(Self { endpoint, book, lan })
    }

    /// Binds a socket of its own under a key that nobody has seen and that is never written down:
    /// who is dialled from it cannot tell whose it is. It accepts nothing.
    pub(crate) async fn ephemeral(config: &NodeConfig) -> Result<Self, OnlineError> {
        let mut addr = config.listen_addr();
        addr.set_port(0);
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| OnlineError::Bind {
            addr,
            source: io::Error::other(format!("no random key: {error}")),
        })?;
        let book = MemoryLookup::new();
        Ok(Self { endpoint: bind(addr, key, &[], &book).await?, book, lan: None })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where others can reach this node, as far as this machine can tell; never port 0.
    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        let mut addrs: Vec<SocketAddr> = self.endpoint.addr().ip_addrs().copied().collect();
        for bound in self.endpoint.bound_sockets() {
            if !bound.ip().is_unspecified() && !addrs.contains(&bound) {
                addrs.push(bound);
            }
        }
        addrs.sort();
        addrs.dedup();
        addrs
    }

    /// Connects to `node`, trying `addrs` and whatever else is known about it.
    pub(crate) async fn dial(
        &self,
        node: NodeId,
        addrs: &[SocketAddr],
        protocol: &[u8],
    ) -> Result<Connection, DialError> {
        let failed = |error: String| DialError::Handshake { node, source: io::Error::other(error) };
        let id =
            EndpointId::from_bytes(node.as_bytes()).map_err(|error| failed(error.to_string()))?;
        if addrs.is_empty() && self.lan.is_none() && self.book.get_endpoint_info(id).is_none() {
            return Err(DialError::NoAddress { node });
        }
        if !addrs.is_empty() {
            let info =
                addrs.iter().fold(EndpointAddr::new(id), |info, addr| info.with_ip_addr(*addr));
            self.book.set_endpoint_info(info);
        }
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, self.endpoint.connect(id, protocol)).await;
        match dialled {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                let text = format!("{error:#}");
                if text.contains("timed out") {
                    Err(DialError::NoAnswer { node })
                } else {
                    Err(failed(text))
                }
            }
            Err(_) => Err(DialError::NoAnswer { node }),
        }
    }

    /// The nodes that the local network names from now on; `None` when it is not looked at.
    pub(crate) async fn lan_nodes(&self) -> Option<impl n0_future::Stream<Item = LanNode> + use<>> {
        let events = self.lan.as_ref()?.subscribe().await;
        Some(events.filter_map(|event| match event {
            DiscoveryEvent::Discovered { endpoint_info, .. } => Some(LanNode {
                node: NodeId::from_bytes(*endpoint_info.endpoint_id.as_bytes()),
                addrs: endpoint_info.ip_addrs().copied().collect(),
            }),
            _ => None,
        }))
    }

    pub(crate) async fn close(&self) {
        self.endpoint.close().await;
    }
}

async fn bind(
    addr: SocketAddr,
    key: [u8; 32],
    protocols: &[&[u8]],
    book: &MemoryLookup,
) -> Result<Endpoint, OnlineError> {
    let failed = |error: String| OnlineError::Bind { addr, source: io::Error::other(error) };
    let builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&key))
        .alpns(protocols.iter().map(|name| name.to_vec()).collect())
        .clear_ip_transports()
        .portmapper_config(PortmapperConfig::Disabled)
        .address_lookup(book.clone())
        .transport_config(transport());
    let builder = builder.bind_addr(addr).map_err(|error| failed(format!("{error:#}")))?;
    builder.bind().await.map_err(|error| failed(format!("{error:#}")))
}

/// A node that the local network named. Nothing about it is proven until it is dialled.
#[derive(Clone, Debug)]
pub(crate) struct LanNode {
    pub node: NodeId,
    pub addrs: Vec<SocketAddr>,
}

/// The id that goes with a node's secret.
pub(crate) fn node_id(key: &[u8; 32]) -> NodeId {
    NodeId::from_bytes(*SecretKey::from_bytes(key).public().as_bytes())
}

/// Who is at the other end; the handshake proved it.
pub(crate) fn remote(connection: &Connection) -> NodeId {
    NodeId::from_bytes(*connection.remote_id().as_bytes())
}

/// The delay of the best path, there and back.
pub(crate) fn rtt(connection: &Connection) -> Option<Duration> {
    connection.paths().iter().map(|path| path.rtt()).min()
}

fn transport() -> QuicTransportConfig {
    let idle = IdleTimeout::try_from(IDLE).ok();
    QuicTransportConfig::builder()
        .max_idle_timeout(idle)
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(IDLE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(CONNECTION_WINDOW.into())
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(STREAMS_MAX.into())
        .build()
}

fn remembered_port(config: &NodeConfig) -> Option<u16> {
    fs::read_to_string(config.port_path()).ok()?.trim().parse().ok().filter(|port| *port != 0)
}

/// Remembering is a convenience: when it fails, the next start takes any port.
fn remember_port(config: &NodeConfig, endpoint: &Endpoint) {
    let path = config.port_path();
    if let (Some(bound), Some(folder)) = (endpoint.bound_sockets().first(), path.parent()) {
        fs::create_dir_all(folder).ok();
        fs::write(path, bound.port().to_string()).ok();
    }
}
