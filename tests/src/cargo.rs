//! Runs cargo from inside a program that cargo runs.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// cargo in the workspace, as a person's shell would start it.
///
/// What cargo tells the program that it runs (`CARGO_PKG_NAME` and its like) is kept from the child:
/// build scripts that watch these names would have half of the dependencies built anew.
pub fn cargo(args: &[&str]) -> Command {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(workspace);
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        command.env_remove(name);
    }
    command
}

fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"CARGO_PKG_") || name.starts_with(b"CARGO_MANIFEST_")
}
