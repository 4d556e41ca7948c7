//! What is counted of old items on the disk.

use super::page::Page;
use crate::app::router::Router;
use crate::engine::shared::Shared;

/// Writes how many old items there are, and what their runs take.
pub(super) fn runs(page: &mut Page, shared: &Shared, router: &Router) {
    let name = "pixeld_old_items";
    page.family(name, "gauge", "Items of an application that are on the disk and not in memory.");
    let (mut runs, mut bytes, mut memory_bytes) = (0, 0, 0);
    let applied = shared.applied.read();
    for (id, aging) in applied.aging() {
        let of_app = aging.old().extent();
        (runs, bytes, memory_bytes) = (runs + of_app.0, bytes + of_app.1, memory_bytes + of_app.2);
        if let Some(app) = router.apps().iter().find(|app| app.id() == id) {
            page.sample(name, &format!("app=\"{}\"", app.name()), aging.old().count());
        }
    }
    drop(applied);
    page.single("pixeld_runs", "gauge", "Files of old items.", runs);
    page.single("pixeld_runs_bytes", "gauge", "Bytes of them.", bytes);
    let help = "Bytes of memory that the indexes of those files take.";
    page.single("pixeld_runs_memory_bytes", "gauge", help, memory_bytes);
    let merged = shared.metrics.runs_merged.value();
    page.single(
        "pixeld_runs_merged_total",
        "counter",
        "Files of old items that were merged into others.",
        merged,
    );
}
