//! Serves the control API: on the Unix socket always, on loopback HTTP when asked to.
//!
//! The Unix socket can be opened by its owner only. HTTP can be reached by every web page that its
//! owner opens, so a gate stands before it (`gate`), and it listens on loopback only.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use catalog::store::StoreError;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gate::{self, Gate};
use super::{routes, socket};
use crate::Node;

/// How long running requests may take to finish when the node stops.
const GRACE: Duration = Duration::from_secs(2);

/// The control API of a running node, while it is served.
#[derive(Debug)]
pub struct Serving {
    tasks: JoinSet<io::Result<()>>,
    stop: CancellationToken,
    socket: PathBuf,
    http: Option<Http>,
}

/// Where HTTP is served and what it takes to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// The address, with the port that was really taken.
    pub addr: SocketAddr,
    /// The file that holds the token.
    pub token_path: PathBuf,
}

/// Why the control API could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The lock of the store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Unix socket could not be made.
    #[error("cannot listen on {}", path.display())]
    Socket {
        /// Where it was to lie.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address is one that other machines can reach.
    #[error("{addr} can be reached from other machines")]
    NotLoopback {
        /// The address.
        addr: SocketAddr,
    },
    /// The address could not be taken, or the token not be written.
    #[error("cannot serve HTTP on {addr}")]
    Http {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Serving {
    /// Starts to serve `node`; it is reachable when this returns.
    pub async fn start(node: &Node, http: Option<SocketAddr>) -> Result<Self, ServeError> {
        let path = node.config().socket_path();
        let stop = CancellationToken::new();
        let ends = || stop.clone().cancelled_owned();
        let listener = socket::bind(&path)
            .map_err(|source| ServeError::Socket { path: path.clone(), source })?;
        let bound = match http {
            Some(addr) => Some(Bound::take(addr, path.with_file_name("http.token")).await?),
            None => None,
        };
        let http = bound.as_ref().map(|bound| bound.http.clone());
        let router = routes::router(node.clone(), stop.clone(), http.clone());
        let mut tasks = JoinSet::new();
        if let Some(Bound { listener, gate, .. }) = bound {
            let gated = router.clone().layer(from_fn_with_state(gate, gate::admit));
            tasks.spawn(axum::serve(listener, gated).with_graceful_shutdown(ends()).into_future());
        }
        tasks.spawn(axum::serve(listener, router).with_graceful_shutdown(ends()).into_future());
        // From here on whoever finds the store held knows where to ask.
        node.store().set_ready(Some(&path))?;
        Ok(Self { tasks, stop, socket: path, http })
    }

    /// Where HTTP is served, when it is.
    pub fn http(&self) -> Option<&Http> {
        self.http.as_ref()
    }

    /// Waits until somebody asked the node to stop.
    pub async fn asked_to_stop(&self) {
        self.stop.cancelled().await;
    }

    /// Takes no new requests, lets short ones finish, and removes the socket.
    pub async fn end(mut self) {
        self.stop.cancel();
        // A long request would hold us up: it is dropped, as if its reader had gone away.
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, finish).await;
        self.tasks.abort_all();
        let _ = std::fs::remove_file(&self.socket);
        if let Some(http) = &self.http {
            let _ = std::fs::remove_file(&http.token_path);
        }
    }
}

/// A loopback address that is taken, and what it takes to use it.
struct Bound {
    listener: TcpListener,
    gate: Gate,
    http: Http,
}

impl Bound {
    async fn take(addr: SocketAddr, token_path: PathBuf) -> Result<Self, ServeError> {
        if !addr.ip().is_loopback() {
            return Err(ServeError::NotLoopback { addr });
        }
        let failed = |source| ServeError::Http { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let gate = Gate::new(addr.port(), &token_path).map_err(failed)?;
        Ok(Self { listener, gate, http: Http { addr, token_path } })
    }
}
