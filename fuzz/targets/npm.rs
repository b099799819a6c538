//! Imports of npm archives: `.tgz` files as they are (first byte 0), or tar archives that are
//! packed with right checksums here (any other first byte).

#![no_main]

use catalog::import;
use catalog_fuzz::{Sandbox, archive};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::new);

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode {
        0 => SANDBOX.import("package.tgz", rest, import::npm),
        _ => SANDBOX.import("package.tgz", &archive::tgz(rest), import::npm),
    }
});
