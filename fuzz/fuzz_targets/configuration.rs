//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/checks/configuration.rs"]
mod configuration;

fuzz_target!(|bytes: &[u8]| configuration::check(bytes));
