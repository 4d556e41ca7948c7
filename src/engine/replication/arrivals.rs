//! How the link has what arrived committed: as a worker does, by the disk thread or by itself.

use std::sync::Arc;

use crate::engine::commit::memory::InlineCommit;
use crate::engine::shared::Shared;

/// The link's access to the commit step.
pub struct Arrivals {
    shared: Arc<Shared>,
    inline: Option<InlineCommit>,
}

impl Arrivals {
    /// Makes the arrivals of a server; `inline` is there in `memory` and nowhere else.
    #[must_use]
    pub fn new(shared: Arc<Shared>, inline: Option<InlineCommit>) -> Self {
        Self { shared, inline }
    }

    /// Has what is in the inbox committed. The link calls this when it has read all that its socket had, and whenever
    /// the bell has rung; with an empty inbox it does nothing. In `memory` the step runs here and now, at `wall_us`
    /// microseconds since 1970.
    pub fn commit(&mut self, wall_us: u64) {
        match &mut self.inline {
            Some(inline) => inline.run_for_peer(&self.shared, wall_us),
            None => self.shared.commit_arrived(),
        }
    }
}
