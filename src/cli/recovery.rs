//! What a start found in the data directory, as events: an operator must hear of every byte that was cut off.

use crate::log::recover::{BadSnapshot, Cut, Report};

/// Logs the outcome of recovery.
pub(super) fn log(report: &Report) {
    if report.is_new {
        tracing::info!("the data directory is new");
        return;
    }
    let Report { batches, bytes, snapshot, bad_snapshots, given_up, cut, .. } = report;
    let snapshot = snapshot.map_or("none".to_owned(), |file| file.position.to_string());
    tracing::info!(batches, bytes, snapshot, "recovered");
    for BadSnapshot { name, why } in bad_snapshots {
        tracing::error!(
            name,
            why,
            "a snapshot can't be read, so this start took the one before it; nothing is lost. Check the disk"
        );
    }
    for damage in given_up {
        tracing::error!(%damage, "acknowledged data before the snapshot is lost, as --accept-loss allows");
    }
    if let Some(cut) = cut {
        log_cut(cut);
    }
}

fn log_cut(Cut { position, fault, copies, loss }: &Cut) {
    let copies = copies.join(",");
    match (loss, fault) {
        (Some(damage), _) => {
            tracing::error!(%damage, %position, copies, "acknowledged data is lost, as --accept-loss allows");
        }
        (None, Some(fault)) => {
            tracing::warn!(%fault, %position, copies, "cut off a torn tail: nothing says that it was durable, as after a crash amid a write");
        }
        (None, None) => {}
    }
}
