//! Whether this process leaves its memory behind when it crashes.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Has the kernel write no core of this process, however large `ulimit -c` is, and lets no other process of its user look into
/// its memory (prctl(2), PR_SET_DUMPABLE): requests that were just read have tokens in them, and the keys of certificates are there too.
///
/// # Errors
/// Returns the system's error.
pub fn forbid() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
