//! Old items that have to come back into memory.

use crate::app::returning;
use crate::base::limits::RETURN_ROUNDS_MAX;
use crate::engine::shared::Shared;

/// Brings them back. Nothing is written for that, so it is done on a host that only reads, too.
#[derive(Default)]
pub struct Returned {
    complained: bool,
}

impl Returned {
    /// Brings back what is to come, up to a bound.
    pub fn look_after(&mut self, shared: &Shared) {
        for _ in 0..RETURN_ROUNDS_MAX {
            match returning::take_back(&shared.applied) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        tracing::error!(%error, "can't read an old item that a new record is about; trying again");
                    }
                    break;
                }
            }
        }
    }
}
