//! How long the shop's slow calls take.

/// Times that an operator may set; the keys of the `[toys]` table of the configuration file have these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToysSettings {
    /// The slow call, milliseconds.
    pub heavy_ms: u64,
    /// The question for the last toy, milliseconds.
    pub db_ms: u64,
    /// An order, milliseconds; fits into 32 bits.
    pub order_ms: u64,
}

/// The longest that any of them may be, milliseconds: the wait of a client, which a stop of the server waits for too.
pub const TIME_MS_MAX: u64 = 3_600_000;

impl Default for ToysSettings {
    fn default() -> Self {
        Self { heavy_ms: 5_000, db_ms: 0, order_ms: 5_000 }
    }
}
