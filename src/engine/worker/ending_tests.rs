//! A streamed answer that ends with its connection: in order only if it is whole. And a body that the server's end meets at a
//! job thread.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::connection::Task;
use super::held::{AnswerFraming, Asked};
use super::receiving::Receiving;
use super::simulated::{Ground, Simulated};
use crate::app::application::{Job, JobStep, Start};
use crate::app::upload::{Ended, Fed, Pause, Upload};
use crate::base::durability::Durability;
use crate::base::limits::Limits;
use crate::engine::shared::mailbox::{JobDone, Mail, UploadDone};
use crate::engine::shared::table::Key;
use crate::http::caching::Caching;
use crate::http::request::Version;
use crate::http::response::StreamHead;
use crate::log::lane::Producer;

struct Endless;

impl Job for Endless {
    fn start(&mut self) -> Start {
        unreachable!("no job thread is there")
    }

    fn next(&mut self, _out: &mut Vec<u8>) -> JobStep {
        unreachable!("no job thread is there")
    }
}

fn asked() -> Asked {
    let framing = AnswerFraming { version: Version::Http10, keep_alive: false, head_only: false };
    Asked {
        framing,
        route: 0,
        durability: Durability::Disk,
        reached: None,
        frees_space: false,
        form: None,
        names_no_level: false,
    }
}

/// Connects a client of HTTP/1.0 and gives it a job's first piece, after which the job does `step`.
fn first_piece(simulated: &mut Simulated, step: JobStep) -> (Key, TcpStream) {
    let (key, client) = simulated.connect();
    let asked = asked();
    simulated.worker.with(key, |worker, connection| {
        connection.task = Task::Working { asked, pieces: None };
        worker.settle(connection)
    });
    let caching = Caching::default();
    let head =
        StreamHead { status: 200, content_type: "text/csv", headers: Vec::new(), caching, length: None };
    let done = JobDone {
        key,
        job: Some(Box::new(Endless)),
        head: Some(Start::Stream(head)),
        piece: b"x,y\n".to_vec(),
        step,
        is_file: false,
    };
    simulated
        .worker
        .with(key, |worker, connection| worker.service.take_piece(connection, done, &worker.context));
    simulated.turn();
    (key, client)
}

fn is_whole(mut client: TcpStream) -> bool {
    client.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a socket");
    let mut all = Vec::new();
    match client.read_to_end(&mut all) {
        Ok(_) => {
            assert!(all.ends_with(b"\r\n\r\nx,y\n"), "{}", String::from_utf8_lossy(&all));
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            false
        }
    }
}

#[test]
fn an_answer_that_ends_with_the_connection_is_reset_unless_it_is_whole() {
    let ground = Ground::new();
    let mut simulated = ground.worker(Limits::default());
    let (_, client) = first_piece(&mut simulated, JobStep::Done);
    assert!(is_whole(client));
    // No job thread takes the order for the next piece.
    let (_, client) = first_piece(&mut simulated, JobStep::More);
    assert!(!is_whole(client));
    let (_, client) = first_piece(&mut simulated, JobStep::Failed);
    assert!(!is_whole(client));
}

/// Asks for work on each piece.
struct Laborious;

impl Upload for Laborious {
    fn feed(&mut self, bytes: &[u8], _lane: &mut Producer) -> Fed {
        Fed { consumed: bytes.len(), pause: Some(Pause::Work) }
    }

    fn end(&mut self, _lane: &mut Producer) -> Ended {
        unreachable!("the body has no end")
    }
}

#[test]
fn a_body_at_a_job_thread_when_the_server_ends_is_stopped_when_it_comes_back() {
    let ground = Ground::new();
    let mut simulated = ground.worker(Limits::default());
    let (key, mut client) = simulated.connect();
    let mut upload = None;
    simulated.worker.with(key, |worker, connection| {
        let mut receiving = Receiving::new(Box::new(Laborious), asked());
        receiving.feed(b"a piece", worker.service.lane.producer());
        // The queue of orders takes nothing here: the job thread is played.
        upload = receiving.take_work();
        connection.task = Task::Upload(Box::new(receiving));
        worker.settle(connection)
    });
    assert!(upload.is_some());
    simulated.worker.stop_bodies();
    simulated.worker.take(Mail::Upload(UploadDone { key, upload }));
    simulated.turn();
    client.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a socket");
    let mut head = [0; 12];
    client.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 503");
}

/// Returns the status of the answer to what a client sends now.
fn status_of(simulated: &mut Simulated, sent: &str) -> String {
    let (key, mut client) = simulated.connect();
    client.write_all(sent.as_bytes()).expect("sent");
    simulated.hear(key, |_, connection| connection.closing);
    client.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a socket");
    let mut head = [0; 12];
    client.read_exact(&mut head).unwrap_or_else(|error| panic!("{sent:?}: {error}"));
    String::from_utf8_lossy(&head[9..]).into_owned()
}

#[test]
fn a_body_that_begins_after_the_others_were_stopped_is_stopped_unless_it_is_whole() {
    let ground = Ground::new();
    let mut simulated = ground.worker(Limits::default());
    simulated.worker.stop_bodies();
    let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ";
    assert_eq!(status_of(&mut simulated, &format!("{head}900\r\n\r\n")), "503");
    assert_eq!(status_of(&mut simulated, &format!("{head}900\r\n\r\n[{{\"x\":1,")), "503");
    assert_eq!(status_of(&mut simulated, &format!("{head}7\r\n\r\nnothing")), "422", "it is judged as ever");
}
