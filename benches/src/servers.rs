//! The servers that rivals fetch from, each on a free loopback port, ended when dropped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server process.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server ends in good order when its input does, or is killed.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The process, for its memory.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// nginx in one process over `root`; `None` when it is not installed.
    pub fn nginx(root: &Path, work: &Path) -> Option<Self> {
        let port = free_port();
        let text = format!(
            "daemon off; master_process off; error_log stderr; pid {pid};\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; sendfile on; keepalive_requests 1000000;\n\
             client_body_temp_path {tmp}/a; proxy_temp_path {tmp}/b; fastcgi_temp_path {tmp}/c;\n\
             uwsgi_temp_path {tmp}/d; scgi_temp_path {tmp}/e;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n",
            pid = work.join("nginx.pid").display(),
            tmp = work.display(),
            root = root.display(),
        );
        let config = work.join("nginx.conf");
        fs::write(&config, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-e").arg("stderr");
        Self::start(&mut command, port)
    }

    /// An rsync daemon over `root` as module `data`; `None` when it is not installed.
    pub fn rsync(root: &Path, work: &Path) -> Option<Self> {
        let port = free_port();
        let config = work.join("rsyncd.conf");
        let text = format!(
            "use chroot = no\nuid = {uid}\ngid = {uid}\n[data]\npath = {}\nread only = yes\n",
            root.display(),
            uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata(work).unwrap()),
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("rsync");
        command
            .args(["--daemon", "--no-detach", "--address=127.0.0.1", &format!("--port={port}")])
            .arg(format!("--config={}", config.display()));
        Self::start(&mut command, port)
    }

    fn start(command: &mut Command, port: u16) -> Option<Self> {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self { child, port };
        // Listening is what these servers do first; asking until they answer takes milliseconds.
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Some(server)
    }

    /// A program of ours that prints one line when it is ready and ends with its input.
    pub fn ready_line(command: &mut Command) -> (Self, String) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self { child, port: 0 }, line.trim().to_owned())
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
