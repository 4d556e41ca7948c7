//! What stops a command.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::error::ConfigErrors;
use crate::engine::server::StartError;
use crate::log::inspect::InspectError;
use crate::send::error::SendError;

/// The cause, told by `main` on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is not sound.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The server did not start.
    #[error("the server can't start: {0}")]
    Start(#[from] StartError),
    /// The process cannot listen to its signals.
    #[error("no signals can be taken: {0}")]
    Signals(std::io::Error),
    /// A data directory is damaged, or none.
    #[error("{path}: {source}", path = path.display())]
    Inspect {
        /// The directory.
        path: PathBuf,
        /// What was found.
        source: InspectError,
    },
    /// A picture could not be sent or read back.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl CliError {
    /// With what the process ends: 2 where the command line or the configuration has to change, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Send(SendError::Url { .. }) => ExitCode::from(2),
            Self::Inspect { .. } | Self::Start(_) | Self::Signals(_) | Self::Send(_) => ExitCode::FAILURE,
        }
    }
}
