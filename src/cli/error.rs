//! What stops a command.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::error::ConfigErrors;
use crate::engine::founding::FoundError;
use crate::engine::opening::OpenError;
use crate::engine::server::StartError;
use crate::log::inspect::InspectError;
use crate::log::recover::RecoverError;
use crate::os::datadir::DataDirError;
use crate::send::error::SendError;

/// The cause, told by `main` on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is not sound.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The server did not start.
    #[error("the server can't start: {0}{next}", next = next_step(.0))]
    Start(#[from] StartError),
    /// The sockets that somebody opened for this process can't be taken.
    #[error("the listening sockets that this process was given can't be taken: {0}")]
    Inherited(std::io::Error),
    /// The process cannot listen to its signals.
    #[error("no signals can be taken: {0}")]
    Signals(std::io::Error),
    /// A data directory got no identity, or has none.
    #[error(transparent)]
    Found(#[from] FoundError),
    /// A data directory is damaged, or none.
    #[error("{path}: {source}", path = path.display())]
    Inspect {
        /// The directory.
        path: PathBuf,
        /// What was found.
        source: InspectError,
    },
    /// What was asked for does not exist.
    #[error("{0}")]
    Usage(String),
    /// What was to be imported is no count of the original Fibonacci server.
    #[error("{path}: {reason}; nothing was changed", path = path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The decoder of pictures could not do its work.
    #[error("no pictures can be decoded: {0}")]
    Decoder(std::io::Error),
    /// A picture could not be sent or read back.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What an operator can do about it, where the error itself does not say.
fn next_step(error: &StartError) -> &'static str {
    match error {
        StartError::Open(OpenError::Journal { source: RecoverError::Damaged(_), .. }) => {
            "\nKeep a copy of the directory; `pixeld inspect` shows more. To start without what is missing: --accept-loss"
        }
        StartError::Open(OpenError::Directory(DataDirError::Locked { .. })) => {
            "\nStop that process, or serve from another directory: --data-dir"
        }
        StartError::Listen { .. } => "\nChoose another address: --listen",
        _ => "",
    }
}

impl CliError {
    /// With what the process ends: 2 where the command line or the configuration has to change, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Import { .. } | Self::Send(SendError::Url { .. }) => {
                ExitCode::from(2)
            }
            Self::Found(_)
            | Self::Inspect { .. }
            | Self::Start(_)
            | Self::Signals(_)
            | Self::Inherited(_)
            | Self::Decoder(_)
            | Self::Send(_) => ExitCode::FAILURE,
        }
    }
}
