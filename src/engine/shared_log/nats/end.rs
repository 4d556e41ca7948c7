//! How a connection ends.

/// How a connection has ended, or that it can't be used, in words for an operator.
#[derive(Debug)]
pub(super) enum End {
    /// The connection is gone; another server may be of use at once.
    Lost(String),
    /// Nobody answers by it: a server is cut off, or the servers are about to elect a leader.
    Silent(String),
    /// Somebody has to mend something.
    Refused(String),
}

impl End {
    /// Returns the words.
    pub(super) fn why(self) -> String {
        match self {
            Self::Lost(why) | Self::Silent(why) | Self::Refused(why) => why,
        }
    }
}
