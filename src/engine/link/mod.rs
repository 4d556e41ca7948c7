//! The link to the peer: one thread, its keys, its connections, what is said over them.
//!
//! ```text
//! driver: wait -> read -> have what arrived committed -> a turn of the replica -> write -> dial
//!
//! wire, tls               a socket and what encrypts it
//! connections, greeting   which of two connections survives
//! pairing                 by which key the peer is known, and how it becomes known
//! starts                  whether a second process runs on a copy of the peer's directory
//! dialer, trouble         when to try again, what to say meanwhile
//! ```
//!
//! What is said over a connection is decided in [`crate::engine::replication`], which knows no sockets. Nothing here
//! holds up a local write: the commit step hands over a copy of each batch and goes on.

pub(crate) mod connections;
pub(crate) mod dialer;
mod driver;
pub(crate) mod greeting;
pub(crate) mod pairing;
pub(crate) mod starts;
pub(crate) mod target;
pub(crate) mod tls;
#[cfg(test)]
mod tls_tests;
pub(crate) mod trouble;
pub(crate) mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};

use self::driver::{BELL, Driver, Parts};
use self::pairing::Pairing;
use self::target::Target;
use self::tls::Keys;
use super::shared::Shared;
use crate::engine::replication::arrivals::Arrivals;
use crate::engine::shared::key::HostKey;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::settings::Trust;
use crate::os::disk::Disk;
use crate::os::thread;

/// How often a link looks whether the start has paid what it owes the disk.
const UNSETTLED_LOOK: Duration = Duration::from_millis(50);

/// The sentence that stands in the status as long as there is no peer.
const UNPAIRED: &str = "this host has no peer yet: `pixeld init --invite ADDRESS` here makes an invitation, which the other host takes \
     with `pixeld init --accept`; or start both with --peer-key";

/// How a link comes to its connections.
pub struct Approach {
    /// Where the peer may dial this host.
    pub listener: Option<TcpListener>,
    /// Where this host dials the peer.
    pub dial: Option<Target>,
    /// By what the peer is known; where by nothing, nothing is encrypted.
    pub trust: Trust,
}

/// A running link.
pub struct Link {
    thread: JoinHandle<()>,
}

impl Link {
    /// Starts the link of a server with a peer, or with a log in its place.
    ///
    /// # Errors
    /// Fails without an event loop or a thread, and on a key that can't be used.
    pub fn start(
        shared: &Arc<Shared>,
        arrivals: Arrivals,
        disk: Arc<dyn Disk>,
        approach: Approach,
        key: &HostKey,
    ) -> io::Result<Self> {
        let Approach { listener, dial, trust } = approach;
        let poll = Poll::new()?;
        if let Some(peering) = &shared.peering {
            peering.bell.attach(Waker::new(poll.registry(), BELL)?);
        }
        let pairing = Arc::new(Pairing::of(&disk, key.fingerprint(), trust)?);
        let keys = (trust != Trust::Nothing).then(|| Keys::new(key, &pairing));
        let keys = keys.transpose().map_err(io::Error::other)?;
        if let (Some(_), None, Some(peering)) = (&keys, pairing.key(), &shared.peering) {
            tracing::warn!("{UNPAIRED}");
            peering.standing.away(UNPAIRED, shared.clock.now_us());
        }
        let driver = Driver::new(Parts {
            shared: shared.clone(),
            disk,
            arrivals,
            poll,
            listener,
            dial,
            keys,
            pairing,
            own: key.fingerprint(),
        })?;
        let waiting = shared.clone();
        if let (Some(refused), Some(peering)) = (shared.space.refused(), &shared.peering) {
            let why = format!("this host takes nothing from its peer: {}", refused.reason);
            peering.standing.away(&why, shared.clock.now_us());
        }
        let body = move || {
            // Nothing is taken from the peer that can't be written.
            let is_ending = || waiting.peering.as_ref().is_some_and(Peering::is_ending);
            while waiting.space.is_unsettled() && !is_ending() {
                std::thread::sleep(UNSETTLED_LOOK);
            }
            if waiting.space.is_unsettled() {
                return;
            }
            if let Err(error) = driver.run() {
                tracing::error!(%error, "the link to the peer failed; start again to have one");
            }
        };
        Ok(Self { thread: thread::spawn("link", body)? })
    }

    /// Waits for the end that [`Peering::end`] has asked for.
    pub fn join(self) {
        // A panic has been printed by the thread itself.
        let _ = self.thread.join();
    }
}
