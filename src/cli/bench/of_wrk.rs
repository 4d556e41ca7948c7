//! Options of wrk and wrk2 that have no meaning here or another name: what users paste is taken, or answered.

use pixeld_bench::input;
use pixeld_bench::scenario::wrk_script;
use std::path::PathBuf;

/// Options that are not shown.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OfWrk {
    /// Latencies are always shown
    #[arg(short = 'L', long, hide = true)]
    latency: bool,
    /// Uncorrected latencies are always shown
    #[arg(short = 'U', long = "u_latency", alias = "u-latency", hide = true)]
    uncorrected_latency: bool,
    /// A Lua script: other options replace it
    #[arg(short, long, value_name = "FILE", hide = true)]
    script: Option<PathBuf>,
}

impl OfWrk {
    /// Fails for a script, with what replaces it.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(file) = &self.script else { return Ok(()) };
        let script = input::text(file, input::SETTINGS_BYTES_MAX).unwrap_or_default();
        let instead = wrk_script::replacement(&script);
        Err(format!("-s {}: there are no Lua scripts here{instead}", file.display()))
    }
}
