//! What tasks of a session come to, and how a session ends.

use crate::base::ids::NodeId;
use crate::peer::relay::port::LogEvent;

use super::objects::{Entry, Tagged, Trouble};

/// The end of a session, in words for an operator.
pub(super) enum End {
    /// Another try may be of use at once.
    Lost(String),
    /// Somebody has to mend something.
    Refused(String),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unfit(why) => Self::Refused(why),
            trouble => Self::Lost(trouble.told()),
        }
    }
}

/// The outcome of a task of a session.
pub(super) enum Done {
    /// It has done its work, or failed.
    Nothing,
    /// The relay's answer.
    Event(LogEvent),
    /// The end of this host's own stream.
    Ended(LogEvent),
    /// An object of this host's stream, of so many bytes, is made or not.
    Appended(u64, Result<(), Trouble>),
    /// The object for all others is written, or not.
    Told(Result<(), Trouble>),
    /// Another host's object; nothing if it has not changed.
    Heard(NodeId, Result<Option<Tagged>, Trouble>),
    /// The list of hosts that tell something.
    Listed(Result<Vec<Entry>, Trouble>),
    /// An answer of another host; nothing if none came in time.
    Answered(u64, Option<Vec<u8>>),
    /// A call that nobody waits for.
    Tended(Result<(), Trouble>),
}
