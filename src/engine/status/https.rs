//! HTTPS, for /metrics: handshakes, and how long certificates last.

use super::page::Page;
use crate::engine::shared::Shared;
use crate::engine::shared::metrics::{Counter, WorkerMetrics};

/// Writes what is counted of TLS. A host that doesn't speak it has no certificate, and handshakes that stay at 0.
pub(super) fn https(page: &mut Page, shared: &Shared) {
    let name = "pixeld_tls_handshakes_total";
    page.family(name, "counter", "Handshakes of TLS with clients, by result.");
    let total = |counter: fn(&WorkerMetrics) -> &Counter| -> u64 {
        shared.metrics.workers.iter().map(|worker| counter(worker).value()).sum()
    };
    page.sample(name, "result=\"full\"", total(|worker| &worker.handshakes_full));
    page.sample(name, "result=\"resumed\"", total(|worker| &worker.handshakes_resumed));
    page.sample(name, "result=\"failed\"", total(|worker| &worker.handshakes_failed));
    let certificates = shared.https.as_ref().map(|https| https.tls.certificates());
    let name = "pixeld_tls_certificate_days_left";
    page.family(
        name,
        "gauge",
        "Whole days until a certificate of HTTPS ends, by its file; negative from then on.",
    );
    for (file, days) in certificates.iter().flat_map(|certificates| certificates.days_left()) {
        // The path is the operator's, and may hold what a label has to escape.
        let file = file.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        page.sample(name, &format!("file=\"{file}\""), days);
    }
    let help = "1 while the files of the certificates can't be used, so that older ones are in use.";
    let refused = certificates.is_some_and(|certificates| certificates.are_refused());
    page.single("pixeld_tls_certificates_refused", "gauge", help, u8::from(refused));
}
