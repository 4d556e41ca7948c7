//! Why a connection's input is not read any further.

/// The answer to input that cannot be accepted. The connection closes after it, because where the next request would
/// begin is not known or not worth reading up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code of the answer.
    pub status: u16,
    /// What was wrong, for a human: a short sentence without a full stop.
    pub reason: &'static str,
}

impl Refusal {
    /// Returns a refusal with any status.
    #[must_use]
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// Makes the refusal of malformed or ambiguous input: 400.
    #[must_use]
    pub const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}
