//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/checks/proxy_header.rs"]
mod proxy_header;

fuzz_target!(|bytes: &[u8]| proxy_header::check(bytes));
