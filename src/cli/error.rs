//! What stops a command.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::error::ConfigErrors;
use crate::engine::backup::BackupError;
use crate::engine::lifecycle::forgetting::ForgetError;
use crate::engine::lifecycle::founding::FoundError;
use crate::engine::lifecycle::healing::HealError;
use crate::engine::lifecycle::opening::OpenError;
use crate::engine::lifecycle::server::StartError;
use crate::engine::shared::tls::certificates::CertificateError;
use crate::log::inspect::InspectError;
use crate::log::recover::RecoverError;
use crate::os::datadir::DataDirError;
use crate::os::output;
use pixeld_bench::send::error::SendError;

/// The cause, printed by `main` on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is not sound.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The server did not start.
    #[error("the server can't start: {0}{next}", next = next_step(.0))]
    Start(#[from] StartError),
    /// A certificate can't be used.
    #[error("{0}")]
    Certificate(CertificateError),
    /// The sockets that somebody opened for this process can't be taken.
    #[error("the listening sockets that this process was given can't be taken: {0}")]
    Inherited(io::Error),
    /// The process cannot listen to its signals.
    #[error("can't handle signals: {0}")]
    Signals(io::Error),
    /// A data directory got no identity, or has none.
    #[error(transparent)]
    Found(#[from] FoundError),
    /// No host was forgotten.
    #[error("{0}; nothing was changed")]
    Forget(#[from] ForgetError),
    /// No time was healed.
    #[error("{0}; nothing was healed")]
    Heal(#[from] HealError),
    /// There is no backup, or nothing was put back.
    #[error(transparent)]
    Backup(#[from] BackupError),
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
    #[error("can't decode pictures: {0}")]
    Decoder(io::Error),
    /// A picture could not be sent or read back.
    #[error(transparent)]
    Send(SendError),
    /// There is no film.
    #[error("{0}; no film was made")]
    Film(String),
    /// The result can't be written to stdout.
    #[error("the result can't be written to stdout: {0}; check the file or the program that it goes to")]
    Output(io::Error),
    /// The terminal can't be drawn on.
    #[error("can't draw on the terminal: {0}; `pixeld top --once` prints the figures")]
    Terminal(io::Error),
}

impl From<SendError> for CliError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Output(error) => Self::Output(error),
            error => Self::Send(error),
        }
    }
}

/// Exit code of a command whose reader has gone, such as `| head`: that of one which SIGPIPE ends.
const READER_GONE: u8 = 128 + 13;

/// Exit code of a backup or a restore that met damage.
pub(super) const DAMAGED: u8 = 3;

const MEND: &str =
    "\n`pixeld init --mend --data-dir DIR` rebuilds the file identity from what the segments say";

/// Returns what an operator can do about the error, where its own text does not say; otherwise an empty text.
fn next_step(error: &StartError) -> &'static str {
    match error {
        StartError::Open(OpenError::Journal { source: RecoverError::Damaged(_), .. }) => {
            "\nKeep a copy of the directory; `pixeld inspect` shows more. To start without what is missing: --accept-loss"
        }
        StartError::Open(OpenError::Journal { source: RecoverError::NoIdentity, .. }) => MEND,
        StartError::Open(OpenError::Journal { source: RecoverError::Io { what, source }, .. })
            if *what == "reading the identity" && source.kind() == std::io::ErrorKind::InvalidData =>
        {
            MEND
        }
        StartError::Open(OpenError::Directory(DataDirError::Locked { .. })) => {
            "\nStop that process, or serve from another directory: --data-dir"
        }
        StartError::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "\nPorts below 1024 need root: let systemd open it (pixeld.socket), or choose another one: --listen"
        }
        StartError::Listen { .. } => "\nChoose another address: --listen",
        StartError::ListenPeer { .. } => "\nChoose another address: --peer-listen",
        _ => "",
    }
}

impl CliError {
    /// Prints it on stderr and gives the exit code. A reader that has gone knows why, so nothing is printed about it.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            output::report(format_args!("pixeld: {self}"));
        }
        self.exit_code()
    }

    /// Returns the exit code: 2 where the command line or the configuration has to change, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::Certificate(_)
            | Self::Usage(_)
            | Self::Import { .. }
            | Self::Send(SendError::Url { .. } | SendError::Picture { .. } | SendError::Place { .. }) => {
                ExitCode::from(2)
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(READER_GONE),
            Self::Backup(error) if error.is_damage() => ExitCode::from(DAMAGED),
            Self::Output(_)
            | Self::Found(_)
            | Self::Forget(_)
            | Self::Heal(_)
            | Self::Backup(_)
            | Self::Inspect { .. }
            | Self::Start(_)
            | Self::Signals(_)
            | Self::Inherited(_)
            | Self::Decoder(_)
            | Self::Terminal(_)
            | Self::Film(_)
            | Self::Send(_) => ExitCode::FAILURE,
        }
    }
}
