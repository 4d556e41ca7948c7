//! Which old items count as of an earlier time than they were written with, because a heal came since. They are found by
//! reading, once for each run and heal, and remembered.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::heal::Heals;
use crate::base::places::Places;
use crate::log::runs::item::Item;
use crate::log::runs::run::Run;

/// Items of one run that count as of an earlier time than they were written with.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// By which heals they were found, and they.
    found: Mutex<(Heals, Arc<Places>)>,
}

impl Later {
    /// Returns them. Reads the run's items that any of the heals speaks of, unless that was done.
    pub(super) fn places(&self, run: &Run, heals: &Heals) -> io::Result<Arc<Places>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.0 != *heals {
            let (mut spoken_of, mut later, mut last) = (Places::default(), Places::default(), None);
            for heal in heals.iter() {
                spoken_of.add_all(&run.places().between(heal.origin, heal.first, heal.last));
            }
            for place in spoken_of.iter() {
                let item = run.item(place, &mut last)?.ok_or(io::ErrorKind::InvalidData)?;
                let written_us = written_us(&item)?;
                if heals.time_us(place.0, place.1, written_us) < written_us {
                    later.insert(place);
                }
            }
            *found = (heals.clone(), Arc::new(later));
        }
        Ok(found.1.clone())
    }
}

/// Returns the time with which an item was written.
fn written_us(item: &Item) -> io::Result<u64> {
    let time = item.value.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
    Ok(u64::from_le_bytes(*time))
}
