//! `pixeld forget-peer`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use crate::engine::founding;

/// Forget a second host that does not come back, so that nothing is kept for it
///
/// What a second host lacks is kept for it while it is away, up to --peer-retention. One that is lost for good is
/// forgotten by this, with the server stopped; its successor joins with an empty directory (`pixeld init --join`). The
/// data of this host, and what it has of the other one's, stays.
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
        match founding::forget_peer(&self.data_dir)? {
            Some(node) => println!("forgot the second host with the data directory {node}"),
            None => println!("no second host was known"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
