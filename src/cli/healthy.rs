//! `pixeld healthy`: a health check for places without curl, such as an empty container image.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use crate::os::output;
use pixeld_bench::client::fetch;
use pixeld_bench::client::target::Target;
use pixeld_bench::client::tls::{Authorities, Trust};

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask a server whether it is ready: exits with 0 if it is, 1 if not
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pixeld healthy http://127.0.0.1:8000\n  pixeld healthy --insecure https://127.0.0.1:443"
)]
pub(super) struct Arguments {
    /// The server; it is asked for /readyz
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
    /// Authorities to trust for https, in PEM, in place of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Take any certificate: few are valid for localhost, and only readiness is checked here
    #[arg(long)]
    insecure: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let trust = Trust { authorities: self.cacert.map(Authorities::File), is_unchecked: self.insecure };
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
