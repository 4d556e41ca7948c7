//! `pixeld decode-pictures`: what a server starts to have pictures decoded; nothing for a user to run.

use std::process::ExitCode;

use super::CliError;
pub(super) use crate::decoder::SUBCOMMAND;
use crate::decoder::{self, child};
use crate::os::thread::Turn;

/// Decode pictures from standard input; started by a server
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Bytes of memory
    memory_bytes: u64,
    /// Run beside others, with the least weight, and not only while nobody else does
    #[arg(long = decoder::LEAST)]
    least: bool,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<ExitCode, CliError> {
        let turn = if self.least { Turn::Least } else { Turn::Idle };
        child::run(self.memory_bytes, turn).map_err(CliError::Decoder)?;
        Ok(ExitCode::SUCCESS)
    }
}
