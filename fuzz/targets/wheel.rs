//! Imports of wheels: a file name up to the first line break, then a `.whl` as it is (first byte
//! 0) or a list of entries that is packed with right checksums here (any other first byte).

#![no_main]

use catalog::import;
use catalog_fuzz::{Sandbox, archive};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::new);

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return };
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let Ok(name) = std::str::from_utf8(name) else { return };
    // A name that can be a file's, and is not that of the work folder.
    if name.is_empty() || name.len() > 200 || name.starts_with('.') || name.contains(['/', '\0']) {
        return;
    }
    let name = if name == "work" { "file" } else { name };
    match mode {
        0 => SANDBOX.import(name, rest, import::wheel),
        _ => SANDBOX.import(name, &archive::whl(rest), import::wheel),
    }
});
