//! Job threads: a bounded queue of work that must not run on a worker.
//!
//! A job is run piece by piece. It travels with its buffer from the worker to a job thread and back, and waits at the
//! worker while the client's socket is full; so a slow client never holds a job thread, and memory is one piece per
//! answer. Job threads give way to workers.
//!
//! What is a part of a file does not come back: the job thread has the kernel send it (`docs/decisions/0013`).

pub(crate) mod background;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::shared::Shared;
use crate::app::application::{Job, JobStep, Start};
use crate::app::upload::Upload;
use crate::base::limits::{FILE_TURN_BYTES, JOB_QUEUE_MAX};
use crate::engine::shared::log_throttle::LogThrottle;
use crate::engine::shared::mailbox::{FileDone, JobDone, Mail, UploadDone};
use crate::engine::shared::table::Key;
use crate::engine::shared::wire::SecondEnd;
use crate::os::thread;

/// Something on its way to a job thread.
pub struct JobOrder {
    /// The worker that wants it done.
    pub worker: usize,
    /// The connection it is for.
    pub key: Key,
    /// What is to be done.
    pub task: JobTask,
}

/// What a job thread does.
pub enum JobTask {
    /// The next piece of an answer.
    Piece {
        /// The job.
        job: Box<dyn Job>,
        /// Whether its head was made already.
        started: bool,
        /// Memory for the piece, with nothing in it.
        memory: Vec<u8>,
    },
    /// The next part of an answer that is sent from a file.
    File {
        /// The job.
        job: Box<dyn Job>,
        /// The connection's socket.
        socket: SecondEnd,
    },
    /// What an upload has to do before it takes more.
    Upload(Box<dyn Upload>),
}

/// The workers' end of the queue.
#[derive(Clone)]
pub struct JobQueue {
    sender: Sender<JobOrder>,
}

impl JobQueue {
    /// Hands a job over; gives it back if too many wait already.
    ///
    /// # Errors
    /// Returns the order itself if the queue is full: the caller answers 503.
    pub fn offer(&self, order: JobOrder) -> Result<(), JobOrder> {
        self.sender.try_send(order).map_err(|refused| match refused {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }
}

/// Starts `threads` job threads; they end when the last [`JobQueue`] is dropped.
///
/// # Errors
/// Fails when the system has no thread left.
pub fn start(
    threads: usize,
    shared: &Arc<Shared>,
) -> std::io::Result<(JobQueue, Vec<std::thread::JoinHandle<()>>)> {
    let (sender, receiver) = bounded(JOB_QUEUE_MAX);
    let throttle = Arc::new(Mutex::new(LogThrottle::default()));
    let mut handles = Vec::with_capacity(threads);
    for index in 0..threads {
        let (receiver, shared, throttle) = (receiver.clone(), shared.clone(), throttle.clone());
        let body = move || {
            thread::give_way();
            work(index, &receiver, &shared, &throttle);
        };
        handles.push(thread::spawn(&format!("job-{index}"), body)?);
    }
    Ok((JobQueue { sender }, handles))
}

fn work(index: usize, orders: &Receiver<JobOrder>, shared: &Shared, throttle: &Mutex<LogThrottle>) {
    while let Ok(order) = orders.recv() {
        let JobOrder { worker, key, task } = order;
        let mail = match task {
            JobTask::Piece { job, started, memory } => {
                let mut done = run(key, job, started, memory);
                log_trouble(&mut done, shared, throttle);
                Mail::Job(done)
            }
            JobTask::File { job, socket } => Mail::File(send(key, job, socket)),
            JobTask::Upload(upload) => Mail::Upload(UploadDone { key, upload: work_on(upload) }),
        };
        shared.metrics.job_pieces[index].add(1);
        shared.workers[worker].send(mail);
    }
}

/// Logs why an answer can't be completed; the same once a minute, since clients try again.
fn log_trouble(done: &mut JobDone, shared: &Shared, throttle: &Mutex<LogThrottle>) {
    if done.step != JobStep::Failed {
        return;
    }
    if let Some(why) = done.job.as_mut().and_then(|job| job.trouble())
        && throttle.lock().unwrap_or_else(PoisonError::into_inner).is_news(&why, shared.clock.now_us())
    {
        tracing::error!("{why}");
    }
}

/// Returns what an upload has to do. In builds that unwind, a panic ends this upload only.
fn work_on(mut upload: Box<dyn Upload>) -> Option<Box<dyn Upload>> {
    catch_unwind(AssertUnwindSafe(|| {
        upload.work();
        upload
    }))
    .ok()
}

/// Makes one step of a job. In builds that unwind, a panic ends this job only.
fn run(key: Key, mut job: Box<dyn Job>, started: bool, mut piece: Vec<u8>) -> JobDone {
    debug_assert!(piece.is_empty());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let head = if started { None } else { Some(job.start()) };
        let step = match &head {
            Some(Start::Whole(_) | Start::Go(_)) => JobStep::Done,
            Some(Start::Stream(_)) if is_file(&mut *job) => return (head, JobStep::More, job, true),
            _ => job.next(&mut piece),
        };
        (head, step, job, false)
    }));
    match outcome {
        Ok((head, step, job, is_file)) => JobDone { key, job: Some(job), head, piece, step, is_file },
        Err(_) => {
            let (job, head, piece, step) = (None, None, Vec::new(), JobStep::Failed);
            JobDone { key, job, head, piece, step, is_file: false }
        }
    }
}

/// Returns whether the rest of an answer is a part of a file that the kernel can send.
fn is_file(job: &mut dyn Job) -> bool {
    job.file().is_some_and(|part| part.file.descriptor().is_some())
}

/// Sends from a file what the socket takes, up to a bound that lets other jobs have their turn. In builds that unwind, a
/// panic ends this job only.
fn send(key: Key, mut job: Box<dyn Job>, socket: SecondEnd) -> FileDone {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (sent_bytes, result) = send_part(&mut *job, &socket);
        (job, sent_bytes, result)
    }));
    let Ok((job, sent_bytes, result)) = outcome else {
        return FileDone {
            key,
            job: None,
            socket: None,
            sent_bytes: 0,
            is_blocked: false,
            step: JobStep::Failed,
        };
    };
    let (is_refused, is_blocked, step) = match result {
        Ok((is_blocked, step)) => (false, is_blocked, step),
        // A file system without sendfile: it is read after all.
        Err(error) if sent_bytes == 0 && is_refusal(&error) => (true, false, JobStep::More),
        Err(_) => (false, false, JobStep::Failed),
    };
    let socket = (!is_refused).then_some(socket);
    FileDone { key, job: Some(job), socket, sent_bytes, is_blocked, step }
}

/// Gives what the socket took, and whether it takes no more for the moment and what comes next.
fn send_part(job: &mut dyn Job, socket: &SecondEnd) -> (u64, io::Result<(bool, JobStep)>) {
    let Some(part) = job.file() else { return (0, Err(io::ErrorKind::Unsupported.into())) };
    let Some(file) = part.file.descriptor() else { return (0, Err(io::ErrorKind::Unsupported.into())) };
    let before = part.range.start;
    let sent = socket.send_file(file, part.range, FILE_TURN_BYTES);
    let step = if part.range.is_empty() { JobStep::Done } else { JobStep::More };
    (part.range.start - before, sent.map(|is_blocked| (is_blocked, step)))
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}
