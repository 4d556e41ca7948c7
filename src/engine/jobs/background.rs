//! Threads of applications that work by themselves: started with the server, and stopped before it stops logging.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::bounded;

use crate::app::applied::Applied;
use crate::app::applied_lock::AppliedLock;
use crate::app::background::{Background, Desk, Unlogged};
use crate::app::hosts::Hosts;
use crate::engine::shared::Shared;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::roster;
use crate::engine::shared::settings::Settings;
use crate::engine::shared::submission::Submission;
use crate::log::blobs::{Blobs, Pin};
use crate::log::read::reader::Reader;
use crate::os::clock::wall_us;
use crate::os::thread;

/// How long a thread pauses before it tries again what could not be done.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a stop looks whether the threads have ended.
const LOOK: Duration = Duration::from_millis(2);

/// All such threads of a server.
pub struct Backgrounds {
    works: Vec<Arc<dyn Background>>,
    threads: Vec<JoinHandle<()>>,
    gate: Arc<Gate>,
}

/// What a stop tells the threads.
#[derive(Default)]
struct Gate {
    /// Nothing new is begun.
    is_over: AtomicBool,
    /// Nothing may be written any more: the data directory is about to be somebody else's. Held while a blob is written.
    is_shut: RwLock<bool>,
}

impl Backgrounds {
    /// Starts the threads of the applications that have some.
    ///
    /// # Errors
    /// Fails when the system has no thread left.
    pub fn start(settings: &Settings, shared: &Arc<Shared>) -> io::Result<Self> {
        let mut all = Self { works: Vec::new(), threads: Vec::new(), gate: Arc::default() };
        for work in settings.apps.iter().flat_map(|app| app.backgrounds()) {
            for index in 0..work.threads(settings.job_threads) {
                let worker = all.threads.len() % shared.workers.len();
                let (shared, gate) = (shared.clone(), all.gate.clone());
                let desk = OwnDesk { shared, gate, worker };
                let name = format!("{}-{index}", work.name());
                let work = work.clone();
                all.threads.push(thread::spawn(&name, move || {
                    thread::give_way();
                    // What it makes could not be kept, or is made by the first host.
                    let has_to_wait =
                        |shared: &Shared| shared.space.is_unsettled() || shared.space.is_joining();
                    while has_to_wait(&desk.shared) && !desk.is_over() {
                        desk.pause();
                    }
                    work.run(&desk);
                })?);
            }
            all.works.push(work);
        }
        Ok(all)
    }

    /// Has every thread finish what it is at, and waits for that, but not for longer than `patience`. Nothing is
    /// written by one that is late.
    pub fn stop(self, shared: &Shared, patience: Duration) {
        self.gate.is_over.store(true, Ordering::SeqCst);
        self.works.iter().for_each(|work| work.stop(&shared.applied));
        let until_us = shared.clock.now_us() + patience.as_micros() as u64;
        let is_running = |threads: &[JoinHandle<()>]| threads.iter().any(|thread| !thread.is_finished());
        while is_running(&self.threads) && shared.clock.now_us() < until_us {
            std::thread::park_timeout(LOOK);
        }
        *self.gate.is_shut.write().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
    }
}

/// One thread's desk.
struct OwnDesk {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    /// The worker that logs for it.
    worker: usize,
}

impl Desk for OwnDesk {
    fn applied(&self) -> &AppliedLock {
        &self.shared.applied
    }

    fn blobs(&self) -> &Arc<Blobs> {
        &self.shared.blobs
    }

    fn reader(&self) -> &Arc<Reader> {
        &self.shared.reader
    }

    fn hosts(&self, applied: &Applied) -> Hosts {
        roster::hosts(&self.shared, applied)
    }

    fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    fn wall_us(&self) -> u64 {
        wall_us()
    }

    fn log(&self, records: Vec<u8>) -> Result<(), Unlogged> {
        let (reply, answer) = bounded(1);
        self.shared.workers[self.worker].send(Mail::Log(Submission { records, reply }));
        // A worker that ends forgets whom it had to answer.
        answer.recv().unwrap_or(Err(Unlogged::Over))
    }

    fn keep(&self, content: &[u8]) -> io::Result<Pin> {
        let is_shut = self.gate.is_shut.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *is_shut { Err(io::ErrorKind::Interrupted.into()) } else { self.shared.blobs.keep(content) }
    }

    fn pause(&self) {
        let until_us = self.now_us() + PAUSE.as_micros() as u64;
        while self.now_us() < until_us && !self.is_over() {
            std::thread::sleep(PAUSE / 10);
        }
    }

    fn is_over(&self) -> bool {
        self.gate.is_over.load(Ordering::Relaxed)
    }

    fn warn(&self, sentence: &str) {
        tracing::warn!("{sentence}");
    }
}
