//! What ends a connection to the peer, in words that an operator can act on.

use std::fmt;

use super::frame::{FrameError, Kind};
use crate::base::batch::BatchError;
use crate::base::ids::{ClusterId, NodeId, Origin, Seq};
use crate::base::limits::{ORIGINS_MAX, PEER_TEXT_BYTES_MAX, PEER_WINDOW_BYTES};
use crate::base::version::VERSION;

/// What an ERROR says to a program; the text beside it is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// Bytes that are not a frame, or a payload that is not valid for its kind.
    Malformed = 1,
    /// A sound frame at the wrong time, or one that says what can't be.
    Unexpected = 2,
    /// No version that both speak.
    Version = 3,
    /// The hosts belong to different clusters.
    OtherCluster = 4,
    /// The speaker talks to its own data directory, or to a copy of it.
    OwnNode = 5,
    /// Two histories of one stream.
    OtherHistory = 6,
    /// A part of a stream that is needed is in neither journal any more.
    RangeGone = 7,
    /// More streams than a journal may know.
    TooManyOrigins = 8,
    /// Something was due and did not come.
    TimedOut = 9,
    /// The host can't go on for a reason of its own; the text tells.
    Failed = 10,
    /// A batch holds records of a kind that the speaker does not understand; it has to be upgraded.
    UnknownKind = 11,
    /// Both hosts are joining: neither has what the other one waits for.
    BothJoining = 12,
    /// One of the hosts was put back to an earlier time, and the other one was not.
    OtherLineage = 13,
}

/// What a BYE says to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ByeCode {
    /// The process stops.
    Stopping = 1,
    /// Another connection between the two took over.
    Replaced = 2,
}

/// How a peer broke the protocol, or why it can't be this host's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A payload that is not valid for its kind.
    #[error("an invalid {}: {what}", kind.name())]
    Payload {
        /// The frame.
        kind: Kind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An invalid batch.
    #[error("an invalid BATCH: {0}")]
    Batch(#[from] BatchError),
    /// A frame that may not come now.
    #[error("a {} {when}", kind.name())]
    Unexpected {
        /// The frame.
        kind: Kind,
        /// When it came.
        when: &'static str,
    },
    /// A number that can't be.
    #[error("a {} says {what} of {origin}", kind.name())]
    Impossible {
        /// The frame.
        kind: Kind,
        /// What it says.
        what: &'static str,
        /// The stream.
        origin: Origin,
    },
    /// No version that both speak.
    #[error(
        "the peer speaks versions {min} to {max} of the protocol, this host speaks {own}: update the older of the two"
    )]
    Version {
        /// The least it speaks.
        min: u16,
        /// The greatest it speaks.
        max: u16,
        /// What is spoken here.
        own: u16,
    },
    /// The other cluster.
    #[error(
        "the peer belongs to the cluster {theirs}, this host to {ours}: make the directory of the one that is to join \
         with `pixeld init --join` and the other one's cluster id"
    )]
    OtherCluster {
        /// The peer's.
        theirs: ClusterId,
        /// This host's.
        ours: ClusterId,
    },
    /// The other line of descent.
    #[error(
        "the peer's records are of the lineage {theirs:016x}, this host's of {ours:016x}: one of the two was restored to an earlier \
         time, so they have no history in common. Make the other one afresh with `pixeld init --join`"
    )]
    OtherLineage {
        /// The peer's.
        theirs: u64,
        /// This host's.
        ours: u64,
    },
    /// This host, or a copy of it.
    #[error(
        "the peer has this host's own node id {0}: either --peer leads back to this host, or the peer's data directory \
         is a copy of this one; a peer has to be made with `pixeld init --join`"
    )]
    OwnNode(NodeId),
    /// Two processes run on one directory and a copy of it.
    #[error(
        "two processes with the node id {0} are running: the data directory of one is a copy of the other one's. Keep one of \
         them; make the other one afresh with `pixeld init --join`. The one that is kept is taken a minute after the other \
         one has ended"
    )]
    Copied(NodeId),
    /// Neither has ever been ready.
    #[error(
        "the directories {theirs} (the peer's) and {ours} (this host's) were both made by `pixeld init --join` and neither has \
         everything of a first host: connect them with the first host; if that is lost for good, stop the one that has more and \
         run `pixeld forget-peer` on it"
    )]
    BothJoining {
        /// The peer.
        theirs: NodeId,
        /// This host.
        ours: NodeId,
    },
    /// Two histories of one stream.
    #[error(
        "the peer has other records than this host under the same numbers, stream {origin} at {seq}: a data directory \
         was copied, or a machine was set back to an earlier state; keep the host whose data is wanted and make the \
         other one afresh with `pixeld init --join`"
    )]
    OtherHistory {
        /// The stream.
        origin: Origin,
        /// A number at which both have something else.
        seq: Seq,
    },
    /// Neither can give what the other lacks.
    #[error(
        "records {from} and up of the stream {origin} are needed and not kept any more: stop the host that lacks them \
         and make it afresh with `pixeld init --join`, it then takes a snapshot. {rest}"
    )]
    RangeGone {
        /// The stream.
        origin: Origin,
        /// The first number that is needed.
        from: Seq,
        /// What becomes of the records that the host which lacks them has itself.
        rest: Rest,
    },
    /// A record that nobody here understands.
    #[error(
        "record {seq} of the stream {origin} is of the kind 0x{tag:02x}, which the host that was to take it (pixeld \
         {VERSION}) does not know: upgrade that host. It takes nothing until then, and loses nothing"
    )]
    UnknownKind {
        /// The stream.
        origin: Origin,
        /// The record.
        seq: Seq,
        /// Its tag.
        tag: u8,
    },
    /// Streams that one host has folded, the other one does not have as that one had them.
    #[error(
        "the two hosts do not have the same of the earlier starts of the host {node}, which are folded: {ours} of them are whole on \
         the host that says this, {theirs} on the other one. One of the two lacks what it once had, or was not waited for after \
         `pixeld forget-peer`. Nothing was taken. Stop that one, keep its old data directory (`pixeld inspect A B` names what only \
         it has), and make it afresh with `pixeld init --join`"
    )]
    BehindFold {
        /// Whose starts.
        node: NodeId,
        /// How many this host has.
        ours: u32,
        /// How many the peer has.
        theirs: u32,
    },
    /// The peer's program does not know folds.
    #[error(
        "streams of earlier starts are folded, which the other host's program does not know: upgrade that host. It takes nothing \
         until then, and loses nothing"
    )]
    FoldsUnknown,
    /// More than a journal may know.
    #[error("more than {ORIGINS_MAX} streams")]
    TooManyOrigins,
    /// The peer sent more than it may before an answer.
    #[error("more than {PEER_WINDOW_BYTES} bytes came that were not acknowledged yet")]
    Window,
}

/// What becomes of the records of a host that has to be made afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The peer has them, durably, up to this record of the stream that the peer makes; nothing if it has made none.
    Taken(Option<(Origin, Seq)>),
    /// Some of them the peer can't get any more either.
    Apart,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(Some((origin, seq))) => write!(
                f,
                "What that one has itself was taken from it before, up to record {seq} of its stream {origin}: stop it when its own \
                 /health says the same number, because until then it has more"
            ),
            Self::Taken(None) => f.write_str("It has nothing of its own that is not here"),
            Self::Apart => f.write_str(
                "It has records that the other one lacks and can't get any more either, so the two have parted: keep its old data \
                 directory, and bring over what only that one has (`pixeld inspect A B` names it)",
            ),
        }
    }
}

impl Violation {
    /// Returns what the ERROR says to a program.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Frame(_) | Self::Payload { .. } | Self::Batch(_) => ErrorCode::Malformed,
            Self::Unexpected { .. } | Self::Impossible { .. } | Self::Window => ErrorCode::Unexpected,
            Self::Version { .. } => ErrorCode::Version,
            Self::OtherCluster { .. } => ErrorCode::OtherCluster,
            Self::OwnNode(_) => ErrorCode::OwnNode,
            Self::OtherHistory { .. } | Self::Copied(_) => ErrorCode::OtherHistory,
            Self::RangeGone { .. } | Self::BehindFold { .. } => ErrorCode::RangeGone,
            Self::TooManyOrigins => ErrorCode::TooManyOrigins,
            Self::UnknownKind { .. } | Self::FoldsUnknown => ErrorCode::UnknownKind,
            Self::BothJoining { .. } => ErrorCode::BothJoining,
            Self::OtherLineage { .. } => ErrorCode::OtherLineage,
        }
    }
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// The peer broke the protocol, or can't be this host's peer; it was told so.
    Violation(Violation),
    /// This host can't go on; the peer was told so.
    Failed(String),
    /// The peer says that this host did something wrong, or can't be its peer.
    Refused {
        /// See [`ErrorCode`].
        code: u16,
        /// Its words, printable.
        text: String,
    },
    /// The peer leaves.
    Bye {
        /// See [`ByeCode`].
        code: u16,
        /// Its words, printable.
        text: String,
    },
    /// This host leaves.
    Left(ByeCode),
    /// The connection is gone.
    Lost(String),
    /// No HELLO and STATE in time.
    NoHello,
    /// Nothing was heard for too long.
    Silent,
}

impl Close {
    /// Returns whether trying again is of no use before somebody has changed something: the next try comes to the same end.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        let code = match self {
            Self::Violation(violation) => violation.code() as u16,
            Self::Refused { code, .. } => *code,
            _ => return false,
        };
        (ErrorCode::Version as u16..=ErrorCode::TooManyOrigins as u16).contains(&code)
            || (ErrorCode::UnknownKind as u16..=ErrorCode::OtherLineage as u16).contains(&code)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Failed(text) | Self::Lost(text) => f.write_str(text),
            Self::Refused { code, text } => write!(f, "the peer ended the connection (error {code}): {text}"),
            Self::Bye { code, text } => write!(f, "the peer left ({code}): {text}"),
            Self::Left(ByeCode::Stopping) => f.write_str("this host stops"),
            Self::Left(ByeCode::Replaced) => f.write_str("another connection to the peer took over"),
            Self::NoHello => f.write_str("the peer did not introduce itself in time"),
            Self::Silent => f.write_str("nothing was heard from the peer for too long"),
        }
    }
}

/// Returns the text of a BYE or ERROR as it may be logged: printable, bounded.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PEER_TEXT_BYTES_MAX)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
