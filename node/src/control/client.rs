//! Asks a node: the running one over its socket, or one that is opened here for the purpose.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request as HttpRequest, Response, StatusCode};
use catalog::store::StoreError;
use catalog::store::lock::StoreLock;
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::blame::Blame;
use super::code::Code;
use super::failure::Failure;
use super::requests::{LongRequest, Request};
use super::stream::{broken_off, misread};
use super::{API_VERSION, routes, socket, stream};
use crate::{Node, NodeConfig, SpawnError};

/// How long a store that another process holds is waited for.
const HELD_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it is looked at: a command that holds it is done in some milliseconds.
const HELD_POLL: Duration = Duration::from_millis(25);
/// How long it may be held before that is worth a word.
const HELD_SILENT: Duration = Duration::from_millis(300);
/// The longest short answer that is read: a list of every package has some 30 MB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A node that can be asked.
#[derive(Debug)]
pub struct Control {
    link: Link,
}

#[derive(Debug)]
enum Link {
    /// A running node.
    Socket(PathBuf),
    /// A node of our own.
    Local { node: Node, router: Router },
}

impl Control {
    /// Attaches to the running node, or opens the store here.
    ///
    /// A store that another process holds without a socket is waited for up to ten seconds;
    /// `on_wait` is told its process id once, when it starts to matter.
    pub async fn open(
        config: NodeConfig,
        on_wait: impl FnOnce(Option<u32>),
    ) -> Result<Self, Failure> {
        let mut patience = Patience::new(on_wait);
        loop {
            if let Some(control) = Self::attach(&config).await {
                return Ok(control);
            }
            if let Some(node) = patience.try_open(&config).await? {
                return Ok(Self::local(node));
            }
        }
    }

    /// Opens a node of our own; a store that another process holds is waited for as well.
    pub async fn spawn(
        config: &NodeConfig,
        on_wait: impl FnOnce(Option<u32>),
    ) -> Result<Node, Failure> {
        let mut patience = Patience::new(on_wait);
        loop {
            if let Some(node) = patience.try_open(config).await? {
                return Ok(node);
            }
        }
    }

    /// Whether a process owns the store of this node.
    pub fn is_held(config: &NodeConfig) -> bool {
        !matches!(StoreLock::holder(&config.store_dir()), Ok(None))
    }

    /// Attaches to the running node; `None` when none is running.
    pub async fn attach(config: &NodeConfig) -> Option<Self> {
        let path = config.socket_path();
        socket::connect(&path).await.ok().map(|_| Self { link: Link::Socket(path) })
    }

    /// Asks a node of this process.
    pub fn local(node: Node) -> Self {
        let router = routes::router(node.clone(), CancellationToken::new(), None);
        Self { link: Link::Local { node, router } }
    }

    /// Whether another process answers.
    pub fn is_attached(&self) -> bool {
        matches!(self.link, Link::Socket(_))
    }

    /// Asks, and waits for the whole answer.
    pub async fn ask<Q: Request>(&self, request: &Q) -> Result<Q::Reply, Failure> {
        let body = self.send(Q::NAME, request).await?;
        let bytes = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| broken_off().cause(error))?
            .to_bytes();
        serde_json::from_slice(&bytes).map_err(|error| misread(&error))
    }

    /// Asks for something that takes a while, hearing how far it is.
    pub async fn follow<Q: LongRequest>(
        &self,
        request: &Q,
        on_progress: impl FnMut(Q::Progress),
    ) -> Result<Q::Reply, Failure> {
        stream::read(self.send(Q::NAME, request).await?, on_progress).await
    }

    /// Asks for bytes.
    pub async fn bytes(&self, request: &impl Request) -> Result<Bytestream, Failure> {
        fn name<Q: Request>(_: &Q) -> &'static str {
            Q::NAME
        }
        Ok(Bytestream { body: self.send(name(request), request).await? })
    }

    /// Lets go of the node; one of our own is shut down in good order.
    pub async fn close(self) {
        if let Link::Local { node, .. } = self.link {
            // What was acknowledged is on disk; what could not be written after that is checked at
            // the next start.
            let _ = node.shutdown().await;
        }
    }

    async fn send(&self, name: &str, request: &impl Serialize) -> Result<Body, Failure> {
        let body =
            serde_json::to_vec(request).map_err(|error| Failure::of(Code::INTERNAL, &error))?;
        let request = HttpRequest::builder()
            .method(Method::POST)
            .uri(format!("/v{API_VERSION}/{name}"))
            .header(HOST, "catalog")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| Failure::of(Code::INTERNAL, &error))?;
        let response = match &self.link {
            Link::Local { router, .. } => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Link::Socket(path) => over_socket(path, request).await?,
        };
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(refusal(status, response.into_body()).await),
        }
    }
}

/// Waits for a store that another process holds, up to a limit, and says so once.
struct Patience<F> {
    began: Instant,
    on_wait: Option<F>,
}

impl<F: FnOnce(Option<u32>)> Patience<F> {
    fn new(on_wait: F) -> Self {
        Self { began: Instant::now(), on_wait: Some(on_wait) }
    }

    /// One attempt to open a node: `None` when the store is held and there is time left.
    async fn try_open(&mut self, config: &NodeConfig) -> Result<Option<Node>, Failure> {
        // A process that is still starting is waited for inside.
        let mut opening = pin!(Node::builder(config.clone()).spawn());
        let opened = tokio::select! {
            opened = &mut opening => opened,
            () = self.silence() => {
                self.tell(config);
                opening.await
            }
        };
        match opened {
            Ok(node) => Ok(Some(node)),
            Err(SpawnError::Store(StoreError::Held { .. }))
                if self.began.elapsed() < HELD_WAIT_MAX =>
            {
                if self.began.elapsed() > HELD_SILENT {
                    self.tell(config);
                }
                tokio::time::sleep(HELD_POLL).await;
                Ok(None)
            }
            Err(error) => Err(error.blame()),
        }
    }

    async fn silence(&self) {
        tokio::time::sleep_until((self.began + HELD_SILENT).into()).await;
    }

    /// Says who is waited for, unless it is only our own disk that takes its time.
    fn tell(&mut self, config: &NodeConfig) {
        let holder = match StoreLock::holder(&config.store_dir()) {
            Ok(Some(holder)) => Some(holder.pid),
            Ok(None) => return,
            Err(_) => None,
        };
        if holder != Some(std::process::id())
            && let Some(on_wait) = self.on_wait.take()
        {
            on_wait(holder);
        }
    }
}

/// Sends one request over a connection of its own: a command sends one or two.
async fn over_socket(path: &Path, request: HttpRequest<Body>) -> Result<Response<Body>, Failure> {
    let stream =
        socket::connect(path).await.map_err(|error| broken_off().caused_by(Some(&error)))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken_off().caused_by(Some(&error)))?;
    // Ends with the connection: when the answer has been read or given up.
    tokio::spawn(connection);
    let response =
        sender.send_request(request).await.map_err(|error| broken_off().caused_by(Some(&error)))?;
    Ok(response.map(Body::new))
}

/// The failure that an answer other than 200 holds.
async fn refusal(status: StatusCode, body: Body) -> Failure {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: Failure,
    }
    let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes());
    match bytes.ok().and_then(|bytes| serde_json::from_slice::<Refusal>(&bytes).ok()) {
        Some(refusal) => refusal.error,
        None => Failure::new(Code::DAEMON_OTHER, "the running node does not know this request")
            .cause(status)
            .hint("catalog daemon stop, then catalog daemon start"),
    }
}

/// Bytes as they come; each piece was verified before it was sent.
#[derive(Debug)]
pub struct Bytestream {
    body: Body,
}

impl Bytestream {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => continue,
                },
                Err(error) => return Some(Err(broken_off().cause(error))),
            }
        }
    }
}
