//! zsync on the same pair: it finds what it has of a new archive in the old one by rolling checksums.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use catalog_benches::servers::Server;
use catalog_tests::skip::skip;

/// The bytes that zsync fetches to make an archive of `new` from one of `old`, with the list of
/// checksums that it needs; `None`, said loudly, where it is not installed.
pub fn fetched(old: &Path, new: &Path, work: &Path) -> Option<u64> {
    let is_there = |program: &str| {
        let mut asked = Command::new(program);
        asked.arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if !(is_there("zsync") && is_there("zsyncmake")) {
        skip("zsync", "it is not installed (apt install zsync)");
        return None;
    }
    fs::create_dir_all(work).unwrap();
    for (dir, name) in [(old, "old.tar"), (new, "new.tar")] {
        // Equal files have equal headers, as in an archive that is made with care.
        let made = Command::new("tar")
            .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"])
            .arg("-cf")
            .arg(work.join(name))
            .arg("-C")
            .arg(dir)
            .arg(".")
            .status();
        assert!(made.unwrap().success());
    }
    let Some(server) = Server::nginx(work, work) else {
        skip("zsync", "nginx is not installed (apt install nginx)");
        return None;
    };
    let url = format!("http://127.0.0.1:{}", server.port);
    let made = Command::new("zsyncmake")
        .args(["-Z", "-u", &format!("{url}/new.tar"), "-o"])
        .arg(work.join("new.tar.zsync"))
        .arg(work.join("new.tar"))
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let output = Command::new("zsync")
        .args(["-i", "old.tar", "-o", "made.tar", &format!("{url}/new.tar.zsync")])
        .current_dir(work)
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    // "used 123 local, fetched 456"
    let fetched = said.split("fetched ").nth(1).and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    let list = fs::metadata(work.join("new.tar.zsync")).unwrap().len();
    Some(fetched.unwrap_or_else(|| panic!("{said}")) + list)
}
