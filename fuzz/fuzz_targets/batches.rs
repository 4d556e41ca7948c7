//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/checks/batches.rs"]
mod batches;
#[allow(dead_code, reason = "its own check is another target")]
#[path = "../../tests/fuzzed/checks/pixel_json.rs"]
mod pixel_json;

fuzz_target!(|bytes: &[u8]| batches::check(bytes));
