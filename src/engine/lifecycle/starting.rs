//! What keeps a server from starting.

use std::io;
use std::net::SocketAddr;

use super::first::FirstError;
use super::opening::OpenError;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was to be logged first.
    #[error(transparent)]
    First(#[from] FirstError),
    /// An address cannot be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The address for the peer cannot be listened on.
    #[error("can't listen on {address} for the peer: {source}")]
    ListenPeer {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// So many workers that each would have no room for the longest record.
    #[error(
        "workers = {workers}: allowed is at most {most} with segments of {segment_bytes} bytes, which this data directory has \
         (segment_size when it was made)"
    )]
    Workers {
        /// What is set.
        workers: usize,
        /// What would do.
        most: usize,
        /// Of the data directory.
        segment_bytes: u64,
    },
    /// The key that the peer knows this one by.
    #[error("the key of this host: {0}")]
    Key(io::Error),
    /// The log that this host shares with others.
    #[error("the log: {0}")]
    Log(#[source] io::Error),
    /// Threads or event loops.
    #[error("starting: {0}")]
    Io(#[from] io::Error),
}
