//! The check of that name in tests/fuzzed, fed by coverage.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/journal/mod.rs"]
mod journal;
#[path = "../../tests/fuzzed/checks/journal_recovery.rs"]
mod journal_recovery;
#[path = "../../tests/support/sim_disk/mod.rs"]
mod sim_disk;

fuzz_target!(|bytes: &[u8]| journal_recovery::check(bytes));
