//! CPUs that options name.

use pixeld_bench::driver::machine;

/// Fails for CPUs to which nothing can be bound.
pub(super) fn check_pins(option: &str, cpus: &[usize]) -> Result<(), String> {
    machine::check_pins(cpus).map_err(|what| format!("{option}: {what}"))
}
