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
    /// The client was the bottleneck, with `--strict`.
    ClientWall = 4,
    /// Slower than what it was compared with.
    Slower = 5,
    /// A write that was acknowledged is gone, altered or there twice.
    Lost = 6,
    /// Interrupted; the report was written.
    Interrupted = 130,
}

/// What a finished run says about its target and about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// An acknowledged write is not there as it was sent, or twice.
    pub has_lost: bool,
    /// An interrupt ended the run.
    pub is_interrupted: bool,
    /// Anything was answered.
    pub has_answers: bool,
    /// A condition of `--abort-if` ended the run, so that it may have had no time for an answer.
    pub is_aborted: bool,
    /// Something that was asked for could not be done: a check, a disturbance, the rest of a ramp or of a number.
    pub has_failed: bool,
    /// The client was the bottleneck, and that was to count.
    pub is_client_wall: bool,
    /// It is slower than the kept report allows.
    pub is_slower: bool,
    /// A goal was missed.
    pub has_missed: bool,
}

impl Findings {
    /// Returns the exit code: of several findings the one that takes away most of what the run is worth.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self { has_lost: true, .. } => Exit::Lost,
            Self { is_interrupted: true, .. } => Exit::Interrupted,
            Self { has_answers: false, is_aborted: false, .. } | Self { has_failed: true, .. } => {
                Exit::Failed
            }
            Self { is_client_wall: true, .. } => Exit::ClientWall,
            Self { has_missed: true, .. } | Self { is_aborted: true, .. } => Exit::GoalMissed,
            Self { is_slower: true, .. } => Exit::Slower,
            _ => Exit::Ok,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_by_table() {
        let fine = Findings { has_answers: true, ..Findings::default() };
        for (findings, code) in [
            (fine, 0),
            (Findings::default(), 1),
            (Findings { is_aborted: true, ..Findings::default() }, 3),
            (Findings { is_aborted: true, has_failed: true, ..fine }, 1),
            (Findings { has_failed: true, has_missed: true, ..fine }, 1),
            (Findings { has_missed: true, ..fine }, 3),
            (Findings { is_slower: true, ..fine }, 5),
            (Findings { is_slower: true, has_missed: true, ..fine }, 3),
            (Findings { is_client_wall: true, ..fine }, 4),
            (Findings { is_client_wall: true, has_missed: true, ..fine }, 4),
            (Findings { has_lost: true, is_interrupted: true, ..Findings::default() }, 6),
            (Findings { is_interrupted: true, ..Findings::default() }, 130),
        ] {
            assert_eq!(findings.exit() as u8, code, "{findings:?}");
        }
    }
}
