//! What the auditor is asked.

use std::path::PathBuf;
use std::time::Duration;

use super::profile::Profile;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Question {
    /// The values that are wanted.
    pub profile: Profile,
    /// The card, if not the one of the default route.
    pub nic: Option<String>,
    /// Where the journal is, or will be.
    pub data_dir: PathBuf,
    /// The peer's address and port, if there is one.
    pub peer: Option<String>,
    /// Addresses and ports of the servers of a shared log.
    pub log: Vec<String>,
    /// Addresses and ports where those tell how they are set.
    pub log_monitor: Vec<String>,
}

/// How long an attempt to reach the peer, or a server of the log, may take.
pub const PEER_PATIENCE: Duration = Duration::from_secs(2);
