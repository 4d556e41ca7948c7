//! A record that is logged before anybody is served.

use super::opening::Opening;
use crate::app::applied::Batch;
use crate::app::state::Entry;
use crate::base::limits::BATCH_BODY_BYTES_MAX;
use crate::engine::shared::settings::FirstRecord;
use crate::log::write::staged::Staged;
use crate::log::write::writer::WriteError;
use crate::os::clock::wall_us;

/// Why it was not logged.
#[derive(Debug, thiserror::Error)]
pub enum FirstError {
    /// Its application does not want it.
    #[error("{0}")]
    Unwelcome(String),
    /// The directory waits for the first host of its cluster.
    #[error(
        "this directory was made by `pixeld init --join` and takes no writes before it has everything of the first host"
    )]
    Newcomer,
    /// The disk does not let it be.
    #[error("{0}; nothing was logged")]
    Refused(String),
    /// The current segment is full, and the next one is not made yet.
    #[error("there is no room in the journal; nothing was logged, start again")]
    NoRoom,
    /// The journal cannot be written.
    #[error("the journal can't be written: {0}")]
    Write(#[from] WriteError),
}

/// Stamps the record, logs it as a batch of its own, and applies it once it is on the disk. Nobody else has the journal
/// yet, so this is a commit step without threads.
///
/// # Errors
/// Fails as [`FirstError`] says; nothing was logged then, but for a failed write, which is final.
pub fn log(first: &FirstRecord, opening: &mut Opening) -> Result<(), FirstError> {
    let Opening { applied, opened, newcomer, settling, .. } = opening;
    if let Some(settling) = settling {
        return Err(FirstError::Refused(settling.refused().reason.clone()));
    }
    if newcomer.is_some() {
        return Err(FirstError::Newcomer);
    }
    (first.is_welcome)(applied).map_err(FirstError::Unwelcome)?;
    let appender = &mut opened.appender;
    if !appender.fits(BATCH_BODY_BYTES_MAX, opened.spare_ready) {
        return Err(FirstError::NoRoom);
    }
    let time_us = appender.next_time_us(wall_us());
    let entry = Entry { origin: appender.origin(), seq: appender.next_seq(), time_us };
    let mut body = Vec::new();
    applied.stamp_batch(&entry, &first.record, &mut body);
    let (segment, mut staged) = (appender.segment(), Staged::default());
    let sealed = appender.stage(&body, 1, time_us, opened.writer.synced(), &mut staged);
    opened.spare_ready &= appender.segment() == segment;
    opened.writer.write(&staged, true)?;
    opened.reader.extend(&staged);
    opened.reader.written(opened.writer.position());
    let first = Entry { time_us: sealed.header.time_us, ..entry };
    applied.apply_batch(&Batch { first, count: 1, body: &body, end: sealed.end });
    Ok(())
}
