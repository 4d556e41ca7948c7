//! What the keeper expects of the disk: how fast what is kept grows, and when there will be no room.

use std::sync::{Mutex, PoisonError};

/// What is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prospect {
    /// Bytes by which what is kept grows in a day; negative where more goes than comes. Nothing in the first ten minutes of a
    /// process.
    pub bytes_per_day: Option<f64>,
    /// Days until the free space is down to the reserve at this rate; nothing while nothing grows.
    pub days: Option<f64>,
}

/// The latest one. The keeper writes it, workers read it.
#[derive(Debug, Default)]
pub struct Outlook(Mutex<Prospect>);

impl Outlook {
    /// Sets what is expected.
    pub fn set(&self, prospect: Prospect) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = prospect;
    }

    /// Returns what is expected.
    #[must_use]
    pub fn get(&self) -> Prospect {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prospect {
    /// Returns it as an object of JSON; nothing while it is not known.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        let bytes_per_day = self.bytes_per_day?;
        let days = self.days.map_or("null".to_owned(), |days| format!("{days:.1}"));
        Some(format!("{{\"bytes_per_day\":{bytes_per_day:.0},\"days_until_full\":{days}}}"))
    }
}
