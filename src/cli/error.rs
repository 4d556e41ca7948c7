//! What stops a command.

use std::process::ExitCode;

use crate::send::error::SendError;

/// The cause, told by `main` on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A picture could not be sent or read back.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl CliError {
    /// With what the process ends: 2 where the command line or the configuration has to change, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Send(SendError::Url { .. }) => ExitCode::from(2),
            Self::Send(_) => ExitCode::FAILURE,
        }
    }
}
