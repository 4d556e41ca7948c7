//! The `pixeld` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixeld::cli::run().unwrap_or_else(|error| {
        let code = error.exit_code();
        // With all its causes, in one line.
        eprintln!("pixeld: {:#}", anyhow::Error::from(error));
        code
    })
}
