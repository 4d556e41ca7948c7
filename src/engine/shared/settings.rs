//! What a server is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::access::Rules;
use super::steering::Steer;
use super::tls::Https;
use crate::app::application::Apps;
use crate::app::applied::{Applied, EmptyStates};
use crate::base::durability::Durability;
use crate::base::fingerprint::Fingerprint;
use crate::base::limits::{Limits, SEGMENT_BYTES_DEFAULT, SHARED_LOG_REPLICAS_SAFE};
use crate::os::address::Address;

/// What a server is started with; the configuration in its last form.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 picks a free one.
    pub listen: Vec<Listen>,
    /// Where it keeps what it acknowledged.
    pub data_dir: PathBuf,
    /// What an answer to a write waits for, at least.
    pub durability: Durability,
    /// Number of workers, at least 1.
    pub workers: usize,
    /// Whether new connections go to the worker on the CPU that received them.
    pub steer: Steer,
    /// The cores they are pinned to, in order and round robin; empty: not pinned.
    pub cores: Vec<usize>,
    /// Number of job threads, at least 1.
    pub job_threads: usize,
    /// The applications; the engine adds its own endpoints.
    pub apps: Apps,
    /// Makes the empty states of all applications there are: what one keeps must outlast a start that does not serve it.
    pub empty_states: EmptyStates,
    /// Bounds.
    pub limits: Limits,
    /// Who may do what.
    pub rules: Arc<Rules>,
    /// Disk space left to others.
    pub reserve: Reserve,
    /// Bytes of a segment, should the data directory be new.
    pub segment_bytes: u64,
    /// Start although acknowledged data is damaged.
    pub accept_loss: bool,
    /// Where blobs are kept.
    pub blobs: BlobPlace,
    /// How long a stop waits for what is in flight.
    pub shutdown_timeout: Duration,
    /// How long an answer at `both` or `cluster` waits for others before it says that it was not reached.
    pub durability_timeout: Duration,
    /// The peer; nothing for a host that has none.
    pub peer: Option<PeerSettings>,
    /// What listeners of HTTPS need; nothing where there is none.
    pub https: Option<Https>,
    /// The log that it shares with other hosts, in the place of a peer.
    pub shared_log: Option<SharedLogSettings>,
}

impl Settings {
    /// Returns the settings of a host that is alone, keeps everything in `data_dir`, has one worker and no application, and
    /// listens nowhere; all else is as the configuration has it by default. What tests start from.
    #[must_use]
    pub fn base(data_dir: PathBuf) -> Self {
        Self {
            listen: Vec::new(),
            data_dir,
            durability: Durability::Disk,
            workers: 1,
            steer: Steer::Auto,
            cores: Vec::new(),
            job_threads: 2,
            apps: Vec::new(),
            empty_states: Applied::default,
            limits: Limits::default(),
            rules: Arc::default(),
            reserve: Reserve::Usual,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            accept_loss: false,
            blobs: BlobPlace::Files,
            shutdown_timeout: Duration::from_secs(10),
            durability_timeout: Duration::from_secs(1),
            peer: None,
            https: None,
            shared_log: None,
        }
    }

    /// Returns whether this host shares its records with others, by a peer or a log.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.peer.is_some() || self.shared_log.is_some()
    }

    /// Returns the level that a request may ask for at most.
    #[must_use]
    pub fn durability_max(&self) -> Durability {
        match (&self.peer, &self.shared_log) {
            (_, Some(_)) => Durability::Cluster,
            (Some(_), None) => Durability::Both,
            (None, None) => Durability::Disk,
        }
    }

    /// Returns how much of the journal waits for others that are away.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let of_log = self.shared_log.as_ref().map(|log| log.retention);
        self.peer.as_ref().map(|peer| peer.retention).or(of_log).unwrap_or_default()
    }
}

/// A record to be logged before anybody is served.
#[derive(Clone, Debug)]
pub struct FirstRecord {
    /// The record.
    pub record: Vec<u8>,
    /// Whether what was recovered leaves room for it; if not, why.
    pub is_welcome: fn(&Applied) -> Result<(), String>,
}

/// Where blobs are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BlobPlace {
    /// As files in the data directory.
    #[default]
    Files,
    /// In a bucket; feature `s3`.
    Bucket {
        /// Its name.
        bucket: String,
        /// The start of all names of objects, without a slash at either end; may be empty.
        prefix: String,
    },
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 picks a free one.
    pub address: SocketAddr,
    /// The application that is shown at `/` and answers unknown paths; `index` is always there.
    pub root: &'static str,
    /// What it speaks.
    pub kind: ListenerKind,
    /// Leaves out the routes for operators, which are at other listeners.
    pub is_public: bool,
    /// A proxy says who each connection is of, before its first request.
    pub is_announced: bool,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// HTTP, and only to send everybody to a listener of HTTPS.
    Redirect,
}

impl Listen {
    /// Returns an address where everything is served by HTTP, with nobody between it and its clients.
    #[must_use]
    pub fn new(address: SocketAddr, root: &'static str) -> Self {
        Self { address, root, kind: ListenerKind::Http, is_public: false, is_announced: false }
    }
}

/// What a host with a peer is started with.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Where the peer may dial this host.
    pub listen: Option<SocketAddr>,
    /// Where this host dials the peer; one of the two is there.
    pub dial: Option<Address>,
    /// By what this host knows the peer.
    pub trust: Trust,
    /// How much of the journal waits for a peer that is away.
    pub retention: Retention,
}

/// By what a host knows its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By nothing: the link is neither encrypted nor verified, which is for tests on one machine.
    Nothing,
    /// By this public key.
    Key(Fingerprint),
    /// By what the data directory says: it was paired by an invitation, or is going to be.
    Directory,
}

/// What a host that shares a log is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLogSettings {
    /// Its servers, as URLs such as `nats://a:4222`, at least one; or one bucket, as `s3://NAME/PREFIX`.
    pub servers: Vec<String>,
    /// The file with this host's credentials.
    pub credentials: Option<PathBuf>,
    /// The file with the authority that signed the servers' certificates, in PEM; connections are TLS then.
    pub authority: Option<PathBuf>,
    /// Servers that keep each message.
    pub replicas: usize,
    /// How long messages are kept.
    pub window: Duration,
    /// Bytes of a host's messages that are kept at most.
    pub window_bytes: u64,
    /// Where servers tell how they stand.
    pub monitor: Vec<Address>,
    /// Go on with a log that is weaker than `cluster` promises.
    pub allow_weak: bool,
    /// How much of the journal waits for a log that is away.
    pub retention: Retention,
}

impl SharedLogSettings {
    /// Returns the bucket that the log is in; nothing for one that has servers.
    #[must_use]
    pub fn bucket(&self) -> Option<BucketPlace> {
        let (bucket, prefix) = self
            .servers
            .first()?
            .strip_prefix("s3://")
            .map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
        Some(BucketPlace { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// A place in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPlace {
    /// The bucket's name.
    pub bucket: String,
    /// The start of all names of objects, without a slash at either end; may be empty.
    pub prefix: String,
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix } = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{bucket}{slash}{prefix}")
    }
}

impl Default for SharedLogSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            credentials: None,
            authority: None,
            replicas: SHARED_LOG_REPLICAS_SAFE,
            window: Duration::from_secs(7 * 24 * 3_600),
            window_bytes: 1 << 30,
            monitor: Vec::new(),
            allow_weak: false,
            retention: Retention::Usual,
        }
    }
}

/// Bytes of journal that are kept for nobody but a peer that does not have them yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// A fixed number of bytes.
    Bytes(u64),
    /// Half of what would be free without them.
    #[default]
    Usual,
}

impl Retention {
    /// Returns the bytes that may be kept while `kept_bytes` are and `free_bytes` are free.
    #[must_use]
    pub fn bytes(self, kept_bytes: u64, free_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Usual => (kept_bytes + free_bytes) / 2,
        }
    }
}

/// How much of the disk is left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// A fixed number of bytes.
    Bytes(u64),
    /// 1 GiB or a twentieth of the disk, whichever is more.
    Usual,
}

impl Reserve {
    /// Bytes to be left free on a disk of `total_bytes`.
    #[must_use]
    pub fn bytes(self, total_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Usual => (total_bytes / 20).max(1 << 30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_reserve_is_the_larger_of_two() {
        assert_eq!(Reserve::Usual.bytes(10 << 30), 1 << 30);
        assert_eq!(Reserve::Usual.bytes(100 << 30), 5 << 30);
        assert_eq!(Reserve::Bytes(7).bytes(100 << 30), 7);
    }

    #[test]
    fn the_usual_retention_shares_the_free_space_evenly() {
        assert_eq!(Retention::Usual.bytes(0, 100), 50);
        assert_eq!(Retention::Usual.bytes(50, 50), 50, "what is kept already has taken its half");
        assert_eq!(Retention::Bytes(7).bytes(100, 100), 7);
    }
}
