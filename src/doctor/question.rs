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
    /// The answer of a bucket that has a shared log in it.
    pub bucket: Option<Bucket>,
    /// Addresses and ports where those servers tell how they are set.
    pub log_monitor: Vec<String>,
    /// What the configuration says of who may do what, or why that is not known.
    pub guard: Result<Guard, String>,
}

/// A bucket that has a shared log in it, and what it has said.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// How an operator names it.
    pub place: String,
    /// How long it took to make an object; or why it can't have a log.
    pub put: Result<Duration, String>,
}

/// What a configuration says of who may reach the server and do what.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Addresses to listen on that others than this machine's users reach.
    pub public: Vec<String>,
    /// Those of them without TLS.
    pub clear: Vec<String>,
    /// The file of tokens.
    pub tokens: Option<PathBuf>,
    /// Somebody has said that everybody may do everything.
    pub is_open: bool,
    /// The certificates of HTTPS.
    pub certificates: Vec<Certificate>,
    /// Names that clients may ask for, by the configuration, and that no certificate has.
    pub unnamed: Vec<String>,
    /// Files that nobody else may read.
    pub secrets: Vec<PathBuf>,
    /// Name of the file in the data directory that has the host's key.
    pub host_key: &'static str,
}

/// One certificate of HTTPS.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// A server takes it.
    Usable {
        /// Its file.
        file: PathBuf,
        /// Seconds until it begins; 0 once it has.
        until_s: u64,
        /// Whole days until it ends.
        days_left: u64,
        /// Why clients with the authorities of this machine don't take it.
        mistrusted: Option<String>,
    },
    /// No server takes it, for this reason.
    Unusable(String),
    /// This user may not read it, or its key.
    Hidden(PathBuf),
}

/// How long an attempt to reach the peer, or a server of the log, may take.
pub const PEER_PATIENCE: Duration = Duration::from_secs(2);
