//! The counters as Prometheus reads them.

use std::sync::atomic::Ordering::Relaxed;

use super::https::https;
use super::page::Page;
use super::replication::replication;
use super::shared_log::shared_log;
use crate::app::background::Figure;
use crate::app::router::Router;
use crate::base::version;
use crate::engine::commit::memory;
use crate::engine::shared::Shared;
use crate::engine::shared::life::Phase;
use crate::engine::shared::metrics::{Counter, REJECTS, Stage, WorkerMetrics};
use crate::engine::shared::prospect::Prospect;
use crate::engine::shared::refused::Cause;
use crate::engine::storage::starts;
use crate::http::method::Method;
use crate::os::thread;

/// Returns everything the server counts, as text.
#[must_use]
pub fn render(shared: &Shared, router: &Router) -> String {
    let mut page = Page::new();
    page.family("pixeld_build_info", "gauge", "What this server was built from.");
    page.sample(
        "pixeld_build_info",
        &format!("version=\"{}\",commit=\"{}\"", version::VERSION, version::COMMIT),
        1,
    );
    requests(&mut page, shared, router);
    connections(&mut page, shared);
    https(&mut page, shared);
    workers(&mut page, shared);
    journal(&mut page, shared);
    data(&mut page, shared, router);
    stages(&mut page, shared);
    replication(&mut page, shared);
    shared_log(&mut page, shared);
    scrub(&mut page, shared);
    super::runs::runs(&mut page, shared, router);
    backgrounds(&mut page, shared, router);
    views(&mut page, shared, router);
    process(&mut page, shared);
    page.into_text()
}

fn requests(page: &mut Page, shared: &Shared, router: &Router) {
    let name = "pixeld_http_requests_total";
    page.family(name, "counter", "Answered requests by route and status.");
    let any = |method: Option<Method>| method.map_or("*", Method::as_str);
    let labels: Vec<_> =
        router.routes().map(|route| format!("{} {}", any(route.method), route.path)).collect();
    let mut cells = std::collections::BTreeMap::new();
    for worker in &shared.metrics.workers {
        for (route, status, count) in worker.requests.iter() {
            *cells.entry((route, status)).or_insert(0) += count;
        }
    }
    for ((route, status), count) in cells {
        let label = labels.get(route).map_or("none", String::as_str);
        page.sample(name, &format!("route=\"{label}\",code=\"{status}\""), count);
    }
    let name = "pixeld_http_rejected_total";
    page.family(name, "counter", "Requests and connections turned away, by reason.");
    for (reason, label) in REJECTS.iter().enumerate() {
        let count: u64 = shared.metrics.workers.iter().map(|worker| worker.rejects[reason].value()).sum();
        page.sample(name, &format!("reason=\"{label}\""), count);
    }
    let total = |counter: fn(&WorkerMetrics) -> &Counter| -> u64 {
        shared.metrics.workers.iter().map(|worker| counter(worker).value()).sum()
    };
    let help = "Writes answered 504 because the disk has no room for their batch; they may have been stored.";
    page.single("pixeld_http_overdue_total", "counter", help, total(|worker| &worker.overdue));
    let help = "Bytes received from clients.";
    page.single("pixeld_http_request_bytes_total", "counter", help, total(|worker| &worker.read_bytes));
    let help = "Bytes sent to clients.";
    page.single("pixeld_http_response_bytes_total", "counter", help, total(|worker| &worker.written_bytes));
    for (name, help) in router.apps().iter().filter_map(|app| app.short_records()) {
        page.family(name, "counter", help);
        page.sample(name, "outcome=\"accepted\"", shared.metrics.commit.short_records.value());
    }
}

fn connections(page: &mut Page, shared: &Shared) {
    let help = "Connections now open, of all workers.";
    page.single("pixeld_http_connections", "gauge", help, shared.descriptors.connections());
    let help = "Connections that the limits allow.";
    page.single("pixeld_http_connections_limit", "gauge", help, shared.limits().connections);
    per_worker(page, shared, "pixeld_worker_connections", "gauge", "Connections now open.", |w| {
        &w.connections
    });
    let name = "pixeld_http_connections_accepted_total";
    per_worker(page, shared, name, "counter", "Connections taken from the listeners.", |w| &w.accepted);
}

fn workers(page: &mut Page, shared: &Shared) {
    let name = "pixeld_worker_cpu_seconds_total";
    page.family(name, "counter", "CPU time of each thread that serves.");
    let threads = shared.metrics.workers.iter().map(|worker| worker.thread.load(Relaxed)).enumerate();
    for (index, id) in threads {
        if let Some((user, system)) = thread::cpu_seconds(id) {
            page.sample(name, &format!("worker=\"{index}\",mode=\"user\""), user);
            page.sample(name, &format!("worker=\"{index}\",mode=\"system\""), system);
        }
    }
    if let Some((user, system)) = thread::cpu_seconds(shared.metrics.commit.disk_thread.load(Relaxed)) {
        page.sample(name, "worker=\"disk\",mode=\"user\"", user);
        page.sample(name, "worker=\"disk\",mode=\"system\"", system);
    }
    per_worker(page, shared, "pixeld_worker_turns_total", "counter", "Turns of the event loop.", |w| {
        &w.turns
    });
    let help = "Turns that began with a sleep.";
    per_worker(page, shared, "pixeld_worker_wakeups_total", "counter", help, |w| &w.wakeups);
    let name = "pixeld_worker_syscalls_total";
    page.family(name, "counter", "System calls of the event loop.");
    for (index, worker) in shared.metrics.workers.iter().enumerate() {
        page.sample(name, &format!("worker=\"{index}\",call=\"recv\""), worker.recvs.value());
        page.sample(name, &format!("worker=\"{index}\",call=\"send\""), worker.sends.value());
        page.sample(name, &format!("worker=\"{index}\",call=\"epoll_wait\""), worker.turns.value());
    }
    let pieces: u64 = shared.metrics.job_pieces.iter().map(Counter::value).sum();
    let help = "Pieces of streamed answers that the job threads made.";
    page.single("pixeld_job_pieces_total", "counter", help, pieces);
}

fn per_worker(
    page: &mut Page,
    shared: &Shared,
    name: &str,
    kind: &str,
    help: &str,
    counter: fn(&WorkerMetrics) -> &Counter,
) {
    page.family(name, kind, help);
    for (index, worker) in shared.metrics.workers.iter().enumerate() {
        page.sample(name, &format!("worker=\"{index}\""), counter(worker).value());
    }
}

fn journal(page: &mut Page, shared: &Shared) {
    let commit = &shared.metrics.commit;
    page.single("pixeld_journal_batches_total", "counter", "Batches committed.", commit.batches.value());
    page.single("pixeld_journal_records_total", "counter", "Records committed.", commit.records.value());
    let help = "Bytes of frames appended.";
    page.single("pixeld_journal_written_bytes_total", "counter", help, commit.journal_bytes.value());
    page.single("pixeld_journal_syncs_total", "counter", "Durable writes and syncs.", commit.syncs.value());
    let help = "Journal position behind the last committed batch, bytes.";
    page.single("pixeld_journal_written_offset", "gauge", help, commit.end_position.value());
    let help = "Journal position up to which the disk has everything, bytes.";
    page.single("pixeld_journal_synced_offset", "gauge", help, shared.reach.synced());
    page.single("pixeld_journal_segments", "gauge", "Segments kept.", shared.reader.segments().len());
    let help = "Starts of processes, of both hosts, that have logged something and are not folded; a journal may know 32000.";
    page.single("pixeld_origins", "gauge", help, starts::count(shared));
    let help = "Earlier starts of this host that are not folded: from 4 on they wait for the peer.";
    page.single("pixeld_starts_waiting", "gauge", help, starts::waiting(shared));
    let help = "Starts of processes, of both hosts, that are folded: they cost nothing any more.";
    page.single("pixeld_starts_folded", "gauge", help, starts::folded(shared));
    let help = "Snapshots that could not be read when this process started: check the disk.";
    page.single("pixeld_snapshots_unreadable", "gauge", help, shared.metrics.snapshots_unreadable.value());
    let help = "1 while writes are answered 507 because the disk is short of space.";
    page.single("pixeld_journal_no_space", "gauge", help, u8::from(shared.space.is_short()));
    let help = "Age of the oldest acknowledged record that is in no file yet: what kill -9 would lose.";
    let seconds = memory::unwritten_us(shared) as f64 / 1e6;
    page.single("pixeld_journal_unwritten_seconds", "gauge", help, seconds);
    let name = "pixeld_writes_refused";
    page.family(
        name,
        "gauge",
        "1 while writes are refused because of the disk, by reason; /health says it in words.",
    );
    let refused = shared.space.refused().map(|refused| refused.cause);
    for cause in Cause::ALL {
        page.sample(name, &format!("reason=\"{}\"", cause.label()), u8::from(refused == Some(cause)));
    }
    page.family(
        "pixeld_journal_fsync_seconds",
        "histogram",
        "Time of a durable write or sync of the journal.",
    );
    page.histogram("pixeld_journal_fsync_seconds", "", &commit.sync_us.copy());
}

/// Writes how much is kept, and what that comes to.
fn data(page: &mut Page, shared: &Shared, router: &Router) {
    let name = "pixeld_data_bytes";
    page.family(
        name,
        "gauge",
        "Bytes of what an application keeps: records that are listed, texts, contents.",
    );
    let applied = shared.applied.read();
    for app in router.apps() {
        if let Some(bytes) = applied.data_bytes(app.id()) {
            page.sample(name, &format!("app=\"{}\"", app.name()), bytes);
        }
    }
    drop(applied);
    let Prospect { bytes_per_day, days } = shared.prospect.get();
    let help = "Bytes by which the journal and the contents beside it grow in a day, over the last week of this process; NaN in its first ten minutes.";
    page.single("pixeld_data_growth_bytes", "gauge", help, bytes_per_day.unwrap_or(f64::NAN));
    let help = "Days until the free space is down to the reserve at this rate; +Inf while nothing grows or that is not known.";
    let days = days.map_or("+Inf".to_owned(), |days| days.to_string());
    page.single("pixeld_disk_full_days", "gauge", help, days);
}

fn stages(page: &mut Page, shared: &Shared) {
    let name = "pixeld_stage_seconds";
    page.family(
        name,
        "histogram",
        "Time in each stage of a write; commit_wait and, at `both` and `cluster`, peer_wait are per request, the others per batch.",
    );
    per_request(page, shared, name, "commit_wait", |worker| &worker.commit_wait_us);
    if shared.peering.is_some() {
        per_request(page, shared, name, "peer_wait", |worker| &worker.peer_wait_us);
    }
    let commit = &shared.metrics.commit;
    page.histogram(name, "stage=\"merge\"", &commit.merge_us.copy());
    page.histogram(name, "stage=\"sync\"", &commit.sync_us.copy());
    page.histogram(name, "stage=\"apply\"", &commit.apply_us.copy());
}

/// Writes one stage of all workers.
fn per_request(
    page: &mut Page,
    shared: &Shared,
    name: &str,
    stage: &str,
    of: impl Fn(&WorkerMetrics) -> &Stage,
) {
    let mut waits = shared.metrics.workers.iter().map(|worker| of(worker).copy());
    let Some(mut all) = waits.next() else { return };
    for wait in waits {
        // Both have the same bounds, so one always fits into the other.
        let _ = all.add(&wait);
    }
    page.histogram(name, &format!("stage=\"{stage}\""), &all);
}

/// Contents that records name by their hash: what was looked at, and what is wrong.
fn scrub(page: &mut Page, shared: &Shared) {
    let scrub = &shared.metrics.scrub;
    for (name, help, counter) in [
        ("pixeld_scrub_blobs_total", "Contents that were read and compared with their hash.", &scrub.blobs),
        ("pixeld_scrub_bytes_total", "Bytes of them.", &scrub.bytes),
        ("pixeld_scrub_passes_total", "Rounds through all contents.", &scrub.passes),
        ("pixeld_scrub_mended_total", "Contents that were fetched from the peer.", &scrub.mended),
    ] {
        page.single(name, "counter", help, counter.value());
    }
    let blobs = shared.blobs.faults().counts();
    let runs = shared.shelf.as_ref().map(|shelf| shelf.blobs().faults().counts()).unwrap_or_default();
    page.single(
        "pixeld_scrub_missing",
        "gauge",
        "Contents that a record names, and runs of old items, that are not here.",
        blobs.missing + runs.missing,
    );
    page.single(
        "pixeld_scrub_damaged",
        "gauge",
        "Contents and runs of old items whose hash is another one; not served.",
        blobs.damaged + runs.damaged,
    );
}

/// Writes what applications count that work by themselves.
fn backgrounds(page: &mut Page, shared: &Shared, router: &Router) {
    for work in router.apps().iter().flat_map(|app| app.backgrounds()) {
        let applied = shared.applied.read();
        let figures = work.figures(&applied);
        drop(applied);
        figures_of(page, figures);
    }
}

/// Writes how far each view of the journal lags behind, and what it counts.
fn views(page: &mut Page, shared: &Shared, router: &Router) {
    let views: Vec<_> = router.apps().iter().flat_map(|app| app.views()).collect();
    if views.is_empty() {
        return;
    }
    let applied = shared.applied.read();
    let (end, vector) = (applied.position, applied.vector.clone());
    drop(applied);
    let name = "pixeld_view_lag_records";
    page.family(name, "gauge", "Records that are applied and not in a view of the journal yet, by view.");
    for view in &views {
        page.sample(name, &format!("view=\"{}\"", view.name()), view.standing().behind(&vector));
    }
    let name = "pixeld_view_lag_seconds";
    page.family(name, "gauge", "Time since a view of the journal had everything, by view; 0 while it has.");
    for view in &views {
        let standing = view.standing();
        let since_us = shared.clock.now_us().saturating_sub(standing.whole_us());
        let lag_us = if standing.position() >= end { 0 } else { since_us };
        page.sample(name, &format!("view=\"{}\"", view.name()), lag_us as f64 / 1e6);
    }
    views.iter().for_each(|view| figures_of(page, view.figures()));
}

fn figures_of(page: &mut Page, figures: Vec<Figure>) {
    for Figure { name, help, is_counter, value } in figures {
        page.single(name, if is_counter { "counter" } else { "gauge" }, help, value);
    }
}

fn process(page: &mut Page, shared: &Shared) {
    let is_unready = shared.space.refused().is_some_and(|refused| refused.is_unready());
    let ready = u8::from(shared.life.phase() == Phase::Ready && !shared.space.is_joining() && !is_unready);
    page.single("pixeld_ready", "gauge", "1 while /readyz says so.", ready);
    let name = "pixeld_config_last_reload_successful";
    page.single(
        name,
        "gauge",
        "0 after a SIGHUP or SIGUSR2 of which anything was refused; 1 again with the next one that is taken.",
        u8::from(!shared.life.was_reload_refused()),
    );
    if let Some((user, system)) = thread::process_cpu_seconds(std::process::id()) {
        page.single("process_cpu_seconds_total", "counter", "User and system CPU time.", user + system);
    }
    if let Some(bytes) = thread::resident_bytes() {
        page.single("process_resident_memory_bytes", "gauge", "Resident memory.", bytes);
    }
    let (open, limit) = thread::descriptors();
    page.single("process_open_fds", "gauge", "Open file descriptors.", open);
    page.single("process_max_fds", "gauge", "Most file descriptors.", limit);
    let start = shared.started_us as f64 / 1e6;
    page.single("process_start_time_seconds", "gauge", "Start of the process, seconds since 1970.", start);
}
