//! Lets a request in over HTTP only when it shows the token and names this machine.
//!
//! Every web page that the user opens can reach loopback: by its own address, or by a name that it
//! rebinds to 127.0.0.1. It cannot read the token, which lies in a file of mode 0600; it cannot
//! choose the `Host` that a browser sends; and a browser says in `Origin` where it comes from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::code::Code;
use super::failure::Failure;

/// What a request must show before it reaches the router.
#[derive(Clone)]
pub(super) struct Gate {
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
    /// A gate with a new token, which is written to `path`.
    pub(super) fn new(port: u16, path: &Path) -> io::Result<Self> {
        let token = Token::random()?;
        token.write(path)?;
        Ok(Self { token, port })
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let is_ours = |name: &str| {
            ["127.0.0.1", "localhost", "[::1]"]
                .iter()
                .any(|host| name == format!("{host}:{}", self.port))
        };
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if !text(HOST).is_some_and(is_ours) {
            return Err("the Host header does not name this machine");
        }
        let origin = text(ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if headers.contains_key(ORIGIN) && !origin.is_some_and(is_ours) {
            return Err("the request comes from another web page");
        }
        let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        if !shown.is_some_and(|shown| self.token.matches(shown)) {
            return Err("the token is missing or wrong");
        }
        Ok(())
    }
}

/// Passes on what [`Gate`] lets in.
pub(super) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
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
