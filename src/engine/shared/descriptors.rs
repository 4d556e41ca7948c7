//! The account of descriptors: before they run out, a client is answered that it has to come back later.
//!
//! Each connection has one. An answer that is made by a job may have two more, its file and the connection's socket under a
//! second number, and a body that is taken as it comes in may have one, the file that it goes to. What is taken for them is
//! given back when the job or the upload goes, wherever it is then. The rest of what the process may have is kept for the
//! journal and everything else that a request does not ask for.
//!
//! All loads and stores are relaxed: nothing is handed over by a count, and who asks for room adds first and looks at the sum that
//! it then gets, so two that ask at once can't both have the last place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::app::application::{FilePart, Job, JobStep, Start};
use crate::app::upload::{Ended, Fed, Upload};
use crate::base::limits::{
    DESCRIPTORS_KEPT, DESCRIPTORS_OF_JOB, DESCRIPTORS_OF_JOB_THREAD, DESCRIPTORS_OF_UPLOAD,
    DESCRIPTORS_OF_WORKER,
};
use crate::http::refusal::Refusal;
use crate::http::response::Response;
use crate::log::lane::Producer;

/// What clients may have open, and what they have.
pub struct Descriptors {
    most: usize,
    /// Connections of all workers.
    connections: AtomicUsize,
    /// What answers and bodies have beside their connections.
    beside: AtomicUsize,
}

/// A part of it that is taken.
struct Taken {
    of: Arc<Descriptors>,
    count: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.beside.fetch_sub(self.count, Relaxed);
    }
}

impl Descriptors {
    /// Returns the account of a process that may have `limit` descriptors. Half of a very low limit is kept for the server.
    #[must_use]
    pub fn new(limit: u64, workers: usize, job_threads: usize) -> Arc<Self> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let threads = workers * DESCRIPTORS_OF_WORKER + job_threads * DESCRIPTORS_OF_JOB_THREAD;
        let kept = DESCRIPTORS_KEPT.max(threads + DESCRIPTORS_KEPT / 2).min(limit / 2);
        Arc::new(Self { most: limit - kept, connections: AtomicUsize::new(0), beside: AtomicUsize::new(0) })
    }

    /// Returns the most descriptors that clients may have, and the most connections.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Returns the most connections that there may be now.
    #[inline]
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.most.saturating_sub(self.beside.load(Relaxed))
    }

    /// Returns the number of connections.
    #[inline]
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Counts a new connection, which may turn out to be one too many; returns how many there are with it.
    pub fn open_connection(&self) -> usize {
        self.connections.fetch_add(1, Relaxed) + 1
    }

    /// Counts a connection no more.
    pub fn close_connection(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// Returns `job`, once there are descriptors for it beside those of the connections; all jobs may have half of them, so that
    /// clients that don't read their answers leave room for others and for bodies.
    #[must_use]
    pub fn admit_job(self: &Arc<Self>, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
        let taken = self.take(DESCRIPTORS_OF_JOB, self.most / 2)?;
        Some(Box::new(AdmittedJob { job, _taken: taken }))
    }

    /// Returns `upload`, if there are descriptors for it.
    #[must_use]
    pub fn admit_upload(self: &Arc<Self>, upload: Box<dyn Upload>) -> Option<Box<dyn Upload>> {
        let taken = self.take(DESCRIPTORS_OF_UPLOAD, self.most)?;
        Some(Box::new(AdmittedUpload { upload, _taken: taken }))
    }

    /// Takes `count` descriptors if there is room; the last 5 % are for connections, whose requests are answered that there is no room.
    fn take(self: &Arc<Self>, count: usize, most_beside: usize) -> Option<Taken> {
        let beside = self.beside.fetch_add(count, Relaxed) + count;
        let taken = Taken { of: self.clone(), count };
        let all = self.connections() + beside;
        (beside <= most_beside && all <= self.most - self.most / 20).then_some(taken)
    }
}

/// A job that has its descriptors.
struct AdmittedJob {
    job: Box<dyn Job>,
    _taken: Taken,
}

impl Job for AdmittedJob {
    fn trouble(&mut self) -> Option<String> {
        self.job.trouble()
    }

    fn start(&mut self) -> Start {
        self.job.start()
    }

    fn next(&mut self, out: &mut Vec<u8>) -> JobStep {
        self.job.next(out)
    }

    fn file(&mut self) -> Option<FilePart<'_>> {
        self.job.file()
    }
}

/// An upload that has its descriptor.
struct AdmittedUpload {
    upload: Box<dyn Upload>,
    _taken: Taken,
}

impl Upload for AdmittedUpload {
    fn kinds(&self) -> &'static [u8] {
        self.upload.kinds()
    }

    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed {
        self.upload.feed(bytes, lane)
    }

    fn buffered_bytes(&self) -> usize {
        self.upload.buffered_bytes()
    }

    fn work(&mut self) {
        self.upload.work();
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        self.upload.end(lane)
    }

    fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        self.upload.stopped(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Job for Nothing {
        fn start(&mut self) -> Start {
            unreachable!("it is not asked")
        }

        fn next(&mut self, _out: &mut Vec<u8>) -> JobStep {
            JobStep::Done
        }
    }

    #[test]
    fn jobs_get_half_and_give_it_back() {
        let account = Descriptors::new(1_024, 2, 2);
        assert_eq!(account.connections_max(), 768);
        let admit = || account.admit_job(Box::new(Nothing));
        let opened = |more| (0..more).fold(0, |_, _| account.open_connection());
        assert_eq!(opened(200), 200);
        let jobs: Vec<_> = std::iter::from_fn(admit).collect();
        assert_eq!((jobs.len(), account.connections_max()), (768 / 4, 384));
        drop(jobs);
        assert_eq!(account.connections_max(), 768);
        assert!(opened(500) == 700 && admit().is_some());
        assert!(opened(29) == 729 && admit().is_none());
        account.close_connection();
        assert_eq!(account.connections(), 728);
        assert!(admit().is_some(), "the last 5 % are for connections");
    }

    #[test]
    fn a_low_limit_leaves_the_server_half_of_it_and_many_threads_more() {
        assert_eq!(Descriptors::new(24, 2, 2).connections_max(), 12);
        let many = Descriptors::new(4_096, 64, 64).connections_max();
        assert!(many < 4_096 - 64 * (DESCRIPTORS_OF_WORKER + DESCRIPTORS_OF_JOB_THREAD), "{many}");
        assert!(Descriptors::new(u64::MAX, 1, 1).connections_max() > 1_000_000);
    }
}
