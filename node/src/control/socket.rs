//! The Unix socket of a node: reachable for one user only, however long its path is.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// What fits into a socket address everywhere; Linux takes 107 bytes, macOS 103.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Binds the socket: folder 0700, socket 0600.
///
/// Only the process that holds the store calls this, so a socket that already lies there was left
/// by one that is gone.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    let dir = folder(path)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // Before the socket exists, so that there is no moment at which others can reach it.
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = Short::of(path)?.with(|short| UnixListener::bind(short))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the socket of a running node.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = Short::of(path)?;
    UnixStream::connect(&short.path).await
}

fn folder(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// A path to the same socket that fits into a socket address.
struct Short {
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` valid.
    _dir: Option<File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self { path: path.to_path_buf(), _dir: None });
        }
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let dir = File::open(folder(path)?)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
        Ok(Self { path, _dir: Some(dir) })
    }

    fn with<T>(&self, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        act(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat row 56: nobody but the owner can reach the socket.
    #[tokio::test]
    async fn only_the_owner_can_reach_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/control.sock");
        // A folder that somebody made too open beforehand is closed first.
        fs::create_dir(dir.path().join("run")).unwrap();
        fs::set_permissions(dir.path().join("run"), Permissions::from_mode(0o777)).unwrap();
        let _listener = bind(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[tokio::test]
    async fn a_socket_deep_in_the_tree_can_be_bound_and_reached() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x".repeat(120)).join("control.sock");
        let listener = bind(&path).unwrap();
        let (connected, accepted) = tokio::join!(connect(&path), listener.accept());
        connected.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        drop(bind(&path).unwrap());
        assert!(connect(&path).await.is_err());
        let listener = bind(&path).unwrap();
        let (connected, accepted) = tokio::join!(connect(&path), listener.accept());
        connected.unwrap();
        accepted.unwrap();
    }
}
