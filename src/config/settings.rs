//! From the configuration to what the engine is started with.

use std::time::Duration;

use super::peer::Peer;
use super::read::Config;
use crate::apps::registry::{self, AppSettings};
use crate::engine::settings::{Listen, PeerSettings, Reserve, Retention, Settings};

/// The engine's settings; `cores` are those that this process may use, for a configuration that names none.
#[must_use]
pub fn of(config: &Config, cores: Vec<usize>) -> Settings {
    let (pex, board, toys) = (config.pex, config.board.clone(), config.toys);
    let apps = AppSettings { pex, board, toys, thumbs: config.thumbs };
    Settings {
        listen: config.listen.iter().map(|of| Listen { address: of.address, root: of.root }).collect(),
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
        peer: peer(&config.peer),
    }
}

fn peer(peer: &Peer) -> Option<PeerSettings> {
    peer.is_there().then(|| PeerSettings {
        listen: peer.listen,
        dial: peer.dial,
        pinned: peer.key,
        retention: peer.retention_bytes.map_or(Retention::Usual, Retention::Bytes),
    })
}
