//! Which port a log has: to servers of NATS, or to a bucket, as far as this build has a client for it.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

#[cfg(feature = "s3")]
use super::bucket::Bucket;
#[cfg(feature = "nats")]
use super::nats::{self, Nats};
use super::plan::Plan;
use crate::engine::shared::settings::SharedLogSettings;
use crate::engine::shared::shared_log::SharedLog;
use crate::peer::relay::port::{LogCall, LogEvent};

/// The way to the log.
pub(super) enum Port {
    #[cfg(feature = "nats")]
    Nats(Box<Nats>),
    #[cfg(feature = "s3")]
    Bucket(Box<Bucket>),
}

/// Returns what the files have that a log's settings name.
///
/// # Errors
/// Fails for a file that can't be read, or that has nothing of what it is to have, and for a log that this build has no client for.
pub(super) fn credentials(settings: &SharedLogSettings) -> io::Result<Option<String>> {
    match settings.bucket() {
        Some(_) if cfg!(feature = "s3") => Ok(None),
        Some(_) => Err(io::Error::other("this build has no client for a bucket: build with `--features s3`")),
        None => of_servers(settings),
    }
}

#[cfg(feature = "nats")]
fn of_servers(settings: &SharedLogSettings) -> io::Result<Option<String>> {
    nats::files(settings)
}

#[cfg(not(feature = "nats"))]
fn of_servers(_: &SharedLogSettings) -> io::Result<Option<String>> {
    Err(no_servers())
}

#[cfg(not(feature = "nats"))]
fn no_servers() -> io::Error {
    io::Error::other(
        "this build has no client for servers of NATS: take a released program, or build with `--features nats`",
    )
}

impl Port {
    /// Returns the port to the log of `plan`, which has called nobody yet. It takes calls from `calls` and tells `events` what comes of
    /// them.
    ///
    /// # Errors
    /// Fails if a setting of the environment is invalid.
    pub(super) fn new(
        plan: Plan,
        calls: mpsc::Receiver<LogCall>,
        events: mpsc::Sender<LogEvent>,
        standing: Arc<SharedLog>,
    ) -> io::Result<Self> {
        #[cfg(feature = "s3")]
        if let Some(place) = plan.settings.bucket() {
            return Ok(Self::Bucket(Box::new(Bucket::new(&place, plan, calls, events, standing)?)));
        }
        #[cfg(feature = "nats")]
        return Ok(Self::Nats(Box::new(Nats::new(plan, calls, events, standing))));
        #[cfg(not(feature = "nats"))]
        Err(no_servers())
    }

    /// Serves the relay until it is gone.
    pub(super) async fn run(self) {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.run().await,
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.run().await,
        }
    }
}
