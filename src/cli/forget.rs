//! `pixeld forget-peer`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use crate::engine::lifecycle::founding::{self, Forgotten};
use crate::os::output;

/// Forget a peer that does not come back, so that nothing is kept for it
///
/// What a peer lacks is kept for it while it is away, up to --peer-retention. One that is lost for good is
/// forgotten by this, with the server stopped; its successor joins with an empty directory (`pixeld init --join`). The
/// data of this host, and what it has of the other one's, stays. A directory that was made by `pixeld init --join` answers
/// no requests before it has everything of the first host; after this it serves what it has, and what it lacks is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit: 0 forgotten, or there was none; 1 it failed, for example because a server runs; 2 usage."
)]
pub(super) struct Arguments {
    /// The data directory
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR", default_value = "./pixeld-data")]
    data_dir: PathBuf,
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let Forgotten { node, was_newcomer, missing } = founding::forget_peer(&self.data_dir)?;
        let mut text = match node {
            Some(node) => format!("forgot the peer with the data directory {node}\n"),
            None if was_newcomer => String::new(),
            None => "no peer was known\n".to_owned(),
        };
        for (origin, here, there) in missing {
            let first = here + 1;
            text += &format!(
                "missing: records {first} to {there} of the stream {origin}, which the first host had when they met\n"
            );
        }
        if was_newcomer {
            text += "this directory does not wait for the first host any more: it takes writes by itself\n";
        }
        output::print(&text).map_err(CliError::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}
