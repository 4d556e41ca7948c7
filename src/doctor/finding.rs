//! What a check found.

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As wanted.
    Pass,
    /// It costs speed, or will.
    Warn,
    /// It loses data or requests, or will.
    Fail,
    /// It could not be looked at.
    Skip,
}

impl Status {
    /// Returns it as reports spell it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// One check's result; group, risk, effect and source are in the catalog under its `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub id: &'static str,
    /// How it stands.
    pub status: Status,
    /// What is there, or why it could not be looked at.
    pub current: String,
    /// What should be there; empty where there is nothing to want.
    pub wanted: String,
    /// Shell commands that change it until the next boot.
    pub fix: Option<String>,
}

impl Finding {
    fn new(id: &'static str, status: Status, current: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { id, status, current: current.into(), wanted: wanted.into(), fix: None }
    }

    /// Makes the finding that all is as wanted.
    pub(super) fn pass(id: &'static str, current: impl Into<String>) -> Self {
        Self::new(id, Status::Pass, current, "")
    }

    /// Makes the finding that something is not as wanted, at the price of speed.
    pub(super) fn warn(id: &'static str, current: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::new(id, Status::Warn, current, wanted)
    }

    /// Makes the finding that something is not as wanted, at the price of data or requests.
    pub(super) fn fail(id: &'static str, current: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::new(id, Status::Fail, current, wanted)
    }

    /// Makes the finding that something was not looked at, for this reason.
    pub(super) fn skip(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, Status::Skip, why, "")
    }

    /// Returns the same with a way to change it.
    pub(super) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}
