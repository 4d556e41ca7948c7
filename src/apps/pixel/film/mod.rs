//! Films: the canvas of one moment after the other, drawn from the journal.
//!
//! ```text
//! contents   all of the journal once: when what was set, cleared and cut, and where in the journal that stands
//! schedule   the moments of the pictures
//! drawing    from one moment to the next: unsets what is not listed any more, draws what has come
//! reel       gif, apng: pictures as one file
//! requests   GET /canvas/past: what a film of this host can show
//! ```
//!
//! Each picture is what `GET /canvas.png?at=` shows of its moment. Batches stand in a journal in the order in which its host learnt of
//! them, and they count in that of their times: what a peer sent late, and what was healed, belongs into earlier pictures. So the
//! journal is read once to see which part of it belongs to which time, and then part by part.

pub mod apng;
pub mod contents;
pub mod drawing;
pub mod gif;
pub mod limits;
pub mod reel;
pub mod requests;
pub mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::app::applied::Batch;
use crate::base::ids::Position;
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;

use super::canvas::journal::as_applied;

/// Gives parts of a journal.
pub trait Parts {
    /// Calls `visit` with each batch from `from`, where one starts, to `to`, where one ends; it says whether to go on.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    fn each(
        &self,
        from: Position,
        to: Position,
        visit: &mut dyn FnMut(&Batch<'_>) -> bool,
    ) -> Result<(), ReadError>;
}

impl Parts for Arc<Reader> {
    fn each(
        &self,
        from: Position,
        to: Position,
        visit: &mut dyn FnMut(&Batch<'_>) -> bool,
    ) -> Result<(), ReadError> {
        let mut scan = self.scan(from, to);
        while let Some(batch) = scan.next_batch()? {
            if !visit(&as_applied(&batch)) {
                break;
            }
        }
        Ok(())
    }
}
