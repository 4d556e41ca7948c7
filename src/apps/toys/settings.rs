//! How long the shop's slow calls take.

use crate::app::keep::{self, Keep};
use crate::apps::toys::limits::TOYS_KEPT_US_MIN;
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
    "How long the toy shop's lookup of its last toy takes",
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
static KEEP: Setting = Setting::keep(
    "keep.toys",
    "Toys and orders that are kept, the newest of them; orders and toys with a key stay for a day at least; bytes are those of names",
    Form::List(keep_form, is_kept_long_enough),
    keep::ALL,
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&KEEP, &HEAVY, &DB, &ORDER];

/// Times that an operator may set; the keys of the `[toys]` table of the configuration file have these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToysSettings {
    /// The slow call, milliseconds.
    pub heavy_ms: u64,
    /// The question for the last toy, milliseconds.
    pub db_ms: u64,
    /// An order, milliseconds; fits into 32 bits.
    pub order_ms: u64,
    /// How many toys and orders are kept.
    pub keep: Keep,
}

impl ToysSettings {
    /// Returns the settings that these values make.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        let [heavy_ms, db_ms, order_ms] = [&HEAVY, &DB, &ORDER].map(|setting| values.number(setting));
        Self { heavy_ms, db_ms, order_ms, keep: Keep::of(values.get(&KEEP).elements()) }
    }
}

fn keep_form() -> String {
    format!("{}; an age of 24h at least, since an order that is sent again must be known", keep::FORM)
}

fn is_kept_long_enough(text: &str) -> bool {
    let keep = Keep::of(&[text.to_owned()]);
    keep::is_limit(text) && keep.age_us.is_none_or(|age_us| age_us >= TOYS_KEPT_US_MIN)
}

impl Default for ToysSettings {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}
