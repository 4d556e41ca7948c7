//! A worker without a thread, under a clock that a test sets: everything about it is real but the time.

use std::net::TcpStream;
use std::sync::Arc;

use crossbeam_channel::unbounded;
use mio::{Poll, Waker};

use super::connection::{Connection, Fate};
use super::{Found, WAKER, Worker, WorkerParts};
use crate::app::router::Router;
use crate::apps::registry;
use crate::base::limits::{LANE_BYTES_MIN, Limits, SEGMENT_BYTES_MIN};
use crate::engine::jobs;
use crate::engine::lifecycle::opening::{self, Opening};
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::metrics::Metrics;
use crate::engine::shared::settings::{ListenerKind, Reserve, Settings};
use crate::engine::shared::steering::Steer;
use crate::engine::shared::table::Key;
use crate::engine::shared::{Shared, WorkerSide};
use crate::log::lane::{Consumer, lane};
use crate::log::recover::Opened;
use crate::os::clock::Clock;
use crate::os::datadir::DataDir;

/// What workers stand on: a data directory and what the threads of a server share. There is no other thread: nothing is
/// committed, and no job thread takes an order.
pub(super) struct Ground {
    shared: Arc<Shared>,
    router: Arc<Router>,
    listener: std::net::TcpListener,
    _journal: (DataDir, Opened, tempfile::TempDir),
}

/// A worker and the time it is there.
pub(super) struct Simulated {
    pub(super) worker: Worker,
    found: Found,
    now_ms: u64,
    listener: std::net::TcpListener,
    entrance: Entrance,
    _lane: Consumer,
}

impl Ground {
    pub(super) fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let settings = settings(place.path());
        let Opening { directory, applied, opened, blobs, .. } = opening::open(&settings).expect("a journal");
        let router = Arc::new(Router::new(settings.apps.clone()));
        let waker = Waker::new(Poll::new().expect("an event loop").registry(), WAKER).expect("a waker");
        let sides = vec![WorkerSide::new(waker, unbounded().0)];
        let metrics = Metrics::new(1, 1, router.routes().len());
        let shared = Arc::new(Shared::new(&settings, applied, &opened, blobs, sides, metrics));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { shared, router, listener, _journal: (directory, opened, place) }
    }

    /// Returns a worker with these limits; its time is 0.
    pub(super) fn worker(&self, limits: Limits) -> Simulated {
        let (producer, consumer) = lane(LANE_BYTES_MIN);
        let mut worker = Worker::new(WorkerParts {
            index: 0,
            poll: Poll::new().expect("an event loop"),
            listeners: Vec::new(),
            entrances: Vec::new(),
            shared: self.shared.clone(),
            router: self.router.clone(),
            producer,
            mail: unbounded().1,
            jobs: jobs::start(0, &self.shared).expect("no thread").0,
            clock: Clock::start(),
            inline_commit: None,
        })
        .expect("a worker");
        worker.context.limits = Arc::new(limits);
        let listener = self.listener.try_clone().expect("a descriptor");
        let mut simulated = Simulated {
            worker,
            found: Found::default(),
            now_ms: 0,
            listener,
            entrance: Entrance { root: self.router.usual_root(), kind: ListenerKind::Http },
            _lane: consumer,
        };
        simulated.turn();
        simulated
    }
}

pub(super) fn settings(place: &std::path::Path) -> Settings {
    Settings {
        steer: Steer::Off,
        job_threads: 1,
        apps: registry::all().into_iter().filter(|app| app.name() != "echo").collect(),
        empty_states: registry::new_applied,
        reserve: Reserve::Bytes(0),
        segment_bytes: SEGMENT_BYTES_MIN,
        shutdown_timeout: std::time::Duration::ZERO,
        durability_timeout: std::time::Duration::ZERO,
        ..Settings::base(place.to_owned())
    }
}

impl Simulated {
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// A turn for which the kernel has no news, and those that follow it at once.
    pub(super) fn turn(&mut self) {
        self.worker.context.now.set_ms(self.now_ms);
        loop {
            self.worker.serve(&mut self.found);
            self.worker.write();
            self.worker.expire();
            self.worker.notice_crowd();
            if !self.worker.rota.has_next() && !self.worker.rota.has_output() {
                return;
            }
        }
    }

    /// Lets time pass in which nothing happens but what the worker has set its timer for; `look` is called after each
    /// turn. Gives whether the timer is set still.
    pub(super) fn pass(&mut self, ms: u64, mut look: impl FnMut(&mut Worker, u64)) -> bool {
        let until_ms = self.now_ms + ms;
        while self.worker.deadlines.timer_ms() < until_ms {
            // A timer of the kernel is never early, and this one is set to a millisecond more.
            self.now_ms = self.now_ms.max(self.worker.deadlines.timer_ms() + 1);
            self.turn();
            look(&mut self.worker, self.now_ms);
        }
        self.now_ms = self.now_ms.max(until_ms);
        self.worker.deadlines.timer_ms() != u64::MAX
    }

    /// Returns a new connection, and the client's end of it.
    pub(super) fn connect(&mut self) -> (Key, TcpStream) {
        let address = self.listener.local_addr().expect("bound");
        let client = TcpStream::connect(address).expect("connected");
        let (stream, _) = self.listener.accept().expect("accepted");
        stream.set_nonblocking(true).expect("a socket");
        self.worker.context.now.set_ms(self.now_ms);
        let (key, entrance) = (self.worker.table.next_key(), self.entrance);
        self.worker.admit(mio::net::TcpStream::from_std(stream), entrance, Some(address.ip()));
        self.turn();
        (key, client)
    }

    /// Has the worker look at what the client of `key` has sent, until `is_so` holds of the connection: the kernel takes
    /// its time, in which none passes here.
    pub(super) fn hear(&mut self, key: Key, mut is_so: impl FnMut(&mut Worker, &mut Connection) -> bool) {
        self.worker.context.now.set_ms(self.now_ms);
        for _ in 0..5_000 {
            let mut done = false;
            self.worker.with(key, |worker, connection| {
                done = is_so(worker, connection);
                connection.readable = true;
                connection.serve_again();
                Fate::Stays
            });
            self.turn();
            if done {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("the worker never gets there");
    }
}
