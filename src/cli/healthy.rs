//! `pixeld healthy`: a health check for places without curl, such as an empty container image.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use crate::os::output;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read; that of /readyz is a line.
const ANSWER_MAX: u64 = 4096;

/// Ask a server whether it is ready: 0 it is, 1 it is not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pixeld healthy http://127.0.0.1:8000")]
pub(super) struct Arguments {
    /// The server; it is asked for /readyz
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let Some(host) = self.url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
            return Err(CliError::Usage(format!("{}: http://HOST:PORT is needed", self.url)));
        };
        match ask(host) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(ExitCode::SUCCESS),
            Ok(answer) => {
                let line = answer.lines().next().unwrap_or("no answer");
                output::tell(format_args!("{}: {line}", self.url));
                Ok(ExitCode::FAILURE)
            }
            Err(error) => {
                output::tell(format_args!("{}: {error}", self.url));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn ask(host: &str) -> std::io::Result<String> {
    let address = host.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
