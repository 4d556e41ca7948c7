//! The link to the peer: one thread, its keys, its connections, what is said over them.
//!
//! ```text
//! driver: wait -> read -> have what arrived committed -> a turn of the replica -> write -> dial
//!
//! wire, tls               a socket and what encrypts it
//! connections, greeting   which of two connections survives
//! starts                  whether a second process runs on a copy of the peer's directory
//! dialer, trouble         when to try again, what to say meanwhile
//! ```
//!
//! What is said over a connection is decided in [`crate::engine::replication`], which knows no sockets. Nothing here
//! holds up a local write: the commit step hands over a copy of each batch and goes on.

pub mod connections;
pub mod dialer;
mod driver;
pub mod greeting;
pub mod starts;
pub mod target;
pub mod tls;
pub mod trouble;
pub mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};

use self::driver::{BELL, Driver, Parts};
use self::tls::Keys;
use self::trouble::KnownKeys;
use super::shared::Shared;
use crate::engine::replication::arrivals::Arrivals;
use crate::engine::shared::key::HostKey;
use crate::engine::shared::settings::PeerSettings;
use crate::os::disk::Disk;
use crate::os::thread;

/// How often a link looks whether the start has paid what it owes the disk.
const UNSETTLED_LOOK: Duration = Duration::from_millis(50);

/// A running link.
pub struct Link {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Link {
    /// Starts the link of a server with a peer; `listener` is where the peer may dial.
    ///
    /// # Errors
    /// Fails without an event loop or a thread, and on a key that can't be used.
    pub fn start(
        shared: &Arc<Shared>,
        arrivals: Arrivals,
        disk: Arc<dyn Disk>,
        settings: &PeerSettings,
        key: &HostKey,
        listener: Option<TcpListener>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        if let Some(peering) = &shared.peering {
            peering.bell.attach(Waker::new(poll.registry(), BELL)?);
        }
        let keys =
            settings.pinned.map(|pinned| Keys::new(key, pinned)).transpose().map_err(io::Error::other)?;
        let own = settings.pinned.map(|_| key.fingerprint());
        let stop = Arc::new(AtomicBool::new(false));
        let driver = Driver::new(Parts {
            shared: shared.clone(),
            disk,
            arrivals,
            poll,
            listener,
            dial: settings.dial.clone(),
            keys,
            known: KnownKeys { own, pinned: settings.pinned },
            stop: stop.clone(),
        })?;
        let (waiting, stopped) = (shared.clone(), stop.clone());
        if let (Some(refused), Some(peering)) = (shared.space.refused(), &shared.peering) {
            let why = format!("this host takes nothing from its peer: {}", refused.reason);
            peering.standing.away(&why, shared.clock.now_us());
        }
        let body = move || {
            // Nothing is taken from the peer that can't be written.
            while waiting.space.is_unsettled() && !stopped.load(Ordering::Acquire) {
                std::thread::sleep(UNSETTLED_LOOK);
            }
            if waiting.space.is_unsettled() {
                return;
            }
            if let Err(error) = driver.run() {
                tracing::error!(%error, "the link to the peer failed; start again to have one");
            }
        };
        Ok(Self { shared: shared.clone(), stop, thread: thread::spawn("link", body)? })
    }

    /// Waits until the peer has what it can have within a second, says goodbye and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if let Some(peering) = &self.shared.peering {
            peering.bell.ring();
        }
        // A panic has been printed by the thread itself.
        let _ = self.thread.join();
    }
}
