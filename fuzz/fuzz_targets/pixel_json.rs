//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/checks/pixel_json.rs"]
mod pixel_json;

fuzz_target!(|bytes: &[u8]| pixel_json::check(bytes));
