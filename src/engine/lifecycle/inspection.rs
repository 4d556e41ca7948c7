//! Would a start take this directory? The same code as a start's, short of writing.

use super::rebuilding::Rebuilding;
use std::sync::Arc;

use crate::app::applied::EmptyStates;
use crate::log::files::known_peer::KnownPeer;
use crate::log::recover::joining;
use crate::log::recover::{self, RecoverError};
use crate::log::runs::shelf::Shelf;
use crate::os::disk::{Disk, is_bad_medium};

/// Tries while a server writes to the directory.
const TRIES: usize = 5;

/// What a start would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything that it needs.
    Starts,
    /// It is taking the peer's snapshot: a start would begin anew with that, and nothing here is worth anything yet.
    Joining,
}

/// Looks whether a start without `--accept-loss` takes the directory. A server may be running on it meanwhile.
///
/// # Errors
/// Returns why a start would be refused.
pub fn examine(disk: &Arc<dyn Disk>, empty: EmptyStates) -> Result<Standing, RecoverError> {
    let listing = |source| RecoverError::Io { what: "listing the directory", source };
    if joining::is_marked(&**disk).map_err(listing)? {
        return Ok(Standing::Joining);
    }
    match KnownPeer::load(&**disk) {
        // A start goes on without it.
        Err(error) if is_bad_medium(&error) => {}
        known => drop(known.map_err(|source| RecoverError::Io { what: "reading the file peer", source })?),
    }
    let mut before = None;
    for _ in 0..TRIES {
        let mut rebuilding = Rebuilding::new(false, empty, Shelf::new(disk.clone()));
        let error = match recover::examine(&**disk, &mut |replay| rebuilding.take(replay)) {
            Ok(_) => return Ok(Standing::Starts),
            Err(error) => error,
        };
        // What a server writes or removes meanwhile is elsewhere at the next look; damage stays where it is.
        let reason = error.to_string();
        if before.as_ref() == Some(&reason) {
            return Err(error);
        }
        before = Some(reason);
    }
    // It moved on at every look: somebody serves from it.
    Ok(Standing::Starts)
}
