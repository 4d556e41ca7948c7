//! Why this host takes no writes although it serves: in words, and what follows from it.

use std::io;

use crate::base::ids::{NodeId, Origin, Seq};
use crate::os::disk::is_no_space;

/// Why writes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What kind of trouble it is.
    pub cause: Cause,
    /// The whole of it, for an operator.
    pub reason: String,
}

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No room: 507, and ready for reads.
    NoSpace,
    /// The data directory can't be written: 503, and ready for reads.
    ReadOnly,
    /// The disk fails: 503, and not ready.
    DiskFault,
    /// The peer can't bring this one forward any more: 503, and not ready.
    LeftBehind,
    /// The log has not given this host a seat yet: 503, and not ready.
    Seatless,
}

impl Refused {
    /// Makes the refusal of a start that can't pay what it owes the disk.
    #[must_use]
    pub fn unsettled(what: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let cause = match error.kind() {
            _ if is_no_space(error) => Cause::NoSpace,
            ReadOnlyFilesystem | PermissionDenied => Cause::ReadOnly,
            _ => Cause::DiskFault,
        };
        Self { cause, reason: format!("read-only: {what}: {error}") }
    }

    /// Makes the refusal when files that the journal needs can't be made, and not for want of room.
    #[must_use]
    pub fn fault(reason: &str) -> Self {
        Self { cause: Cause::DiskFault, reason: format!("disk fault: {reason}") }
    }

    /// Says that the peer has removed what this one lacks. `missing` records of this host are not durable there yet; `last` is
    /// the last one that it has made itself.
    #[must_use]
    pub fn left_behind(missing: u64, last: Option<(Origin, Seq)>) -> Self {
        let rest = match (missing, last) {
            (0, Some((origin, seq))) => format!(
                "Everything that this host has itself was taken from it, up to record {seq} of its stream {origin}: stop it and \
                 make it afresh with `pixeld init --join`"
            ),
            (0, None) => {
                "It has nothing of its own: stop it and make it afresh with `pixeld init --join`".to_owned()
            }
            _ => format!(
                "{missing} records of this host are not on the peer yet: leave it running until they are"
            ),
        };
        let reason = format!("left behind: the peer does not keep what this one lacks any more. {rest}");
        Self { cause: Cause::LeftBehind, reason }
    }

    /// Says that this host gives no numbers before it has a seat of its own, and which member has to tell first.
    #[must_use]
    pub fn seatless(waits_for: Option<NodeId>) -> Self {
        let whom = waits_for.map_or_else(String::new, |node| {
            format!(
                ", and that waits for the host {node}: its seat is not in the log; start it, or if it is gone for good run `pixeld \
                 forget-host {node}` on another one"
            )
        });
        let reason =
            format!("no seat yet: this host gives no numbers before the log has given it a seat{whom}");
        Self { cause: Cause::Seatless, reason }
    }

    /// Returns the status of an answer to a write.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.cause == Cause::NoSpace { 507 } else { 503 }
    }

    /// Returns whether /readyz says 503.
    #[must_use]
    pub fn is_unready(&self) -> bool {
        matches!(self.cause, Cause::DiskFault | Cause::LeftBehind | Cause::Seatless)
    }
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NoSpace, Self::ReadOnly, Self::DiskFault, Self::LeftBehind, Self::Seatless];

    /// Returns the kind as a label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoSpace => "no_space",
            Self::ReadOnly => "read_only",
            Self::DiskFault => "disk_fault",
            Self::LeftBehind => "left_behind",
            Self::Seatless => "seatless",
        }
    }
}
