//! Serves the control API: on the Unix socket always, on loopback HTTP when asked to.
//!
//! HTTP can be reached by every web page the user opens, so each request there must carry the
//! token of this run (`run/http.token`, 0600) and name this machine as its `Host`; an `Origin`
//! other than ours is refused too. The Unix socket can be opened by its owner only and asks for
//! neither.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::code::Code;
use super::failure::Failure;
use super::routes;
use super::socket;
use crate::Node;

/// The control API of a running node, while it is served.
#[derive(Debug)]
pub struct Serving {
    tasks: JoinSet<io::Result<()>>,
    stop: CancellationToken,
    socket: PathBuf,
    http: Option<Http>,
}

/// Where HTTP is served and what it takes to use it.
#[derive(Debug)]
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
        let router = routes::router(node.clone(), stop.clone());
        let listener = socket::bind(&path)
            .map_err(|source| ServeError::Socket { path: path.clone(), source })?;
        let mut tasks = JoinSet::new();
        let ends = stop.clone().cancelled_owned();
        tasks.spawn(
            axum::serve(listener, router.clone()).with_graceful_shutdown(ends).into_future(),
        );
        let http = match http {
            None => None,
            Some(addr) => Some(serve_http(addr, router, &path, &stop, &mut tasks).await?),
        };
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

/// How long running requests may take to finish when the node stops.
const GRACE: std::time::Duration = std::time::Duration::from_secs(2);

async fn serve_http(
    addr: SocketAddr,
    router: Router,
    socket: &Path,
    stop: &CancellationToken,
    tasks: &mut JoinSet<io::Result<()>>,
) -> Result<Http, ServeError> {
    if !addr.ip().is_loopback() {
        return Err(ServeError::NotLoopback { addr });
    }
    let failed = |source| ServeError::Http { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let token = Token::random().map_err(failed)?;
    let token_path = socket.with_file_name("http.token");
    token.write(&token_path).map_err(failed)?;
    let gate = Gate { token, port: addr.port() };
    let router = router.layer(from_fn_with_state(gate, admit));
    let ends = stop.clone().cancelled_owned();
    tasks.spawn(axum::serve(listener, router).with_graceful_shutdown(ends).into_future());
    Ok(Http { addr, token_path })
}

/// What a request must show before it reaches the router.
#[derive(Clone)]
struct Gate {
    token: Token,
    port: u16,
}

/// A secret of one run.
#[derive(Clone)]
struct Token(String);

impl Token {
    fn random() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex::encode(bytes)))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A new file, so that its mode is ours whatever lay there before.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(self.0.as_bytes())
    }

    /// Compares without telling by its time where the first difference is.
    fn matches(&self, shown: &[u8]) -> bool {
        let ours = self.0.as_bytes();
        ours.len() == shown.len()
            && ours.iter().zip(shown).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl Gate {
    fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let ours = ["127.0.0.1", "localhost", "[::1]"];
        let is_ours = |name: &str| ours.iter().any(|host| name == format!("{host}:{}", self.port));
        let text = |name| {
            headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
        };
        if !text(HOST).is_some_and(is_ours) {
            return Err("the Host header does not name this machine");
        }
        if headers.contains_key(ORIGIN)
            && !text(ORIGIN).and_then(|origin| origin.strip_prefix("http://")).is_some_and(is_ours)
        {
            return Err("the request comes from another web page");
        }
        let shown =
            headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if !shown.is_some_and(|shown| self.token.matches(shown)) {
            return Err("the token is missing or wrong");
        }
        Ok(())
    }
}

async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Failure::new(Code::CONTROL_DENIED, "the request was refused")
            .cause(reason)
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { token: Token::random().unwrap(), port: 8585 }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        pairs.collect()
    }

    /// Threat row 56: a web page that rebinds its name to loopback still sends its own name.
    #[test]
    fn a_foreign_host_is_refused_even_with_the_token() {
        let gate = gate();
        let bearer = format!("Bearer {}", gate.token.0);
        for host in ["127.0.0.1:8585", "localhost:8585", "[::1]:8585"] {
            assert_eq!(gate.check(&headers(&[("host", host), ("authorization", &bearer)])), Ok(()));
        }
        for host in
            ["evil.example:8585", "127.0.0.1:80", "127.0.0.1", "localhost.evil.example:8585", ""]
        {
            assert!(
                gate.check(&headers(&[("host", host), ("authorization", &bearer)])).is_err(),
                "{host}"
            );
        }
        assert!(gate.check(&headers(&[("authorization", &bearer)])).is_err());
    }

    /// Threat row 56: a page that knows the port but not the token gets nothing.
    #[test]
    fn without_the_token_nothing_is_answered() {
        let gate = gate();
        let long = format!("Bearer {}0", gate.token.0);
        let wrong = format!("Bearer {}", "0".repeat(64));
        let bare = gate.token.0.clone();
        for shown in ["", "Bearer ", "Bearer", &long, &wrong, &bare] {
            let headers = headers(&[("host", "localhost:8585"), ("authorization", shown)]);
            assert!(gate.check(&headers).is_err(), "{shown}");
        }
        assert!(gate.check(&headers(&[("host", "localhost:8585")])).is_err());
    }

    /// Threat row 56: a browser says which page a request comes from.
    #[test]
    fn another_page_is_refused_even_with_the_token() {
        let gate = gate();
        let bearer = format!("Bearer {}", gate.token.0);
        let from = |origin: &str| {
            gate.check(&headers(&[
                ("host", "localhost:8585"),
                ("authorization", &bearer),
                ("origin", origin),
            ]))
        };
        assert!(from("http://localhost:8585").is_ok());
        for origin in
            ["http://evil.example", "null", "https://localhost:8585", "http://localhost:1"]
        {
            assert!(from(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn the_token_file_is_private_even_over_an_open_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.token");
        std::fs::write(&path, "old").unwrap();
        let token = Token::random().unwrap();
        token.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), token.0);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
