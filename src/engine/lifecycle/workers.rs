//! The workers of a server before they are threads, and how they become such.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, unbounded};
use mio::{Poll, Waker};

use crate::app::router::Router;
use crate::engine::commit::committer::Committer;
use crate::engine::commit::memory::InlineCommit;
use crate::engine::jobs::JobQueue;
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::settings::Settings;
use crate::engine::shared::{Shared, WorkerSide};
use crate::engine::worker::{WAKER, Worker, WorkerParts};
use crate::log::lane::{Consumer, Producer, lane};
use crate::os::clock::Clock;
use crate::os::thread;

/// Each worker's parts before it is one.
pub(super) struct UnstartedWorker {
    poll: Poll,
    mail: Receiver<Mail>,
    producer: Producer,
    listeners: Vec<TcpListener>,
    /// For each listener.
    entrances: Vec<Entrance>,
}

type Prepared = (Vec<UnstartedWorker>, Vec<WorkerSide>, Vec<Consumer>);

/// Makes event loop, mailbox and lane for each worker with its `listeners`, which name their addresses by their place;
/// `entrances` has what each address is.
pub(super) fn prepare(
    listeners: &[Vec<(usize, TcpListener)>],
    entrances: &[Entrance],
    lane_bytes: usize,
) -> io::Result<Prepared> {
    let (mut unstarted, mut sides, mut consumers) = (Vec::new(), Vec::new(), Vec::new());
    for own in listeners {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (sender, mail) = unbounded();
        let (producer, consumer) = lane(lane_bytes);
        let listeners = own.iter().map(|(_, listener)| listener.try_clone()).collect::<io::Result<_>>()?;
        let entrances = own.iter().map(|(place, _)| entrances[*place]).collect();
        unstarted.push(UnstartedWorker { poll, mail, producer, listeners, entrances });
        sides.push(WorkerSide::new(waker, sender));
        consumers.push(consumer);
    }
    Ok((unstarted, sides, consumers))
}

/// Starts a pinned thread for each parts.
pub(super) fn start(
    settings: &Settings,
    unstarted: Vec<UnstartedWorker>,
    shared: &Arc<Shared>,
    router: &Arc<Router>,
    jobs: &JobQueue,
    token: Option<&Arc<Mutex<Committer>>>,
    clock: Clock,
) -> io::Result<Vec<JoinHandle<()>>> {
    let mut handles = Vec::with_capacity(unstarted.len());
    for (index, parts) in unstarted.into_iter().enumerate() {
        let worker = Worker::new(WorkerParts {
            index,
            poll: parts.poll,
            listeners: parts.listeners,
            entrances: parts.entrances,
            shared: shared.clone(),
            router: router.clone(),
            producer: parts.producer,
            mail: parts.mail,
            jobs: jobs.clone(),
            clock,
            inline_commit: token.map(|token| InlineCommit::new(token.clone(), clock)),
        })?;
        let core = (!settings.cores.is_empty()).then(|| settings.cores[index % settings.cores.len()]);
        handles.push(thread::spawn(&format!("worker-{index}"), move || run_pinned(worker, index, core))?);
    }
    Ok(handles)
}

fn run_pinned(worker: Worker, index: usize, core: Option<usize>) {
    if let Some(core) = core
        && !thread::pin_to(core)
    {
        tracing::warn!(worker = index, core, "can't pin the worker to its core");
    }
    if let Err(error) = worker.run() {
        tracing::error!(%error, worker = index, "the event loop failed");
        crate::os::signal::exit_now(1);
    }
}
