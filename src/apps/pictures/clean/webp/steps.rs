//! What reading coded pixels may cost, and why it may end before their end.

/// Decisions, codes and pixels that are read of one picture at most, over all of its frames: some seconds. A photograph of
/// 10 MiB takes a tenth of that.
pub(super) const STEPS_MAX: u64 = 512 << 20;

/// Why coded pixels were not read to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the pixels do.
    Short,
    /// No decoder takes them.
    Damaged,
    /// They would take too long.
    TooLong,
}

/// The steps that are left.
pub(super) struct Steps(u64);

impl Steps {
    pub(super) fn new(most: u64) -> Self {
        Self(most)
    }

    /// Takes some of them.
    ///
    /// # Errors
    /// Fails with [`Stop::TooLong`] if there are not as many.
    pub(super) fn take(&mut self, steps: u64) -> Result<(), Stop> {
        self.0 = self.0.checked_sub(steps).ok_or(Stop::TooLong)?;
        Ok(())
    }
}
