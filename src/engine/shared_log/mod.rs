//! The log that many hosts share, in the peer's place; features `nats` and `s3`.
//!
//! ```text
//! link -> pair of sockets -> relay (peer/relay) -> calls -> port (nats, or bucket) -> servers
//! link <- pair of sockets <- relay              <- events <- port
//! ```
//!
//! Relay and port live on one thread, `log`. The link meets the relay as it would meet a peer; what the servers of the
//! log do, or a bucket in their place, stays behind the port.

#[cfg(feature = "s3")]
mod bucket;
mod door;
mod flights;
#[cfg(feature = "nats")]
pub mod nats;
mod plan;
mod port;
mod relaying;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

#[cfg(feature = "s3")]
pub use self::bucket::look;
use self::door::Door;
use self::plan::Plan;
use self::port::Port;
use self::relaying::{Host, Relaying};
use crate::base::ids::{Inc, Origin};
use crate::base::limits::{
    RELAY_LATE_US, RELAY_LATE_US_MIN, SHARED_LOG_ANSWERS_MAX, SHARED_LOG_CALLS_MAX, SHARED_LOG_EVENTS_MAX,
};
use crate::engine::shared::Shared;
use crate::engine::shared::peering::stand::Stand;
use crate::engine::shared::settings::SharedLogSettings;
use crate::engine::shared::shared_log::SharedLog;
use crate::os::disk::Disk;
use crate::os::{random, thread};
use crate::peer::relay::{Relay, Settings, log_node};

/// What a start has looked at before it changes anything.
pub struct Prepared {
    settings: Arc<SharedLogSettings>,
    /// The content of the file of credentials.
    credentials: Option<String>,
}

impl Prepared {
    /// Reads the files that the settings name. Whether the log can be reached is not looked at: it may come later.
    ///
    /// # Errors
    /// Fails for a file that can't be read, or that has nothing of what it is to have, and for a log that this build has no client
    /// for; names it.
    pub fn of(settings: &SharedLogSettings) -> io::Result<Self> {
        let credentials = port::credentials(settings)?;
        Ok(Self { settings: Arc::new(settings.clone()), credentials })
    }

    /// Starts the thread of a server's log, which tells `standing` how it does and ends with the link; gives where the link meets it.
    /// `disk` is the data directory.
    ///
    /// # Errors
    /// Fails without a thread or random numbers.
    pub fn start(
        self,
        shared: &Arc<Shared>,
        disk: Arc<dyn Disk>,
        standing: Arc<SharedLog>,
    ) -> io::Result<(JoinHandle<()>, Box<dyn Stand>)> {
        // Another part of the program may have chosen the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings {
            cluster: shared.cluster,
            host: shared.origin,
            log: Origin { node: log_node(shared.cluster), inc: Inc(random::number()?) },
            lineage: shared.lineage,
            kinds: shared.understanding.own(),
            is_joining: shared.space.is_joining(),
            late_us_min: if self.settings.bucket().is_some() { RELAY_LATE_US } else { RELAY_LATE_US_MIN },
        };
        let plan = Plan {
            settings: self.settings,
            credentials: self.credentials,
            cluster: shared.cluster,
            lineage: shared.lineage,
            node: shared.node,
            random: random::number()?,
            clock: shared.clock,
        };
        let (calls, called) = mpsc::channel(SHARED_LOG_CALLS_MAX);
        let (events, told) = mpsc::channel(SHARED_LOG_EVENTS_MAX);
        let port = Port::new(plan, called, events, standing.clone())?;
        let (door, sign, connections) = Door::new();
        let host = Host { shared: shared.clone(), disk };
        let relaying = Relaying::new(Relay::new(settings), host, standing, calls, sign);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("log-answer")
            .max_blocking_threads(SHARED_LOG_ANSWERS_MAX)
            .build()?;
        let body = move || {
            runtime.block_on(async move {
                // The relay ends with the link, whatever the port waits for.
                tokio::select! {
                    () = relaying.run(told, connections) => {}
                    () = port.run() => {}
                }
            });
        };
        Ok((thread::spawn("log", body)?, Box::new(door)))
    }
}
