//! What an operator may set of the Fibonacci service.

/// The service's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PexSettings {
    /// The last position that a step leads to, and the largest number that may be asked for: it bounds the work that a
    /// request can make.
    pub max_position: u64,
}

impl Default for PexSettings {
    fn default() -> Self {
        Self { max_position: 1_000_000 }
    }
}
