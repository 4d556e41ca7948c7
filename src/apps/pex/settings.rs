//! What an operator may set of the Fibonacci service.

use crate::apps::pex::limits::PEX_POSITION_MAX;
use crate::base::setting::{Form, Preset, Setting, Values};

static MAX_POSITION: Setting = Setting::new(
    "pex.max_position",
    "N",
    "Last position of the Fibonacci service, and the largest n that may be asked for",
    Form::Number(1, PEX_POSITION_MAX),
    Preset::Number(1_000_000),
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&MAX_POSITION];

/// The service's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PexSettings {
    /// The last position that a step leads to, and the largest number that may be asked for: it bounds the work that a
    /// request can make.
    pub max_position: u64,
}

impl PexSettings {
    /// Returns the settings that these values make.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        Self { max_position: values.number(&MAX_POSITION) }
    }
}

impl Default for PexSettings {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}
