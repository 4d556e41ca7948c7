//! How `pixeld bench` ends. Scripts rely on the numbers.

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for holds.
    Ok = 0,
    /// The run could not be made, or nothing was answered.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A goal was missed.
    GoalMissed = 3,
    /// The client was the wall, with `--strict`.
    ClientWall = 4,
    /// Slower than what it was compared with.
    Slower = 5,
    /// A write that was acknowledged is gone.
    Lost = 6,
    /// Interrupted; the report was written.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
