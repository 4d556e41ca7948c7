//! `pixeld healthy`: a health check for places without curl, such as an empty container image.

use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use super::trusted::Trusted;
use crate::os::output;
use pixeld_bench::client::fetch;
use pixeld_bench::client::target::Target;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask a server whether it is ready: exits with 0 if it is, 1 if not
///
/// Few certificates are valid for localhost: --insecure takes any, since only readiness is checked here.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pixeld healthy http://127.0.0.1:8000\n  pixeld healthy --insecure https://127.0.0.1:443"
)]
pub(super) struct Arguments {
    /// The server; it is asked for /readyz
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
    #[command(flatten)]
    trusted: Trusted,
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let trust = self.trusted.trust();
        let target = Target::resolve_trusting(&self.url, None, "/", &trust).map_err(CliError::Usage)?;
        match fetch::get(&target.at("/readyz"), PATIENCE) {
            Ok(answer) if answer.status == 200 => Ok(ExitCode::SUCCESS),
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                output::report(format_args!("{}: {} {}", self.url, answer.status, body.trim_end()));
                Ok(ExitCode::FAILURE)
            }
            Err(error) => {
                output::report(format_args!("{}: {error}", self.url));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
