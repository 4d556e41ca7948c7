//! The threads of a run: hired, connected, started together.

use crate::client::stream::explain;
use crate::driver::Driver;
use crate::driver::figures::Note;
use crate::driver::live::Onlooker;
use crate::driver::machine::pin_this_thread;
use crate::driver::opening::{Opening, choose_address};
use crate::scenario::{Scenario, allow_files};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the threads' names begin with.
pub const THREAD_NAME: &str = "bench-";

/// Pause between two looks at connections that are made.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// The threads between being connected and being started.
pub struct Team {
    starts: Vec<Sender<Instant>>,
    handles: Vec<JoinHandle<()>>,
}

impl Team {
    /// Starts these threads of a scenario, all or those of this generator, and waits until their connections are made, as far as
    /// that takes no longer than it may.
    ///
    /// # Errors
    /// Returns a sentence if too few files may be open, no connection opened, or an interrupt came before the load.
    pub fn hire(
        scenario: &Arc<Scenario>,
        threads: Range<usize>,
        notes: &Sender<Note>,
        stop: &Arc<AtomicBool>,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self, String> {
        let connections = threads.clone().map(|thread| scenario.connections_of(thread)).sum();
        allow_files(connections)?;
        choose_address(scenario);
        let (ready, connected) = mpsc::channel();
        let opened = Arc::new(AtomicUsize::new(0));
        let mut team = Self { starts: Vec::new(), handles: Vec::new() };
        for (place, thread) in threads.clone().enumerate() {
            let pin = scenario.pins.get(place % scenario.pins.len().max(1)).copied();
            let (start, started) = mpsc::channel();
            let (scenario, notes, ready) = (Arc::clone(scenario), notes.clone(), ready.clone());
            let (of_thread, opened) = (Arc::clone(stop), Arc::clone(&opened));
            let handle = std::thread::Builder::new()
                .name(format!("{THREAD_NAME}{thread}"))
                .spawn(move || work(&scenario, (thread, pin), &of_thread, &opened, &ready, &started, notes))
                .map_err(|error| format!("cannot start a thread: {error}; use fewer with -t"))?;
            team.starts.push(start);
            team.handles.push(handle);
        }
        let mut all = Opening::default();
        for _ in threads {
            let opening = next_opening(&connected, &opened, connections, onlooker)?;
            all.open += opening.open;
            all.pending += opening.pending;
            all.first_error = all.first_error.take().or(opening.first_error);
        }
        onlooker.clear();
        if stop.load(Ordering::Relaxed) {
            return Err("interrupted before the load began".into());
        }
        match all.first_error {
            Some(error) if all.open + all.pending == 0 => {
                Err(explain(&scenario.target.url, &scenario.target.endpoint, &error))
            }
            _ => Ok(team),
        }
    }

    /// Starts the clock of all threads.
    pub fn start(&self, epoch: Instant) {
        for start in &self.starts {
            let _ = start.send(epoch);
        }
    }

    /// Waits until all threads have ended.
    ///
    /// # Errors
    /// Returns a sentence if one panicked.
    pub fn join(self) -> Result<(), String> {
        for handle in self.handles {
            handle.join().map_err(|_| "a thread of the generator panicked; this is a bug".to_string())?;
        }
        Ok(())
    }
}

/// Waits for what came of the next thread's connections, and meanwhile tells how many of all threads' are open.
fn next_opening(
    connected: &Receiver<Result<Opening, String>>,
    opened: &AtomicUsize,
    all: usize,
    onlooker: &mut dyn Onlooker,
) -> Result<Opening, String> {
    loop {
        match connected.recv_timeout(SHOW_EVERY) {
            Ok(opening) => return opening,
            Err(RecvTimeoutError::Disconnected) => {
                return Err("a thread of the generator panicked; this is a bug".into());
            }
            Err(RecvTimeoutError::Timeout) => {
                onlooker.awaiting("connecting", opened.load(Ordering::Relaxed), all);
            }
        }
    }
}

/// Runs one thread from its start to its end.
fn work(
    scenario: &Arc<Scenario>,
    (thread, pin): (usize, Option<usize>),
    stop: &Arc<AtomicBool>,
    opened: &AtomicUsize,
    ready: &Sender<Result<Opening, String>>,
    started: &Receiver<Instant>,
    notes: Sender<Note>,
) {
    if let Some(Err(error)) = pin.map(|cpu| pin_this_thread(&[cpu])) {
        let _ = ready.send(Err(error));
        return;
    }
    let failed = |error: io::Error| format!("thread {thread}: {error}");
    let driver = Driver::new(Arc::clone(scenario), thread, Arc::clone(stop), notes).map_err(failed);
    let outcome = driver.and_then(|mut driver| {
        let opening = driver.open(opened).map_err(failed)?;
        Ok((driver, opening))
    });
    let driver = match outcome {
        Ok((driver, opening)) => {
            let _ = ready.send(Ok(opening));
            driver
        }
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    // Without a start no thread could connect and the run is called off.
    if let Ok(epoch) = started.recv() {
        driver.run(epoch);
    }
}
