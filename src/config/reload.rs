//! What a running server takes over on SIGHUP.

use super::error::ConfigErrors;
use super::keys;
use super::read::{Config, load};
use super::sources::Sources;

/// A configuration read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The whole of it; of this the limits and the log level take effect.
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
    let config = load(sources, cores)?;
    // Both list every key once and in the same order.
    debug_assert_eq!(config.entries.len(), current.entries.len());
    let pairs = config.entries.iter().zip(&current.entries);
    let keys = pairs.filter(|(new, old)| new.value != old.value).map(|(new, _)| new.key.clone());
    let (changed, restart) = keys.partition(|key| keys::is_reloadable(key));
    Ok(Reloaded { changed, restart, config })
}
