//! The manager's watchdog: it is told that the process is well as long as every worker's loop turns.

use std::sync::{Arc, PoisonError, RwLock};

use crate::engine::shared::Shared;
use crate::os::notify::Manager;
use crate::os::thread;

/// The server whose workers have to turn; nothing while one starts, however long it recovers, or is handed over.
pub(super) type Watched = Arc<RwLock<Option<Arc<Shared>>>>;

/// Says which server has to turn from now on.
pub(super) fn set(watched: &Watched, server: Option<Arc<Shared>>) {
    *watched.write().unwrap_or_else(PoisonError::into_inner) = server;
}

/// Starts to tell `manager`, if it asks for that.
///
/// # Errors
/// Fails when the system has no thread left.
pub(super) fn start(manager: &Manager, watched: &Watched) -> std::io::Result<()> {
    let Some(period) = manager.watchdog() else { return Ok(()) };
    let (manager, watched) = (manager.clone(), watched.clone());
    let server = move || watched.read().unwrap_or_else(PoisonError::into_inner).clone();
    thread::spawn("watchdog", move || {
        loop {
            let server_before = server();
            let before = server_before.as_ref().map(|shared| turns(shared));
            if let Some(shared) = &server_before {
                shared.wake_workers();
            }
            // Three times in a period: one that comes late is no harm.
            std::thread::sleep(period / 3);
            let is_same =
                |after: &Arc<Shared>| server_before.as_ref().is_some_and(|before| Arc::ptr_eq(before, after));
            let after = server().filter(is_same).map(|shared| turns(&shared));
            let all_turn = match (before, after) {
                (Some(before), Some(after)) => {
                    before.iter().zip(&after).all(|(before, after)| before != after)
                }
                _ => true,
            };
            drop(server_before);
            if all_turn {
                manager.notify("WATCHDOG=1");
            }
        }
    })?;
    Ok(())
}

fn turns(shared: &Shared) -> Vec<u64> {
    shared.metrics.workers.iter().map(|worker| worker.turns.value()).collect()
}
