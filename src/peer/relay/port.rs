//! The log port: what a relay asks of a log, and what it is told. NATS, a bucket and the simulator's log each do these
//! calls and no more; what is in a message is none of their business.
//!
//! A log has one stream of messages for each node, which only that node appends to. Messages are numbered in rising
//! order; numbers may be missing. A stream that does not exist is an empty one: the port makes it when it is appended to.
//!
//! What a port promises: a message that it calls appended is kept by a quorum, and stands behind the number that the
//! call named; what it delivers was appended once. It may lose, double, reorder and forget what it likes besides: the
//! relay and the hosts find that by the batches' numbers and chains.
//!
//! Between [`LogEvent::Up`] and [`LogEvent::Down`] calls are answered or not at all; with `Down` every call and every
//! [`LogCall::Follow`] is over, though appends that were under way may still come to stand in the log.

use crate::base::blob::BlobId;
use crate::base::ids::{Inc, NodeId};

/// What a relay asks of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogCall {
    /// Append a message to this host's own stream, if its last message (appended or under way) has or had the number `after`, 0 for a
    /// stream that never had one. Several may be under way, in order, each with the number that the one before it will get: one
    /// more. Answered by `Appended` or `Refused`; an answer that is late is as good as none, so a port keeps no timer.
    Append {
        /// Names the call; never used twice.
        token: u64,
        /// The number of the message before it.
        after: u64,
        /// The start of the process whose records these are.
        inc: Inc,
        /// At most [`RELAY_MESSAGE_BYTES`](crate::base::limits::RELAY_MESSAGE_BYTES), or one batch of any length.
        message: Vec<u8>,
    },
    /// Give the last message of a node's stream, as the server that takes its appends has it. Answered by `Tail`.
    Tail {
        /// Names the call.
        token: u64,
        /// Whose stream.
        node: NodeId,
    },
    /// Give the first message of a node's stream whose number is `number` or above. Answered by `Found`.
    Find {
        /// Names the call.
        token: u64,
        /// Whose stream.
        node: NodeId,
        /// The least number.
        number: u64,
    },
    /// Give a node's messages behind the number `after`, in order, those that are there and those that come; answered by
    /// `Message`s. No more than [`RELAY_CREDIT_BYTES`](crate::base::limits::RELAY_CREDIT_BYTES) (and one message) may be delivered
    /// that were not called `Taken`. The port looks after its own trouble: it goes on behind the last number
    /// that it has delivered. Replaces an earlier call for this node.
    Follow {
        /// Names the call; its messages bear it.
        token: u64,
        /// Whose stream.
        node: NodeId,
        /// The number behind which to begin.
        after: u64,
    },
    /// Deliver nothing more of a node's stream.
    Unfollow {
        /// Whose stream.
        node: NodeId,
    },
    /// This many bytes of messages were taken: as many more may be delivered.
    Taken {
        /// The call of `Follow`.
        token: u64,
        /// Bytes of messages.
        bytes: usize,
    },
    /// Keep a piece of a picture, from the first to the last without another one in between; each is answered by `Kept`, the
    /// last one when the whole is kept by a quorum. A picture that is there already may be kept once more.
    Put {
        /// Its name.
        id: BlobId,
        /// Its length in bytes.
        total: u64,
        /// Where this piece stands.
        offset: u64,
        /// At most [`PEER_PIECE_BYTES`](crate::base::limits::PEER_PIECE_BYTES).
        bytes: Vec<u8>,
    },
    /// Give the piece of a picture that begins at `offset`; answered by `Piece` or `NoPicture`. Asked for from 0 on, in
    /// order. Replaces an earlier call that is not answered, which may be one for the same piece.
    Get {
        /// Its name.
        id: BlobId,
        /// Where the piece begins.
        offset: u64,
    },
    /// Tell all other hosts this, at once and without keeping it.
    Say {
        /// What is told.
        bytes: Vec<u8>,
    },
    /// Ask one host, or whichever host answers first; answered by `Answered`, or not at all.
    Ask {
        /// Names the call.
        token: u64,
        /// Which host; any other one if nothing is said.
        to: Option<NodeId>,
        /// The question.
        question: Vec<u8>,
    },
    /// Answer another host's question.
    Answer {
        /// The token of `Asked`.
        token: u64,
        /// At most [`RELAY_ANSWER_BYTES`](crate::base::limits::RELAY_ANSWER_BYTES).
        answer: Vec<u8>,
    },
    /// Write a number into an entry of the cluster's register, if nothing stands there; only look without a number. What stands in an
    /// entry stands there until the log is made anew. Answered by `Entered`, once a quorum keeps it.
    Enter {
        /// Names the call.
        token: u64,
        /// The entry: at most 40 small letters, digits and hyphens.
        name: String,
        /// A number to be written.
        value: Option<u64>,
    },
    /// Leave the server that this host is connected to for another one: it has not answered for too long. `Down`
    /// and `Up` follow.
    Reconnect,
}

/// What a relay is told by a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// The log can be reached.
    Up {
        /// The nodes that have a stream in it.
        nodes: Vec<NodeId>,
    },
    /// It can't be reached any more, in words for an operator.
    Down {
        /// Why.
        why: String,
    },
    /// A node has got a stream, or may have one.
    Node {
        /// The node.
        node: NodeId,
    },
    /// A message is kept by a quorum.
    Appended {
        /// The call of `Append`.
        token: u64,
        /// The number of the message in its stream.
        number: u64,
    },
    /// A message was not appended now: another one was the last, or the log did not take it. It may come to stand in the log later
    /// all the same.
    Refused {
        /// The call of `Append`.
        token: u64,
        /// In words for an operator.
        why: String,
    },
    /// The last message of a stream.
    Tail {
        /// The call of `Tail`.
        token: u64,
        /// The number of the oldest message that is kept; if none is, the one that the next message will get.
        first: u64,
        /// The number of the last message that the stream had, and the last one that is still there; nothing if none is.
        last: Option<(u64, Vec<u8>)>,
    },
    /// The message that was looked for.
    Found {
        /// The call of `Find`.
        token: u64,
        /// Its number, and it; nothing if there is none.
        message: Option<(u64, Vec<u8>)>,
    },
    /// The next message of a stream that is followed.
    Message {
        /// The call of `Follow`.
        token: u64,
        /// The number of the message in its stream.
        number: u64,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A piece of a picture is kept; with the last one, all of it, by a quorum.
    Kept {
        /// Its name.
        id: BlobId,
        /// Where the next piece begins.
        end: u64,
    },
    /// A picture could not be kept.
    NotKept {
        /// Its name.
        id: BlobId,
        /// In words for an operator.
        why: String,
    },
    /// A piece of a picture that was asked for.
    Piece {
        /// Its name.
        id: BlobId,
        /// Its length in bytes.
        total: u64,
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// The log does not have this picture.
    NoPicture {
        /// Its name.
        id: BlobId,
    },
    /// Content of an entry of the register.
    Entered {
        /// The call of `Enter`.
        token: u64,
        /// The number; nothing if the entry is blank.
        value: Option<u64>,
    },
    /// Another host has said this.
    Said {
        /// The host, as the log knows it.
        node: NodeId,
        /// What it has said.
        bytes: Vec<u8>,
    },
    /// Another host asks; answered by [`LogCall::Answer`], or not at all.
    Asked {
        /// Names the question for as long as the log is up.
        token: u64,
        /// The question.
        question: Vec<u8>,
    },
    /// A question was answered; there may be several answers.
    Answered {
        /// The call of `Ask`.
        token: u64,
        /// The answer.
        answer: Vec<u8>,
    },
}
