//! Inputs made by chance out of sound ones, to everything that reads what strangers send: it agrees with a second, slower
//! reader, is the same whole and in pieces, and never panics. `fuzz/` feeds the same checks by coverage.

#[allow(dead_code, reason = "other programs use the rest")]
#[path = "../support/chance.rs"]
mod chance;
#[allow(dead_code, reason = "other programs use the rest")]
#[path = "../support/feed.rs"]
mod feed;
#[path = "../support/journal/mod.rs"]
mod journal;
#[path = "../support/sim_disk/mod.rs"]
mod sim_disk;

mod checks;
mod mutation;
mod runner;
mod seeds;
mod slow;

use runner::run;

#[test]
fn request_heads() {
    run(&seeds::HEADS, checks::request_head::check, 20_000);
}

#[test]
fn bodies_and_pipelines() {
    run(&seeds::PIPELINES, checks::framing::check, 5_000);
}

#[test]
fn pixels() {
    run(&seeds::PIXELS, checks::pixel_json::check, 20_000);
}

#[test]
fn batches() {
    run(&seeds::BATCHES, checks::batches::check, 3_000);
}

#[test]
fn journals() {
    run(&seeds::JOURNALS, checks::journal_recovery::check, 200);
}

#[test]
fn configurations() {
    run(&seeds::CONFIGURATIONS, checks::configuration::check, 150);
}

#[test]
fn handshakes() {
    run(&seeds::HANDSHAKES, checks::tls_front::check, 200);
}

#[test]
fn proxy_headers() {
    run(&seeds::PROXIES, checks::proxy_header::check, 20_000);
}
