//! `pixeld send` against a server of this test that breaks connections, loses answers and is busy now and then.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pixeld_bench::client::tls::Trust;
use pixeld_bench::send::draw::Draw;
use pixeld_bench::send::error::SendError;
use pixeld_bench::send::picture::Picture;
use pixeld_bench::send::post::Pace;
use pixeld_bench::send::run::{Options, run};

/// What the server does to the n-th request it ever reads.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Keep,
    /// Keeps the pixel, then drops the connection instead of answering.
    KeepAndDrop,
    /// Answers 503 and keeps nothing.
    Busy,
    Refuse,
    /// Keeps another value.
    Spoil,
}

struct Faulty {
    rows: Mutex<Vec<(u32, u32, char, u8)>>,
    reads: Mutex<u64>,
    act: fn(u64) -> Act,
}

/// Starts the server; gives its address and what it keeps.
fn faulty(act: fn(u64) -> Act) -> (String, Arc<Faulty>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = Arc::new(Faulty { rows: Mutex::default(), reads: Mutex::default(), act });
    let shared = Arc::clone(&server);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let server = Arc::clone(&shared);
            thread::spawn(move || server.serve(stream.expect("a connection")));
        }
    });
    (url, server)
}

impl Faulty {
    fn serve(&self, mut stream: TcpStream) {
        let mut input = Vec::new();
        let mut piece = [0; 4096];
        loop {
            while let Some((head, body, length)) = request(&input) {
                input.drain(..length);
                if !self.answer(&mut stream, &head, &body) {
                    return;
                }
            }
            match stream.read(&mut piece) {
                Ok(length @ 1..) => input.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
    }

    /// Answers one request; false when the connection is over.
    fn answer(&self, stream: &mut TcpStream, head: &str, body: &str) -> bool {
        if head.starts_with("GET /pixels") {
            return self.list(stream);
        }
        let row: serde_json::Value = serde_json::from_str(body).expect("a pixel");
        let number = |key: &str| u32::try_from(row[key].as_u64().expect("a number")).expect("small");
        let channel = row["channel"].as_str().and_then(|text| text.chars().next()).expect("a channel");
        let value = u8::try_from(number("value")).expect("a byte");
        let act = {
            let mut reads = self.reads.lock().expect("a lock");
            *reads += 1;
            (self.act)(*reads)
        };
        let value = if act == Act::Spoil { value.wrapping_add(1) } else { value };
        if matches!(act, Act::Keep | Act::KeepAndDrop | Act::Spoil) {
            self.rows.lock().expect("a lock").push((number("x"), number("y"), channel, value));
        }
        let (status, extra, body) = match act {
            Act::KeepAndDrop => return false,
            Act::Busy => ("503 Busy", "Retry-After: 0\r\n", "{}"),
            Act::Refuse => ("422 No", "", "{\"detail\":[]}"),
            Act::Keep | Act::Spoil => ("200 OK", "", "{\"status\":\"ok\"}"),
        };
        let answer = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).is_ok()
    }

    /// The list in chunks of odd lengths, so that lines are cut.
    fn list(&self, stream: &mut TcpStream) -> bool {
        let line = |&(x, y, channel, value): &(u32, u32, char, u8)| {
            format!("{{\"x\":{x},\"y\":{y},\"channel\":\"{channel}\",\"value\":{value}}}\n")
        };
        let text: String = self.rows.lock().expect("a lock").iter().map(line).collect();
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in text.as_bytes().chunks(777) {
            let _ = write!(answer, "{:x}\r\n", chunk.len());
            answer.extend_from_slice(chunk);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        stream.write_all(&answer).is_ok()
    }
}

/// The first whole request in `input`: head, body, length.
fn request(input: &[u8]) -> Option<(String, String, usize)> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(input[..end].to_vec()).expect("a text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.parse::<usize>().expect("a length"));
    let body = input.get(end..end + length)?;
    Some((head, String::from_utf8(body.to_vec()).expect("a text"), end + length))
}

/// A picture of 24 x 20 pixels with all kinds of values, as a PNG file.
fn picture(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("picture.png");
    let byte = |number: u32| u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).expect("a byte");
    let bytes: Vec<u8> = (0..24 * 20 * 3).map(byte).collect();
    image::save_buffer(&path, &bytes, 24, 20, image::ColorType::Rgb8).expect("a file");
    assert_eq!(Picture::open(&path).expect("a picture"), Picture::from_rgb(24, bytes));
    path
}

fn sent(
    act: fn(u64) -> Act,
    change: impl Fn(&mut Options),
) -> (Result<bool, SendError>, String, Arc<Faulty>) {
    let directory = tempfile::tempdir().expect("a directory");
    let (url, server) = faulty(act);
    let pace = Pace { connections: 3, depth: 8, patience: Duration::from_secs(5) };
    let picture = picture(directory.path());
    let (at, draw) = ((0, 0), Draw::Never);
    let mut options = Options {
        picture,
        url,
        token: None,
        trust: Trust::default(),
        pace,
        from: 0,
        at,
        draw,
        check_only: false,
    };
    change(&mut options);
    let mut report = Vec::new();
    let result = run(&options, &mut report);
    (result, String::from_utf8(report).expect("a text"), server)
}

#[test]
fn a_picture_comes_back_identical() {
    let (result, report, server) = sent(|_| Act::Keep, |_| ());
    assert!(result.expect("sent"), "{report}");
    assert!(report.contains("sent 1440 pixels (24 x 20 at 0,0, 3 channels)"), "{report}");
    assert!(report.contains("identical: every pixel came back with its value\n"), "{report}");
    assert_eq!(server.rows.lock().expect("a lock").len(), 1440);
}

#[test]
fn lost_answers_and_a_busy_server_cost_repeats_and_nothing_else() {
    let act = |read: u64| match read {
        read if read.is_multiple_of(97) => Act::KeepAndDrop,
        read if read.is_multiple_of(31) => Act::Busy,
        _ => Act::Keep,
    };
    let (result, report, server) = sent(act, |_| ());
    assert!(result.expect("sent"), "{report}");
    assert!(!report.contains(" 0 sent again, 0 reconnects"), "{report}");
    assert!(
        server.rows.lock().expect("a lock").len() > 1440,
        "what was kept and not answered is there twice"
    );
}

#[test]
fn a_wrong_value_is_found_and_named() {
    let (result, report, _) = sent(|read| if read == 700 { Act::Spoil } else { Act::Keep }, |_| ());
    assert!(!result.expect("sent"));
    assert!(
        report.contains("NOT identical: 0 values are missing, 1 are different; the first: x "),
        "{report}"
    );
}

#[test]
fn a_refusal_ends_the_transfer_with_the_place_to_go_on_from() {
    let one = |options: &mut Options| options.pace.connections = 1;
    let (result, _, _) = sent(|read| if read == 500 { Act::Refuse } else { Act::Keep }, one);
    let error = result.expect_err("refused").to_string();
    let expected = "request 499 was refused with 422: {\"detail\":[]}; go on with --from 499";
    assert_eq!(error, expected);
}

#[test]
fn a_transfer_goes_on_where_it_stopped_and_can_only_check() {
    let from = |options: &mut Options| options.from = 1000;
    let (result, report, server) = sent(|_| Act::Keep, from);
    assert!(!result.expect("sent"), "the first 1000 were never sent");
    assert!(report.contains("NOT identical: 1000 values are missing"), "{report}");
    assert_eq!(server.rows.lock().expect("a lock").len(), 440);
    let check = |options: &mut Options| options.check_only = true;
    let (result, report, _) = sent(|_| Act::Keep, check);
    assert!(!result.expect("checked") && !report.contains("sent"), "{report}");
}

#[test]
fn nobody_there_is_reported_after_the_patience() {
    let nowhere = |options: &mut Options| {
        options.url = "http://127.0.0.1:1".to_owned();
        options.pace.patience = Duration::from_millis(200);
    };
    let (result, _, _) = sent(|_| Act::Keep, nowhere);
    let error = result.expect_err("nobody").to_string();
    assert!(error.contains("no answer from 127.0.0.1:1") && error.contains("--from 0"), "{error}");
}

/// A server that is killed behind the last pixel is waited for, as one that is killed before it.
#[test]
fn a_server_that_comes_late_is_read_back_all_the_same() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("a.png");
    image::RgbImage::from_pixel(3, 2, image::Rgb([1, 2, 3])).save(&path).expect("written");
    let address = crate::process::free_address();
    let data = place.path().join("data");
    let server = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        crate::process::Server::start(address, &data, &[])
    });
    let pace = Pace { connections: 1, depth: 1, patience: Duration::from_secs(60) };
    let options = Options {
        picture: path,
        url: format!("http://{address}"),
        trust: Trust::default(),
        token: None,
        pace,
        from: 0,
        at: (0, 0),
        draw: Draw::Never,
        check_only: true,
    };
    let mut said = Vec::new();
    assert!(!run(&options, &mut said).expect("an answer"), "nothing was sent to it");
    assert!(String::from_utf8_lossy(&said).contains("18 values are missing"), "{said:?}");
    drop(server.join().expect("no panic"));
}
