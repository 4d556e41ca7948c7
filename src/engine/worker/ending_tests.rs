//! A streamed answer that ends with its connection: in order only if it is whole.

use std::io::Read;
use std::net::TcpStream;

use super::simulated::{Ground, Simulated};
use crate::apps::app::{Job, JobStep, Start};
use crate::base::durability::Durability;
use crate::base::limits::Limits;
use crate::engine::connection::Task;
use crate::engine::held::{AnswerFraming, Asked};
use crate::engine::mailbox::JobDone;
use crate::engine::table::Key;
use crate::http::caching::Caching;
use crate::http::request::Version;
use crate::http::response::StreamHead;

struct Endless;

impl Job for Endless {
    fn start(&mut self) -> Start {
        unreachable!("no job thread is there")
    }

    fn next(&mut self, _out: &mut Vec<u8>) -> JobStep {
        unreachable!("no job thread is there")
    }
}

/// A client of HTTP/1.0 to which a job's first piece goes, which ends like this.
fn first_piece(simulated: &mut Simulated, step: JobStep) -> (Key, TcpStream) {
    let (key, client) = simulated.connect();
    let framing = AnswerFraming { version: Version::Http10, keep_alive: false, head_only: false };
    let asked = Asked {
        framing,
        route: 0,
        durability: Durability::Disk,
        reached: None,
        frees_space: false,
        names_no_level: false,
    };
    simulated.worker.with(key, |worker, connection| {
        connection.task = Task::Working { asked, pieces: None };
        worker.settle(key, connection)
    });
    let caching = Caching::default();
    let head =
        StreamHead { status: 200, content_type: "text/csv", headers: Vec::new(), caching, length: None };
    simulated.worker.take_piece(JobDone {
        key,
        job: Some(Box::new(Endless)),
        head: Some(Start::Stream(head)),
        piece: b"x,y\n".to_vec(),
        step,
        is_file: false,
    });
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
