//! What tasks of a session come to, and how a session ends.

use crate::base::ids::NodeId;
use crate::peer::relay::port::LogEvent;

use super::objects::{Entry, Tagged, Trouble};

/// How a session has ended, in words for an operator.
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

/// What a task of a session came to.
pub(super) enum Done {
    /// What it was to do, or not.
    Nothing,
    /// The relay's answer.
    Event(LogEvent),
    /// Where this host's own stream ends.
    Ended(LogEvent),
    /// An object of this host's stream, of so many bytes, is made or not.
    Appended(u64, Result<(), Trouble>),
    /// What is told to all others is written or not.
    Told(Result<(), Trouble>),
    /// What another host tells; nothing if that is what it told before.
    Heard(NodeId, Result<Option<Tagged>, Trouble>),
    /// Who tells something.
    Listed(Result<Vec<Entry>, Trouble>),
    /// An answer of another host; nothing if none came in time.
    Answered(u64, Option<Vec<u8>>),
    /// A call that nobody waits for.
    Tended(Result<(), Trouble>),
}
