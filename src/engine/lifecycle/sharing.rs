//! How a host shares its records with others: by a link to its peer, or to the log in the peer's place.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::starting::StartError;
use crate::engine::link::Approach;
use crate::engine::link::target::Target;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::stand::Stand;
use crate::engine::shared::settings::{Settings, Trust};
#[cfg(any(feature = "nats", feature = "s3"))]
use crate::engine::shared_log::Prepared;
use crate::os::disk::Disk;
use crate::os::socket;

/// What a start has looked at before it changes anything.
pub(super) struct Sharing {
    /// Where the peer may dial.
    listener: Option<TcpListener>,
    #[cfg(any(feature = "nats", feature = "s3"))]
    log: Option<Prepared>,
}

/// What the link begins with, and the thread of the log that it meets there.
pub(super) struct Ways {
    pub approach: Approach,
    pub log: Option<JoinHandle<()>>,
}

/// The log's thread, and where the link meets it.
type Log = (JoinHandle<()>, Box<dyn Stand>);

impl Sharing {
    /// Listens where the peer may dial, and reads what the log's client needs.
    pub(super) fn prepare(settings: &Settings) -> Result<Self, StartError> {
        let address = settings.peer.as_ref().and_then(|peer| peer.listen);
        let listen = |address| {
            socket::listen_alone(address).map_err(|source| StartError::ListenPeer { address, source })
        };
        let listener = address.map(listen).transpose()?;
        #[cfg(not(any(feature = "nats", feature = "s3")))]
        if settings.shared_log.is_some() {
            return Err(StartError::Log(io::Error::other(
                "this build has no client for a log: take a released program, or build with `--features nats`",
            )));
        }
        Ok(Self {
            listener,
            #[cfg(any(feature = "nats", feature = "s3"))]
            log: settings.shared_log.as_ref().map(Prepared::of).transpose().map_err(StartError::Log)?,
        })
    }

    /// Returns the ways to others, with the log's thread started; nothing on a host that is alone. `disk` is the data directory.
    pub(super) fn begin(
        mut self,
        settings: &Settings,
        shared: &Arc<Shared>,
        disk: Arc<dyn Disk>,
    ) -> io::Result<Option<Ways>> {
        if let Some((thread, stand)) = self.start_log(shared, disk)? {
            let approach =
                Approach { listener: None, dial: Some(Target::Inside(stand)), trust: Trust::Nothing };
            return Ok(Some(Ways { approach, log: Some(thread) }));
        }
        Ok(settings.peer.as_ref().map(|peer| {
            let dial = peer.dial.clone().map(Target::host);
            Ways { approach: Approach { listener: self.listener, dial, trust: peer.trust }, log: None }
        }))
    }

    #[cfg(any(feature = "nats", feature = "s3"))]
    fn start_log(&mut self, shared: &Arc<Shared>, disk: Arc<dyn Disk>) -> io::Result<Option<Log>> {
        let log = self.log.take().zip(shared.shared_log.clone());
        log.map(|(log, standing)| log.start(shared, disk, standing)).transpose()
    }

    #[cfg(not(any(feature = "nats", feature = "s3")))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn start_log(&mut self, _: &Arc<Shared>, _: Arc<dyn Disk>) -> io::Result<Option<Log>> {
        Ok(None)
    }
}
