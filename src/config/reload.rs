//! What a running server takes over on SIGHUP.

use super::effective::Config;
use super::error::ConfigErrors;
use super::keys;
use super::read::{load, take_over};
use super::sources::Sources;

/// A configuration read again.
#[derive(Clone)]
pub struct Reloaded {
    /// The configuration in force from now on: the current one with new limits and a new log level.
    pub config: Config,
    /// Keys that changed and take effect.
    pub changed: Vec<&'static str>,
    /// Keys that changed and need a restart.
    pub restart: Vec<&'static str>,
}

/// Reads `sources` again and compares with `current`, the configuration in force.
///
/// # Errors
/// Returns everything that is wrong; then nothing of it may take effect.
pub fn reload(current: &Config, sources: &Sources, cores: usize) -> Result<Reloaded, ConfigErrors> {
    let read = load(sources, cores)?;
    // Both list every key once and in the same order.
    debug_assert_eq!(read.entries.len(), current.entries.len());
    let (mut changed, mut restart) = (Vec::new(), Vec::new());
    let mut config = current.clone();
    take_over(&mut config, &read);
    for (entry, new) in config.entries.iter_mut().zip(read.entries) {
        if new.value == entry.value {
            continue;
        }
        if keys::named(new.key).is_some_and(|setting| setting.reloads) {
            changed.push(new.key);
            *entry = new;
        } else {
            restart.push(new.key);
        }
    }
    Ok(Reloaded { config, changed, restart })
}
