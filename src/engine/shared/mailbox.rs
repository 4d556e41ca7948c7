//! Messages of other threads to a worker. Commits do not come this way: they are positions, read once per turn.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::access::Rules;
use super::entrance::Entrance;
use super::submission::Submission;
use super::table::Key;
use super::wire::SecondEnd;
use crate::app::application::{Job, JobStep, Start};
use crate::app::upload::Upload;
use crate::app::wait::Ticket;
use crate::base::limits::Limits;

/// A message to a worker.
pub enum Mail {
    /// A job thread made a piece of an answer.
    Job(JobDone),
    /// A job thread sent from a file.
    File(FileDone),
    /// A job thread did what an upload had to do.
    Upload(UploadDone),
    /// A request that waits may go on.
    Wake(Ticket),
    /// Another thread of this host has something to log.
    Log(Submission),
    /// A sealed batch waits for room on the disk, or has got it: answers that wait for it too long are given.
    Overdue,
    /// There are frames for those who watch a feed.
    Frames,
    /// New limits.
    Limits(Arc<Limits>),
    /// New rules of who may do what.
    Rules(Arc<Rules>),
    /// Stop accepting, finish what is in flight.
    Drain,
    /// Stop accepting, finish what is in flight, and give each connection that is idle to the successor.
    HandOver(Sender<OwnedFd>),
    /// A connection that the predecessor gave us, and its listener.
    Adopt(TcpStream, Entrance),
    /// The time for bodies that are still arriving is over: stop them, so that each client is answered before the end.
    StopBodies,
    /// End now, whatever is in flight.
    Quit,
}

/// An upload on its way back.
pub struct UploadDone {
    /// The connection it is for.
    pub key: Key,
    /// The upload, unless its thread panicked.
    pub upload: Option<Box<dyn Upload>>,
}

/// A job on its way back.
pub struct JobDone {
    /// The connection the answer is for.
    pub key: Key,
    /// The job, unless its thread panicked.
    pub job: Option<Box<dyn Job>>,
    /// The head of the answer, if this was the first run.
    pub head: Option<Start>,
    /// The piece.
    pub piece: Vec<u8>,
    /// Whether there is more.
    pub step: JobStep,
    /// The rest is a part of a file.
    pub is_file: bool,
}

/// A job that is a part of a file on its way back.
pub struct FileDone {
    /// The connection that it was sent to.
    pub key: Key,
    /// The job, unless its thread panicked.
    pub job: Option<Box<dyn Job>>,
    /// The connection's socket, unless the file can't be sent from.
    pub socket: Option<SecondEnd>,
    /// What the socket took.
    pub sent_bytes: u64,
    /// Whether it takes more for the moment.
    pub is_blocked: bool,
    /// Whether there is more.
    pub step: JobStep,
}
