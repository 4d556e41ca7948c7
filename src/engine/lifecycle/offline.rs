//! Offline: records are logged into a journal that no server runs on.

use crate::engine::shared::understanding::{TooOld, Understanding};
use crate::log::recover::Opened;
use crate::log::write::staged::Staged;
use crate::log::write::writer::WriteError;

/// Why nothing was logged.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// Its journal can't be written.
    #[error("the journal can't be written: {0}")]
    Write(#[from] WriteError),
    /// Another host would not understand it.
    #[error(transparent)]
    TooOld(#[from] TooOld),
    /// The current segment is full, and the next one is not made yet.
    #[error("there is no room in the journal; start the server once, stop it, and try again")]
    NoRoom,
}

/// Logs so many records as one batch, durably, at `now_us` microseconds since 1970.
///
/// # Errors
/// Fails as [`OfflineError`] says; nothing was logged then.
pub(super) fn log(
    opened: &mut Opened,
    body: &[u8],
    count: usize,
    understanding: &Understanding,
    now_us: u64,
) -> Result<(), OfflineError> {
    understanding.admits(body)?;
    let appender = &mut opened.appender;
    if !appender.fits(body.len(), opened.spare_ready) {
        return Err(OfflineError::NoRoom);
    }
    let mut staged = Staged::default();
    let count = u32::try_from(count).expect("as many as fit into a batch");
    appender.stage(body, count, now_us, opened.writer.synced(), &mut staged);
    Ok(opened.writer.write(&staged, true)?)
}
