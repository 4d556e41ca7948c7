//! What `bench calibrate` found out about the generator on this host, kept for later reports.

use crate::report::environment;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::{env, fs};

/// The generator's own figures, against the null responder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Host name and CPU; another host's figures are not used.
    pub host: String,
    /// Median latency of one connection, nanoseconds.
    pub floor_ns: u64,
    /// Highest rate of a closed loop, depth 1, requests per second.
    pub rate: f64,
    /// The same at depth 16.
    pub rate_pipelined: f64,
    /// Generator CPU per request, depth 1, nanoseconds.
    pub cpu_ns: f64,
    /// The same at depth 16.
    pub cpu_ns_pipelined: f64,
    /// Time to write one body of the usual template, nanoseconds.
    #[serde(default)]
    pub body_ns: f64,
    /// Time to write one whole request with such a body, nanoseconds.
    #[serde(default)]
    pub request_ns: f64,
    /// How late requests of an open loop left at half of the highest rate, median, nanoseconds.
    pub pacing_p50_ns: u64,
    /// The same, 99th percentile.
    pub pacing_p99_ns: u64,
}

impl Calibration {
    /// Returns the highest rate of the generator for a depth.
    #[must_use]
    pub fn ceiling(&self, pipeline: usize) -> f64 {
        if pipeline == 1 { self.rate } else { self.rate_pipelined }
    }

    /// Returns this host's figures, if it was calibrated.
    #[must_use]
    pub fn load() -> Option<Self> {
        let known: Self = serde_json::from_str(&fs::read_to_string(file()?).ok()?).ok()?;
        (known.host == host()).then_some(known)
    }

    /// Keeps them.
    ///
    /// # Errors
    /// Returns a sentence that names the file.
    pub fn save(&self) -> Result<PathBuf, String> {
        let path = file().ok_or("neither XDG_CACHE_HOME nor HOME is set; set one to keep the calibration")?;
        let folder = path.parent().ok_or("the calibration's file has no folder")?;
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text + "\n"))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

/// Returns this host's name and CPU: a virtual machine keeps its name when it moves to another model.
#[must_use]
pub fn host() -> String {
    let found = environment::describe();
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_string();
    format!("{}, {} x {}", text("host"), found["cpus"], text("cpu"))
}

fn file() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("pixeld").join("calibration.json"))
}
