//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/support/feed.rs"]
mod feed;
#[path = "../../tests/fuzzed/checks/request_head.rs"]
mod request_head;
#[allow(dead_code, reason = "another target uses the rest")]
#[path = "../../tests/fuzzed/slow/mod.rs"]
mod slow;

fuzz_target!(|bytes: &[u8]| request_head::check(bytes));
