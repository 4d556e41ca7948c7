//! What a test does that can't run where it is.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;

/// Prints that this test did not run, and why, as one line that starts with `skipped:`.
///
/// `scripts/test` names a file in `PIXELD_TESTS_SKIPPED`, to which the line is added with the test's name, and sums them
/// at its end: the runner shows nothing of a test that passes. With `PIXELD_TESTS_STRICT=1` the test fails instead, so
/// that a machine that is to run everything shows what it lacks.
pub fn skip(why: impl Display) {
    let thread = std::thread::current();
    let line = format!("skipped: {} ({why})\n", thread.name().unwrap_or("a test"));
    print!("{line}");
    if let Some(path) = std::env::var_os("PIXELD_TESTS_SKIPPED") {
        // One call for the whole line: tests run side by side.
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the list of skipped tests");
    }
    assert!(std::env::var_os("PIXELD_TESTS_STRICT").is_none_or(|value| value != "1"), "{line}");
}
