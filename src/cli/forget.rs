//! `pixeld forget-peer` and `pixeld forget-host`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use crate::apps::registry;
use crate::base::ids::NodeId;
use crate::engine::lifecycle::forgetting::{self, Forgotten};
use crate::os::output;

/// Forget a peer that does not come back, so that nothing is kept for it
///
/// Segments that a peer lacks are kept for it while it is away, up to --peer-retention. This forgets one that is
/// lost for good, with the server stopped; its successor joins with an empty directory (`pixeld init --join`). The
/// data of this host, and what it has of the other one's, stays. A directory that was made by `pixeld init --join` answers
/// no requests before it has everything of the first host; after this it serves what it has, and what it lacks is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit: 0 forgotten, or there was none; 1 it failed, for example because a server runs; 2 usage."
)]
pub(super) struct PeerArguments {
    /// The data directory
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR", default_value = "./pixeld-data")]
    data_dir: PathBuf,
}

/// Forget a member that does not come back, on all hosts
///
/// Segments and names of starts are kept for every member that is away; /health names it and what waits for it. With its
/// server stopped, this logs in the data directory that the member NODE is forgotten: when that host serves again, the others
/// learn of it, and nothing more is kept for NODE. Its seat is given to nobody else. A forgotten member that comes back
/// with its data directory is a member again, unless starts were folded meanwhile that it does not know of: then it is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = HOST_AFTER)]
pub(super) struct HostArguments {
    /// The member's data directory, as /health and `pixeld init --show node_id` name it
    #[arg(value_name = "NODE", value_parser = node)]
    node: NodeId,
    /// The data directory of the host that stays
    #[arg(short, long, value_name = "DIR", env = "PIXELD_DATA_DIR", default_value = "./pixeld-data")]
    data_dir: PathBuf,
}

const HOST_AFTER: &str = "\
Exit: 0 forgotten; 1 it failed, for example because a server runs, or NODE is no member; 2 usage.

Example:
  pixeld forget-host 00000000000000a1 --data-dir /var/lib/pixeld";

impl PeerArguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let own = registry::new_applied().kinds();
        let Forgotten { node, was_newcomer, missing } = forgetting::forget_peer(&self.data_dir, own)?;
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

impl HostArguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let own = registry::new_applied().kinds();
        let member = forgetting::forget_host(&self.data_dir, self.node, own)?;
        let (node, name, seat) = (self.node, &member.name, member.seat);
        let text = format!(
            "forgot the host with the data directory {node} ({name}, seat {seat}); the others hear of it when this one serves\n"
        );
        output::print(&text).map_err(CliError::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn node(text: &str) -> Result<NodeId, String> {
    let digits =
        Some(text).filter(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = digits.and_then(|text| u64::from_str_radix(text, 16).ok());
    number.map(NodeId).ok_or("16 hexadecimal digits are needed, as /health names members".to_owned())
}
