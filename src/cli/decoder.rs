//! `pixeld decode-pictures`: what a server starts to have pictures decoded; nothing for a user to run.

use std::process::ExitCode;

use super::CliError;
pub(super) use crate::engine::decoder::SUBCOMMAND;
use crate::engine::decoder::child;

/// Decode pictures from standard input; started by a server
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Bytes of memory
    memory_bytes: u64,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, CliError> {
        child::run(self.memory_bytes).map_err(CliError::Decoder)?;
        Ok(ExitCode::SUCCESS)
    }
}
