//! The subcommands of `pixeld bench`.

use super::ending::{Stop, stop_on_interrupt};
use crate::bench::exit::Exit;
use crate::bench::null::NullResponder;
use std::net::SocketAddr;

/// A subcommand.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Tool {
    Null(Null),
}

/// Answer every request at once and do nothing else: what is left is the generator
#[derive(Debug, clap::Args)]
pub(super) struct Null {
    /// Address to listen on
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
}

impl Tool {
    pub(super) fn run(self) -> Result<Exit, Stop> {
        match self {
            Self::Null(arguments) => arguments.run(),
        }
    }
}

impl Null {
    fn run(&self) -> Result<Exit, Stop> {
        let failed = |error: std::io::Error| {
            Stop::Failed(format!("cannot listen on {}: {error}; choose another --listen", self.listen))
        };
        let mut responder = NullResponder::bind(self.listen).map_err(failed)?;
        println!("http://{}", responder.address().map_err(failed)?);
        responder.run(&stop_on_interrupt()).map_err(failed)?;
        Ok(Exit::Ok)
    }
}
