//! A sixth application is a folder and a line: `notes/` and the line in [`WITH_NOTES`] are all that is added here, and the
//! server serves it, with a record, a read, a page and a limit.

use std::path::Path;

use pixeld::app::application;
use pixeld::app::applied::Applied;
use pixeld::apps::declaration::Tools;
use pixeld::apps::registry::Registry;
use pixeld::apps::{board, pex, pixel, thumbs, toys};
use pixeld::base::limits::{Limits, SEGMENT_BYTES_MIN};
use pixeld::base::setting::{Value, Values};
use pixeld::engine::lifecycle::server::{Ending, Server};
use pixeld::engine::shared::settings::{Listen, Reserve, Settings};

use crate::notes;
use crate::process::client::{Answer, Client, plain, post_pixel, request};

static WITH_NOTES: Registry = Registry(&[
    &pixel::DECLARATION,
    &pex::DECLARATION,
    &board::DECLARATION,
    &toys::DECLARATION,
    &thumbs::DECLARATION,
    &notes::DECLARATION,
]);

fn empty_states() -> Applied {
    application::empty_states(&WITH_NOTES.as_usual())
}

fn start(directory: &Path) -> Server {
    let settings = Settings {
        listen: vec![Listen::new("127.0.0.1:0".parse().expect("an address"), "notes")],
        apps: WITH_NOTES.with(&["pixel", "notes"], &Values::default(), &Tools::default()),
        empty_states,
        reserve: Reserve::Bytes(1 << 20),
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Settings::base(directory.to_path_buf())
    };
    Server::start(settings).expect("a server")
}

fn ask(server: &Server, request: impl AsRef<[u8]>) -> Answer {
    Client::connect(server.addresses()[0]).send(request).answer()
}

fn post(server: &Server, note: &str) -> u16 {
    ask(server, request("POST", "/notes", "text/plain", note)).status
}

#[test]
fn a_sixth_application_is_sound_beside_the_others() {
    assert_eq!(WITH_NOTES.faults(), Vec::<String>::new());
}

#[test]
fn a_sixth_application_has_a_record_a_read_a_page_and_a_limit() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(directory.path());
    assert_eq!([post(&server, "milk"), post(&server, "bread")], [200, 200]);
    assert_eq!(ask(&server, post_pixel(1, 2, 'R', 3)).status, 200, "the others go on");
    assert_eq!(ask(&server, plain("GET", "/notes")).text(), "milk\nbread\n");
    assert!(ask(&server, plain("GET", "/")).text().contains("<title>Notes</title>"), "its page");
    let document = ask(&server, plain("GET", "/openapi.json")).json();
    assert_eq!(document["paths"]["/notes"]["post"]["tags"][0], "notes");

    assert_eq!(post(&server, &"n".repeat(65)), 413, "its limit");
    let mut limits = Limits::default();
    limits.apps.set(&notes::settings::MAX_BYTES, Value::Number(65));
    server.shared().set_limits(limits);
    let is_taken = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        post(&server, &"n".repeat(65)) == 200
    });
    assert!(is_taken, "a running server takes a new one over");
    assert_eq!(server.stop(), Ending::Drained);

    let server = start(directory.path());
    let notes = ask(&server, plain("GET", "/notes"));
    assert!(notes.text().starts_with("milk\nbread\nn"), "what was kept is there after a restart");
    assert_eq!(server.stop(), Ending::Drained);
}

/// A program without the application passes its records over no more than any other that it does not know.
#[test]
fn a_program_without_it_refuses_its_records() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(directory.path());
    assert_eq!(post(&server, "milk"), 200);
    assert_eq!(server.stop(), Ending::Drained);
    let without = Settings {
        empty_states: pixeld::apps::registry::new_applied,
        ..Settings::base(directory.path().to_path_buf())
    };
    let refused = Server::start(without).err().expect("a record of the kind 0x61").to_string();
    assert!(refused.contains("0x61"), "{refused}");
}
