//! The `pixeld` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixeld::cli::run().unwrap_or_else(|error| error.report())
}
