//! Says loudly that a test could not run here, where no test runner captures it.

use std::io::{self, Write as _};

/// Prints `SKIPPED name: why` past the capture of the test runner; `.ci/run` counts these lines.
pub fn skip(name: &str, why: &str) {
    // One write call, so that lines of tests that run side by side stay whole.
    let line = format!("\nSKIPPED {name}: {why}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
