//! `--import-fibo`: the count of the original Fibonacci server as the first record of this one.

use std::path::Path;

use super::CliError;
use crate::apps::pex::import::{Import, is_welcome};
use crate::apps::pex::settings::PexSettings;
use crate::config::effective::Config;
use crate::engine::shared::settings::FirstRecord;

/// Reads the file that `--import-fibo` names.
///
/// # Errors
/// Returns the name of the file and what is wrong with it.
pub(super) fn read(path: &Path, config: &Config) -> Result<Import, CliError> {
    let refuse = |reason: String| CliError::Import { path: path.to_owned(), reason };
    if !config.apps.contains(&"pex") {
        return Err(refuse(
            "pex, the application that it is for, is not among those that are served".to_owned(),
        ));
    }
    let content = std::fs::read(path).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    Import::read(&content, PexSettings::of(&config.values).max_position)
        .map_err(|error| refuse(error.to_string()))
}

/// Returns the record that takes the count over.
pub(super) fn record(import: Import) -> FirstRecord {
    FirstRecord { record: import.record(), is_welcome }
}
