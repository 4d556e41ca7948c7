//! One turn, on a worker of a server at `memory`, whose steps are all its own: what has come when it begins is answered when it
//! ends, a write too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crossbeam_channel::unbounded;
use mio::{Poll, Waker};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

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
use crate::engine::shared::tls::certificates::Pair;
use crate::engine::shared::tls::{Https, Tls};
use crate::engine::shared::{Shared, WorkerSide};
use crate::log::lane::lane;
use crate::os::clock::Clock;

/// A worker with listeners at these addresses, and what it stands on.
struct Whole {
    worker: Worker,
    found: Found,
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    /// Where it speaks TLS, if it does.
    secured: Option<std::net::SocketAddr>,
    _place: tempfile::TempDir,
}

impl Whole {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(https: Option<Https>) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mut settings = super::simulated::settings(place.path());
        settings.durability = Durability::Memory;
        settings.https = https;
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
        let listener = listen();
        let address = listener.local_addr().expect("bound");
        let mut listeners = vec![listener];
        let mut entrances = vec![Entrance { root: router.usual_root(), kind: ListenerKind::Http }];
        let secured = settings.https.as_ref().map(|_| {
            listeners.push(listen());
            entrances.push(Entrance { root: router.usual_root(), kind: ListenerKind::Https });
            listeners[1].local_addr().expect("bound")
        });
        let clock = Clock::start();
        let worker = Worker::new(WorkerParts {
            index: 0,
            poll,
            listeners,
            entrances,
            shared: shared.clone(),
            router,
            producer,
            mail,
            jobs: jobs::start(0, &shared).expect("no thread").0,
            clock,
            inline_commit: Some(InlineCommit::new(token, clock)),
        });
        Self {
            worker: worker.expect("a worker"),
            found: Found::default(),
            shared,
            address,
            secured,
            _place: place,
        }
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

fn listen() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    listener
}

/// Makes a certificate of its own for a server's TLS.
fn https(directory: &Path) -> Https {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pair = Pair { certificate: directory.join("a.pem"), key: directory.join("a.key") };
    std::fs::write(&pair.certificate, made.cert.pem()).expect("room");
    std::fs::write(&pair.key, made.signing_key.serialize_pem()).expect("room");
    Https { tls: Tls::open(vec![pair]).expect("a certificate"), hsts: None, acme_dir: None }
}

/// The first message of a handshake, as clients that trust nobody send it, too.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(RootCertStore::empty());
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory");
    bytes
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

/// Handshakes are what costs most of all that strangers can ask for; nobody waits for more than one of them.
#[test]
fn a_flood_of_handshakes_takes_one_step_in_a_turn_and_every_request_its_own_turn() {
    const FLOOD: usize = 20;
    let place = tempfile::tempdir().expect("a directory");
    let mut whole = Whole::with(Some(https(place.path())));
    let at = whole.secured.expect("a listener");
    let hello = hello();
    let begin = |_| {
        let mut stranger = TcpStream::connect(at).expect("connected");
        stranger.write_all(&hello).expect("sent");
        stranger.set_nonblocking(true).expect("a socket");
        stranger
    };
    let mut quiet = whole.send(None, COUNT);
    let flood: Vec<TcpStream> = (0..FLOOD).map(begin).collect();
    let answered =
        || flood.iter().filter(|stranger| stranger.peek(&mut [0]).is_ok_and(|count| count > 0)).count();
    let (mut before, mut turns) = (0, 0);
    while before < FLOOD {
        whole.turn();
        turns += 1;
        assert!(
            answer(&mut quiet).is_some(),
            "turn {turns}: a request is answered in the turn in which it came"
        );
        let now = answered();
        assert!(now <= before + 1, "turn {turns}: {} handshakes in one", now - before);
        assert!(turns <= FLOOD + 2, "{now} after {turns} turns: one goes on in each");
        before = now;
        quiet = whole.send(Some(quiet), COUNT);
    }
}
