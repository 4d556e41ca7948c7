//! What a running server takes over on SIGHUP.

use super::error::ConfigErrors;
use super::keys;
use super::read::{Config, load};
use super::sources::Sources;

/// A configuration read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The configuration in force from now on: the current one with new limits and a new log level.
    pub config: Config,
    /// Keys that changed and take effect.
    pub changed: Vec<String>,
    /// Keys that changed and need a restart.
    pub restart: Vec<String>,
}

/// Reads `sources` again and compares with `current`, the configuration in force.
///
/// # Errors
/// Everything that is wrong; then nothing of it may take effect.
pub fn reload(current: &Config, sources: &Sources, cores: usize) -> Result<Reloaded, ConfigErrors> {
    let read = load(sources, cores)?;
    // Both list every key once and in the same order.
    debug_assert_eq!(read.entries.len(), current.entries.len());
    let (mut changed, mut restart) = (Vec::new(), Vec::new());
    let mut config = Config { limits: read.limits, log_level: read.log_level, ..current.clone() };
    for (entry, new) in config.entries.iter_mut().zip(read.entries) {
        if new.value == entry.value {
            continue;
        }
        if keys::is_reloadable(&new.key) {
            changed.push(new.key.clone());
            *entry = new;
        } else {
            restart.push(new.key);
        }
    }
    Ok(Reloaded { config, changed, restart })
}
