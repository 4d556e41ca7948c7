//! Durability `both`, as a client sees it. The peer is this test: it says what it has through the same door as the link.

use crate::process;

use std::time::Duration;

use pixeld::apps::registry;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{NodeId, Seq};
use pixeld::base::kinds::Kinds;
use pixeld::base::limits::{Limits, SEGMENT_BYTES_MIN};
use pixeld::base::tag::MEMBER;
use pixeld::base::vector::VersionVector;
use pixeld::engine::lifecycle::server::Server;
use pixeld::engine::shared::peering::Peering;
use pixeld::engine::shared::settings::{Listen, PeerSettings, Reserve, Retention, Settings, Trust};
use pixeld::engine::shared::steering::Steer;
use process::client::{Client, plain, post_pixel, request};

/// Long enough that nothing but a lost wake-up lets it pass.
const LONG: Duration = Duration::from_secs(60);
/// Short, for those who wait for it.
const SHORT: Duration = Duration::from_millis(300);
/// What is held must not come within this.
const GLANCE: Duration = Duration::from_millis(50);

struct Host {
    server: Option<Server>,
    directory: Option<tempfile::TempDir>,
}

impl Host {
    fn start(durability: Durability, durability_timeout: Duration, limits: Limits) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), durability, durability_timeout, limits)
    }

    fn start_in(
        directory: tempfile::TempDir,
        durability: Durability,
        durability_timeout: Duration,
        limits: Limits,
    ) -> Self {
        let settings = Settings {
            listen: vec![Listen::new("127.0.0.1:0".parse().unwrap(), "index")],
            durability,
            workers: 2,
            steer: Steer::Off,
            job_threads: 1,
            apps: registry::all(),
            empty_states: registry::new_applied,
            limits,
            reserve: Reserve::Bytes(1 << 20),
            segment_bytes: SEGMENT_BYTES_MIN,
            durability_timeout,
            peer: Some(PeerSettings {
                listen: None,
                dial: None,
                trust: Trust::Nothing,
                retention: Retention::Usual,
            }),
            ..Settings::base(directory.path().to_path_buf())
        };
        Self { server: Some(Server::start(settings).unwrap()), directory: Some(directory) }
    }

    /// Stops it, and gives its directory.
    fn into_directory(mut self) -> tempfile::TempDir {
        self.directory.take().unwrap()
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn connect(&self) -> Client {
        Client::connect(self.server().addresses()[0])
    }

    fn peering(&self) -> &Peering {
        self.server().shared().peering.as_ref().unwrap()
    }

    /// The peer is there, and has nothing. It knows no members, so that nothing is logged but what is asked for.
    fn peer_comes(&self) {
        let understanding = &self.server().shared().understanding;
        let mut bytes = *understanding.own().bytes();
        bytes[usize::from(MEMBER / 8)] &= !(1 << (MEMBER % 8));
        understanding.learn(NodeId(9), Kinds::read(&bytes));
        self.server().shared().peer_is_met(NodeId(9), VersionVector::new(), VersionVector::new(), 1);
    }

    /// The peer has everything durably up to `seq` of this host's stream.
    fn peer_has(&self, seq: Seq) {
        self.server().shared().peer_has(self.peering().own, seq, seq, 2);
    }

    fn committed(&self) -> Seq {
        self.peering().progress.begin().0.of(pixeld::base::ids::ClusterId([0; 16]), self.peering().own).seq
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.server.take().unwrap().stop();
    }
}

fn at(level: &str, x: i32) -> Vec<u8> {
    let text = String::from_utf8(post_pixel(x, 0, 'R', 1)).unwrap();
    text.replacen("\r\n", &format!("\r\nDurability: {level}\r\n"), 1).into_bytes()
}

fn level(client: &mut Client) -> (u16, String) {
    let answer = client.answer();
    (answer.status, answer.field("durability").unwrap_or_default().to_owned())
}

fn kept(status: u16, durability: &str) -> (u16, String) {
    (status, durability.to_owned())
}

#[test]
fn an_answer_waits_for_the_peer_and_nobody_else_does() {
    for durability in [Durability::Memory, Durability::Disk] {
        let host = Host::start(durability, LONG, Limits::default());
        host.peer_comes();
        let mut waits = host.connect();
        waits.send(at("both", 1)).assert_silence(GLANCE);
        for x in 2..20 {
            let mut other = host.connect();
            other.send(post_pixel(x, 0, 'G', 1));
            assert_eq!(level(&mut other), kept(200, durability.as_str()));
        }
        let mut reader = host.connect();
        assert_eq!(
            reader.send(plain("GET", "/pixels/count")).answer().json()["total"],
            19,
            "it is visible here"
        );
        host.peer_has(0);
        waits.assert_silence(GLANCE);
        host.peer_has(host.committed());
        assert_eq!(level(&mut waits), kept(200, "both"));
    }
}

/// The word that the peer has it was lost with the session; the next one begins with it.
#[test]
fn an_answer_that_waited_through_a_lost_session_comes_with_the_next_one() {
    for durability in [Durability::Memory, Durability::Disk] {
        let host = Host::start(durability, LONG, Limits::default());
        host.peer_comes();
        let mut waits = host.connect();
        waits.send(at("both", 1)).assert_silence(GLANCE);
        host.peering().standing.away("the connection has ended", 2);
        waits.assert_silence(GLANCE);
        let mut all = VersionVector::new();
        all.raise(host.peering().own, host.committed());
        host.server().shared().peer_is_met(NodeId(9), all.clone(), all, 3);
        assert_eq!(level(&mut waits), kept(200, "both"));
    }
}

#[test]
fn what_the_peer_does_not_confirm_in_time_is_stored_here_and_says_so() {
    for durability in [Durability::Memory, Durability::Disk] {
        let host = Host::start(durability, SHORT, Limits::default());
        let mut client = host.connect();
        let answer = client.send(at("both", 1)).answer();
        assert_eq!((answer.status, answer.field("durability")), (504, Some("disk")));
        assert!(
            answer.text().contains("stored on this host") && answer.text().contains("do not send it again")
        );
        let delete = b"DELETE /pixels HTTP/1.1\r\nHost: t\r\nDurability: both\r\n\r\n";
        assert_eq!(level(client.send(delete)), kept(504, "disk"));
        assert_eq!(
            client.send(plain("GET", "/pixels/count")).answer().json()["total"],
            0,
            "the clear is in force"
        );
        let metrics = client.send(plain("GET", "/metrics")).answer();
        assert!(metrics.text().contains("504"), "counted");
    }
}

#[test]
fn a_server_at_both_answers_a_pipeline_in_its_order() {
    let host = Host::start(Durability::Both, LONG, Limits::default());
    host.peer_comes();
    let mut client = host.connect();
    // The first is parsed and remembered, the others take the short cut; the reads wait for what is before them.
    client.send(post_pixel(0, 0, 'R', 0)).assert_silence(GLANCE);
    host.peer_has(host.committed());
    assert_eq!(level(&mut client), kept(200, "both"));
    let mut pipeline = Vec::new();
    for x in 0..10 {
        pipeline.extend(post_pixel(x, 0, 'R', 0).repeat(10));
        pipeline.extend(plain("GET", "/pixels/count"));
    }
    client.send(&pipeline);
    for round in 1..=10 {
        client.assert_silence(GLANCE);
        // A busy disk may take longer than a glance.
        while host.committed() < round * 10 + 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        host.peer_has(host.committed());
        for _ in 0..10 {
            assert_eq!(level(&mut client), kept(200, "both"));
        }
        assert_eq!(client.answer().json()["total"], round * 10 + 1, "a read behind a write sees it (I-2)");
    }
}

#[test]
fn a_server_at_both_without_its_peer_stores_and_says_so_until_the_peer_is_back() {
    let host = Host::start(Durability::Both, SHORT, Limits::default());
    let mut client = host.connect();
    client.send(post_pixel(1, 0, 'R', 0).repeat(5));
    for _ in 0..5 {
        assert_eq!(level(&mut client), kept(504, "disk"));
    }
    host.peer_comes();
    host.peer_has(Seq::MAX);
    client.send(post_pixel(1, 0, 'R', 0).repeat(5));
    for _ in 0..5 {
        assert_eq!(level(&mut client), kept(200, "both"));
    }
}

#[test]
fn beyond_the_bound_nothing_is_logged() {
    for durability in [Durability::Disk, Durability::Both] {
        let limits = Limits { peer_waiters: 3, ..Limits::default() };
        let host = Host::start(durability, LONG, limits);
        // Two workers share the connections; once each has three that wait, every further one is refused.
        let mut waiting = Vec::new();
        let mut refused = 0;
        while refused < 8 {
            assert!(waiting.len() < 100);
            let mut client = host.connect();
            if waits(&host, &mut client) {
                waiting.push(client);
                continue;
            }
            let answer = client.answer();
            assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
            assert!(answer.text().contains("nothing was stored"));
            refused += 1;
        }
        assert!((3..=6).contains(&waiting.len()), "{} wait", waiting.len());
        assert_eq!(host.committed(), waiting.len() as u64, "what was refused is not in the journal");
        host.peer_has(Seq::MAX);
        for client in &mut waiting {
            assert_eq!(level(client), kept(200, "both"));
        }
        let mut client = host.connect();
        assert_eq!(level(client.send(at("both", 1))), kept(200, "both"), "there is room again");
    }
}

/// Sends a write at `both`; gives whether it is logged and waits, and was not answered, however long either takes.
fn waits(host: &Host, client: &mut Client) -> bool {
    let before = host.committed();
    client.send(at("both", 1));
    loop {
        if !is_silent(client) {
            return false;
        }
        if host.committed() > before {
            return true;
        }
    }
}

fn is_silent(client: &mut Client) -> bool {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.assert_silence(GLANCE)));
    caught.is_ok()
}

#[test]
fn an_answer_that_waits_for_more_is_not_overtaken_by_those_behind_it() {
    let host = Host::start(Durability::Memory, LONG, Limits::default());
    host.peer_comes();
    let mut client = host.connect();
    // The usual head is known, so what follows could take the short cut.
    assert_eq!(level(client.send(post_pixel(0, 0, 'R', 0))), kept(200, "memory"));
    for _ in 0..20 {
        client.send([at("disk", 1), post_pixel(2, 0, 'R', 0).repeat(3)].concat());
        assert_eq!(level(&mut client), kept(200, "disk"));
        for _ in 0..3 {
            assert_eq!(level(&mut client), kept(200, "memory"));
        }
    }
    client.send([at("both", 1), post_pixel(2, 0, 'R', 0).repeat(3)].concat()).assert_silence(GLANCE);
    host.peer_has(Seq::MAX);
    assert_eq!(level(&mut client), kept(200, "both"));
    for _ in 0..3 {
        assert_eq!(level(&mut client), kept(200, "memory"));
    }
}

#[test]
fn a_batch_of_pixels_waits_for_the_peer_too() {
    let host = Host::start(Durability::Disk, LONG, Limits::default());
    host.peer_comes();
    let mut client = host.connect();
    let body = r#"[{"x":1,"y":2,"channel":"R","value":3},{"x":1,"y":2,"channel":"G","value":4}]"#;
    let text = String::from_utf8(request("POST", "/pixels", "application/json", body)).unwrap();
    let asking = text.replacen("\r\n", "\r\nDurability: both\r\n", 1);
    client.send(asking.as_bytes()).assert_silence(GLANCE);
    assert_eq!(host.committed(), 2);
    host.peer_has(1);
    client.assert_silence(GLANCE);
    host.peer_has(2);
    let (status, durability) = level(&mut client);
    assert!((200..300).contains(&status) && durability == "both", "{status} {durability}");
}

/// A request to `path` that asks for `both`.
fn asking_both(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nDurability: both\r\nContent-Type: {content_type}");
    [format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// With a peer that confirms nothing, and something that it has not confirmed.
#[test]
fn a_body_of_which_nothing_was_logged_waits_for_nobody() {
    let form = "multipart/form-data; boundary=b";
    let part = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{content}\r\n")
    };
    let no_picture = [part("name=\"message\"", "x"), part("name=\"file\"; filename=\"a.png\"", "text")]
        .concat()
        + "--b--\r\n";
    for durability in [Durability::Disk, Durability::Both] {
        let host = Host::start(durability, LONG, Limits::default());
        host.peer_comes();
        let mut unconfirmed = host.connect();
        unconfirmed.send(at("both", 1)).assert_silence(GLANCE);
        let logged = host.committed();
        for (path, content_type, body, status) in [
            ("/pixels", "application/json", "{bad", 422),
            ("/pixels", "application/json", "[]", 200),
            ("/pixels", "application/json", "[{}]", 422),
            ("/pixels", "application/x-ndjson", "7\n", 422),
            ("/pixels", "application/vnd.pixeld", "x", 422),
            ("/pixels", "text/plain", "x", 415),
            ("/upload/", "text/plain", "x", 422),
            ("/upload/", "multipart/form-data", "x", 400),
            ("/upload/", form, "--b--\r\n", 422),
            ("/upload/", form, "x", 400),
            ("/upload/", form, &no_picture, 415),
            ("/upload", form, "x", 307),
            ("/images", "text/plain", "YWJj", 415),
            ("/images", "image/png", "a", 400),
            ("/images?size=0x0", "image/png", "YWJj", 400),
        ] {
            let mut client = host.connect();
            let answer = client.send(asking_both(path, content_type, body.as_bytes())).answer();
            assert_eq!((answer.status, answer.field("durability")), (status, None), "{path} {body}");
        }
        assert_eq!(host.committed(), logged, "none of it is in the journal");
        unconfirmed.assert_silence(GLANCE);
        host.peer_has(Seq::MAX);
        assert_eq!(level(&mut unconfirmed), kept(200, "both"));
    }
}

/// What a batch of three lines is told that is stopped behind them.
fn stopped_behind_three(host: &Host) -> Client {
    let mut client = host.connect();
    let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nDurability: both\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    let lines = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n".repeat(3);
    client.send(format!("{head}{:x}\r\n{lines}\r\nno size\r\n", lines.len()));
    client
}

#[test]
fn a_batch_that_is_stopped_waits_for_the_peer_as_a_whole_one_does() {
    for durability in [Durability::Memory, Durability::Disk, Durability::Both] {
        let host = Host::start(durability, LONG, Limits::default());
        host.peer_comes();
        let mut client = stopped_behind_three(&host);
        client.assert_silence(GLANCE);
        assert_eq!(host.committed(), 3);
        host.peer_has(3);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("durability")), (400, Some("both")));
        assert_eq!(answer.json()["accepted"], 3);
        client.half_close().assert_end();
    }
}

#[test]
fn a_batch_that_is_stopped_and_not_confirmed_tells_what_is_stored_here() {
    for durability in [Durability::Memory, Durability::Disk, Durability::Both] {
        let host = Host::start(durability, SHORT, Limits::default());
        let mut client = stopped_behind_three(&host);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("durability")), (400, Some("disk")), "no 504 on top");
        assert_eq!(answer.json()["accepted"], 3);
        client.half_close().assert_end();
        let mut client = host.connect();
        assert_eq!(client.send(plain("GET", "/pixels/count")).answer().json()["total"], 3);
    }
}

#[test]
fn a_slow_body_is_refused_once_however_long_its_answer_waits() {
    let limits = Limits { body_grace_ms: 200, body_rate_bytes: 1_000_000, ..Limits::default() };
    let host = Host::start(Durability::Disk, Duration::from_secs(2), limits);
    host.peer_comes();
    let mut client = host.connect();
    let pixel = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n";
    let text = String::from_utf8(asking_both("/pixels", "application/x-ndjson", b"")).unwrap();
    client.send(text.replace("Content-Length: 0", "Content-Length: 1000") + pixel);
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("durability")), (408, Some("disk")));
    assert_eq!(answer.json()["accepted"], 1);
    client.half_close().assert_end();
}

#[test]
fn a_level_in_letters_of_any_case_is_that_level() {
    let host = Host::start(Durability::Disk, LONG, Limits::default());
    host.peer_comes();
    let mut client = host.connect();
    client.send(at("BOTH", 1)).assert_silence(GLANCE);
    host.peer_has(Seq::MAX);
    assert_eq!(level(&mut client), kept(200, "both"));
    assert_eq!(level(client.send(at("Both", 1))), kept(200, "both"));
}

/// Requests that are met by an earlier one of the same name, or that find nothing left to do, and what they are answered.
fn repeated() -> [(Vec<u8>, u16); 3] {
    let keyed = |path: &str, body: &str| {
        let sent = asking_both(path, "application/json", body.as_bytes());
        let sent = String::from_utf8(sent).unwrap();
        sent.replacen("\r\n", "\r\nIdempotency-Key: a\r\n", 1).into_bytes()
    };
    let cut = "DELETE /pixels?before=2100-01-01T00:00:00Z HTTP/1.1\r\nHost: x\r\nDurability: both\r\n\r\n";
    [
        (keyed("/api/orders", r#"{"product":"car"}"#), 202),
        (keyed("/api/products", r#"{"name":"car"}"#), 201),
        (cut.as_bytes().to_vec(), 200),
    ]
}

/// Whoever was told 504 and sends the same again asks whether both hosts have it by now.
#[test]
fn what_an_earlier_request_has_done_is_confirmed_as_if_it_were_the_first() {
    for durability in [Durability::Memory, Durability::Disk, Durability::Both] {
        let host = Host::start(durability, SHORT, Limits::default());
        host.peer_comes();
        let mut first = host.connect();
        first.send(at("disk", 1)).answer();
        // An order that is sent again is answered 409 until it is done, and a clear up to a time waits for the peer's word itself.
        let [_, (sent, status), _] = repeated();
        let mut client = host.connect();
        assert_eq!(level(client.send(&sent)), kept(504, "disk"), "the first");
        assert_eq!(level(client.send(&sent)), kept(504, "disk"), "again");
        // A process that has logged nothing yet has not been confirmed anything, either.
        drop(client);
        let host = Host::start_in(host.into_directory(), durability, SHORT, Limits::default());
        host.peer_comes();
        let mut client = host.connect();
        assert_eq!(level(client.send(&sent)), kept(504, "disk"), "of an earlier process");
        let toys = host.connect().send(plain("GET", "/api/products?limit=9")).answer().json();
        assert_eq!(toys["total"], 3, "it is made once: {toys}");
        client.send(&sent);
        client.assert_silence(GLANCE);
        host.peer_has(host.committed());
        assert_eq!(level(&mut client), kept(status, "both"));
        host.peer_has(Seq::MAX);
        assert_eq!(level(client.send(&sent)), kept(status, "both"), "again");
        // Another body under the key is refused, and has nothing to wait for.
        let other = String::from_utf8(sent).unwrap().replace("car", "cat").into_bytes();
        assert_eq!(level(client.send(other)), kept(422, ""));
    }
}

#[test]
fn a_level_that_is_out_of_reach_is_refused_for_what_is_there_already() {
    let server = crate::process::Server::fresh(&["--durability", "memory", "--toys-order-ms", "0"]);
    for (sent, status) in repeated() {
        let at = |name: &str| {
            String::from_utf8(sent.clone())
                .unwrap()
                .replace("Durability: both", &format!("Durability: {name}"))
        };
        let mut client = server.connect();
        assert_eq!(level(client.send(at("memory"))), kept(status, "memory"));
        assert_eq!(level(client.send(at("disk"))), kept(status, "disk"), "it waits for a sync");
        assert_eq!(level(client.send(at("both"))), kept(503, ""));
        assert_eq!(level(client.send(at("all"))), kept(400, ""));
    }
}

/// "Do not send it again" needs the name of what was made, and what of a batch was not.
#[test]
fn an_answer_that_is_late_tells_what_was_made() {
    let host = Host::start(Durability::Disk, SHORT, Limits::default());
    host.peer_comes();
    let late = |path: &str, content_type: &str, body: &[u8]| {
        let answer = host.connect().send(asking_both(path, content_type, body)).answer();
        assert_eq!((answer.status, answer.field("durability")), (504, Some("disk")), "{path}");
        let told = answer.json();
        assert!(told["detail"].as_str().is_some_and(|text| text.contains("do not send it again")), "{told}");
        (told["stored"].clone(), answer.field("location").map(str::to_owned))
    };
    let (stored, _) = late("/pixels", "application/json", br#"[{"x":1,"y":1,"channel":"R","value":1},{}]"#);
    assert_eq!((&stored["accepted"], stored["rejected"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    let (stored, place) = late("/api/products", "application/json", br#"{"name":"car"}"#);
    assert_eq!((place, &stored["name"]), (Some(format!("/api/products/{}", stored["id"])), &"car".into()));
    let (stored, place) = late("/api/orders", "application/json", br#"{"product":"car"}"#);
    assert_eq!(place, stored["id"].as_str().map(|id| format!("/api/orders/{id}")));
    let server = Host::start(Durability::Both, SHORT, Limits::default());
    server.peer_comes();
    let mut client = server.connect();
    for _ in 0..2 {
        let usual = client.send(post_pixel(1, 2, 'R', 3)).answer();
        assert!(usual.status == 504 && usual.json()["detail"].is_string(), "{}", usual.text());
    }
}
