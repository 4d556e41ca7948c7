//! One turn, on a worker of a server at `memory`, whose steps are all its own: what has come when it begins is answered when it
//! ends, a write too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crossbeam_channel::unbounded;
use mio::{Poll, Waker};

use super::{Found, WAKER, Worker, WorkerParts};
use crate::app::router::Router;
use crate::base::durability::Durability;
use crate::base::limits::LANE_BYTES_MIN;
use crate::engine::commit::committer::Committer;
use crate::engine::commit::memory::InlineCommit;
use crate::engine::jobs;
use crate::engine::lifecycle::opening::{self, Opening};
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::metrics::Metrics;
use crate::engine::shared::settings::ListenerKind;
use crate::engine::shared::{Shared, WorkerSide};
use crate::log::lane::lane;
use crate::os::clock::Clock;

/// A worker with a listener at this address, and what it stands on.
struct Whole {
    worker: Worker,
    found: Found,
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    _place: tempfile::TempDir,
}

impl Whole {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mut settings = super::simulated::settings(place.path());
        settings.durability = Durability::Memory;
        let Opening { applied, opened, blobs, .. } = opening::open(&settings).expect("a journal");
        let router = Arc::new(Router::new(settings.apps.clone()));
        let poll = Poll::new().expect("an event loop");
        let waker = Waker::new(poll.registry(), WAKER).expect("a waker");
        let (sender, mail) = unbounded();
        let metrics = Metrics::new(1, 1, router.routes().len());
        let sides = vec![WorkerSide::new(waker, sender)];
        let shared = Arc::new(Shared::new(&settings, applied, &opened, blobs, sides, metrics));
        let (producer, consumer) = lane(LANE_BYTES_MIN);
        let token = Arc::new(Mutex::new(Committer::new(vec![consumer], opened.appender)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let clock = Clock::start();
        let worker = Worker::new(WorkerParts {
            index: 0,
            poll,
            listeners: vec![listener],
            entrances: vec![Entrance { root: router.usual_root(), kind: ListenerKind::Http }],
            shared: shared.clone(),
            router,
            producer,
            mail,
            jobs: jobs::start(0, &shared).expect("no thread").0,
            clock,
            inline_commit: Some(InlineCommit::new(token, clock)),
        });
        Self { worker: worker.expect("a worker"), found: Found::default(), shared, address, _place: place }
    }

    fn turn(&mut self) {
        self.worker.turn(&mut self.found).expect("a turn");
    }

    fn send(&self, client: Option<TcpStream>, request: &str) -> TcpStream {
        let mut client = client.unwrap_or_else(|| TcpStream::connect(self.address).expect("connected"));
        client.write_all(request.as_bytes()).expect("sent");
        client
    }
}

/// Returns the answer that is there already; nothing if there is none.
fn answer(client: &mut TcpStream) -> Option<String> {
    client.set_nonblocking(true).expect("a socket");
    let mut bytes = [0; 4096];
    let answer =
        client.read(&mut bytes).ok().map(|count| String::from_utf8_lossy(&bytes[..count]).into_owned());
    client.set_nonblocking(false).expect("a socket");
    answer
}

fn post(x: u32) -> String {
    let body = format!("{{\"x\":{x},\"y\":2,\"channel\":\"R\",\"value\":3}}");
    let head = "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{}\r\n\r\n{body}", body.len())
}

const COUNT: &str = "GET /pixels/count HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_write_is_read_committed_applied_and_answered_in_one_turn() {
    let mut whole = Whole::new();
    let mut client = whole.send(None, &post(1));
    whole.turn();
    let first = answer(&mut client).expect("accepted, served and answered in this turn");
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    // The express lane by now, in the turn that the kernel's news begin.
    let mut client = whole.send(Some(client), &post(2));
    whole.turn();
    assert_eq!(answer(&mut client).map(|second| second.len()), Some(first.len()));
    let mut client = whole.send(Some(client), COUNT);
    whole.turn();
    let count = answer(&mut client).expect("an answer");
    assert!(count.ends_with("2}"), "both are visible: {count}");
}

#[test]
fn a_read_behind_a_write_is_answered_in_the_next_turn_and_sees_it() {
    let mut whole = Whole::new();
    let mut client = whole.send(None, &(post(1) + COUNT));
    whole.turn();
    let write = answer(&mut client).expect("the write's answer");
    assert_eq!(write.matches("HTTP/1.1 ").count(), 1, "{write}");
    whole.turn();
    let read = answer(&mut client).expect("the read's answer");
    assert!(read.ends_with("1}"), "{read}");
}

#[test]
fn a_drain_in_the_turn_of_a_write_takes_no_answer_away() {
    let mut whole = Whole::new();
    let mut client = whole.send(None, &post(1));
    whole.shared.workers[0].send(Mail::Drain);
    whole.turn();
    // The worker drains, and the write that had got through is answered in the same turn all the same.
    assert!(whole.worker.context.is_draining());
    assert!(answer(&mut client).expect("an answer").starts_with("HTTP/1.1 200 "));
}
