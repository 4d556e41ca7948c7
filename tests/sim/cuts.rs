//! Cuts of a host's pixels, found as the thread that keeps them finds them.

use std::collections::BTreeMap;

use pixeld::apps::pixel::cut::{self, Floor};
use pixeld::apps::pixel::finder::{Finder, Measure};
use pixeld::apps::pixel::state::PixelState;
use pixeld::apps::pixel::times::{Key, Times};
use pixeld::base::ids::Origin;
use pixeld::log::read::scan::ReadError;

use super::host::{Fatal, Up};

/// Gives the records of a cut that leaves so many of the newest pixels, said by how many are listed.
pub fn leaving(up: &Up, newest: impl FnOnce(u64) -> u64, is_exact: bool) -> Result<Vec<u8>, Fatal> {
    find(up, |finder| {
        let listed = finder.listed(Measure::Pixels);
        let excess = listed.saturating_sub(newest(listed));
        let key = match is_exact {
            true => finder.exactly(Measure::Pixels, excess)?,
            false => finder.roughly(Measure::Pixels, excess),
        };
        finder.floors(key, is_exact, &|_| true)
    })
}

/// Logs a cut that leaves so many hundredths of the pixels that are listed; gives whether there was one to log.
pub fn log_leaving(up: &mut Up, hundredths: u64, is_exact: bool, wall_us: u64) -> Result<bool, Fatal> {
    let records = leaving(up, |listed| listed * hundredths / 100, is_exact)?;
    Ok(!records.is_empty() && up.log(&records, wall_us))
}

/// Gives the records that clear what was kept before a time, microseconds since 1970.
pub fn before(up: &Up, time_us: u64) -> Result<Vec<u8>, Fatal> {
    find(up, |finder| finder.floors(Key::of_time(time_us), true, &|_| true))
}

/// The floors of a cut.
type Found = Result<BTreeMap<Origin, Floor>, ReadError>;

fn find(up: &Up, choose: impl FnOnce(&Finder) -> Found) -> Result<Vec<u8>, Fatal> {
    let applied = up.shared.applied.read();
    let (position, heals) = (applied.position, applied.heals.clone());
    let streams = applied.state::<PixelState>().map(|state| state.streams().to_vec()).unwrap_or_default();
    drop(applied);
    let error = |error: ReadError| error.to_string();
    let mut times = Times::default();
    while !times.follow(&up.shared.reader, position, &heals).map_err(error)? {}
    let floors = choose(&Finder::new(&times, &up.shared.reader, &streams)).map_err(error)?;
    Ok(cut::records(&floors.into_iter().collect::<Vec<_>>()).concat())
}
