//! Chores that are too long for every test run.
//!
//! ```text
//! cargo xtask samples              fetch the npm and wheel families that the journeys import
//! ```

use std::env;
use std::process::ExitCode;

use catalog_tests::samples;

const USAGE: &str = "usage: cargo xtask samples";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["samples"] => samples::fetch().map_err(|error| error.to_string()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
