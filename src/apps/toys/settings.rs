//! How long the shop's slow calls take.

use crate::base::setting::{Form, Preset, Setting, Values};

/// The longest that any of them may be, milliseconds: the wait of a client, which a stop of the server waits for too.
const TIME: Form = Form::Millis(0, 3_600_000);

static HEAVY: Setting = Setting::new(
    "toys.heavy_ms",
    "DURATION",
    "How long the toy shop's slow call takes",
    TIME,
    Preset::Number(5_000),
);
static DB: Setting = Setting::new(
    "toys.db_ms",
    "DURATION",
    "How long the toy shop looks for its last toy",
    TIME,
    Preset::Number(0),
);
static ORDER: Setting = Setting::new(
    "toys.order_ms",
    "DURATION",
    "How long an order of the toy shop takes",
    TIME,
    Preset::Number(5_000),
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&HEAVY, &DB, &ORDER];

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

impl ToysSettings {
    /// Returns the settings that these values make.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        let [heavy_ms, db_ms, order_ms] = [&HEAVY, &DB, &ORDER].map(|setting| values.number(setting));
        Self { heavy_ms, db_ms, order_ms }
    }
}

impl Default for ToysSettings {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}
