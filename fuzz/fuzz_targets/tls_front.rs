//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/checks/tls_front.rs"]
mod tls_front;

fuzz_target!(|bytes: &[u8]| tls_front::check(bytes));
