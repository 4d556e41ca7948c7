//! From the configuration to what the engine is started with.

use std::time::Duration;

use super::peer::Peer;
use super::read::{self as config, Config};
use crate::apps::registry::{self, AppSettings};
use crate::engine::shared::settings::{Listen, PeerSettings, Reserve, Retention, Settings};
use crate::os::address::{Address, Unresolved};

/// The engine's settings; `cores` are those that this process may use, for a configuration that names none. Looks up the
/// names that are listened on; the peer's is looked up whenever it is dialed.
///
/// # Errors
/// A name of this host's own that has no address, which may come with the network.
pub fn of(config: &Config, cores: Vec<usize>) -> Result<Settings, Unresolved> {
    let listen = |of: &config::Listen| Ok(Listen { address: of.address.resolve()?, root: of.root });
    let (pex, board, toys) = (config.pex, config.board.clone(), config.toys);
    let apps = AppSettings { pex, board, toys, thumbs: config.thumbs };
    Ok(Settings {
        listen: config.listen.iter().map(listen).collect::<Result<_, _>>()?,
        data_dir: config.data_dir.clone(),
        durability: config.durability,
        workers: config.workers,
        steer: config.steer,
        cores: if config.cores.is_empty() { cores } else { config.cores.clone() },
        job_threads: config.job_threads,
        apps: config.apps.iter().filter_map(|name| registry::named(name, &apps)).collect(),
        limits: config.limits.clone(),
        reserve: config.disk_reserve_bytes.map_or(Reserve::Usual, Reserve::Bytes),
        segment_bytes: config.segment_bytes,
        accept_loss: config.accept_loss,
        blobs: config.blobs.clone(),
        shutdown_timeout: Duration::from_millis(config.shutdown_timeout_ms),
        durability_timeout: Duration::from_millis(config.durability_timeout_ms),
        peer: peer(&config.peer)?,
    })
}

fn peer(peer: &Peer) -> Result<Option<PeerSettings>, Unresolved> {
    let listen = peer.listen.as_ref().map(Address::resolve).transpose()?;
    Ok(peer.is_there().then(|| PeerSettings {
        listen,
        dial: peer.dial.clone(),
        pinned: peer.key,
        retention: peer.retention_bytes.map_or(Retention::Usual, Retention::Bytes),
    }))
}
