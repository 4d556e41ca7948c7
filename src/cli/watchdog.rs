//! The manager's watchdog: it is told that the process is well as long as every worker's loop turns.

use std::sync::{Arc, OnceLock};

use crate::engine::shared::{Shared, WorkerSide};
use crate::os::notify::Manager;
use crate::os::thread;

/// Starts to tell `manager`, if it asks for that. While there is no server yet, it starts, however long it recovers.
///
/// # Errors
/// When the system has no thread left.
pub(super) fn start(manager: &Manager, server: &Arc<OnceLock<Arc<Shared>>>) -> std::io::Result<()> {
    let Some(period) = manager.watchdog() else { return Ok(()) };
    let (manager, server) = (manager.clone(), server.clone());
    thread::spawn("watchdog", move || {
        loop {
            let before = server.get().map(|shared| turns(shared));
            if let Some(shared) = server.get() {
                shared.workers.iter().for_each(WorkerSide::wake);
            }
            // Three times in a period: one that comes late is no harm.
            std::thread::sleep(period / 3);
            let after = server.get().map(|shared| turns(shared));
            let all_turn = match (before, after) {
                (Some(before), Some(after)) => {
                    before.iter().zip(&after).all(|(before, after)| before != after)
                }
                _ => true,
            };
            if all_turn {
                manager.tell("WATCHDOG=1");
            }
        }
    })?;
    Ok(())
}

fn turns(shared: &Shared) -> Vec<u64> {
    shared.metrics.workers.iter().map(|worker| worker.turns.value()).collect()
}
