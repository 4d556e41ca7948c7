//! The disk thread of a server: at `disk` and `both` it runs the commit step, at `memory` it writes behind the workers.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::base::durability::Durability;
use crate::engine::commit::committer::Committer;
use crate::engine::commit::{disk, fatal, memory};
use crate::engine::shared::Shared;
use crate::log::write::writer::Writer;
use crate::os::clock::Clock;
use crate::os::thread;

/// What the workers take to run the commit step; nothing where the disk thread runs it.
pub(super) type Token = Option<Arc<Mutex<Committer>>>;

/// What the disk thread had: the committer, unless it is the token's, and the writer.
pub(super) type Written = (Option<Committer>, Writer);

/// Starts the disk thread, and makes in `memory` the token that the workers take.
///
/// # Errors
/// Fails when the system has no thread left.
pub(super) fn start(
    shared: &Arc<Shared>,
    mut committer: Committer,
    mut writer: Writer,
    clock: Clock,
) -> io::Result<(Token, JoinHandle<Written>)> {
    let shared = shared.clone();
    if shared.durability == Durability::Memory {
        let body = move || {
            fatal::or_end(memory::write_behind(&shared, &mut writer, clock));
            (None, writer)
        };
        let token = Arc::new(Mutex::new(committer));
        return Ok((Some(token), thread::spawn("disk", body)?));
    }
    let body = move || {
        fatal::or_end(disk::commit_on_request(&shared, &mut committer, &mut writer, clock));
        (Some(committer), writer)
    };
    Ok((None, thread::spawn("disk", body)?))
}
