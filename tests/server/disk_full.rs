//! A full disk: writes are refused with 507, reads go on, and it recovers by itself. On a small tmpfs of its own.

use crate::process;

use std::path::Path;
use std::time::{Duration, Instant};

use process::client::{Answer, post_pixels, request};
use process::small_disk::SmallDisk;
use process::{ANY_PORT, PATIENCE, Server};
use rustix::process::Signal;

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;

fn start(data: &Path) -> Server {
    Server::start(ANY_PORT, data, &["--segment-size", "8MiB", "--disk-reserve", "1MiB"])
}

/// Uploads until one is refused; gives how many pixels were taken before.
fn fill(server: &Server) -> u64 {
    let upload = post_pixels(100_000);
    let (started, mut taken) = (Instant::now(), 0);
    loop {
        let answer = server.connect().send_in_vain(&upload).answer();
        match answer.status {
            200 => taken += 100_000,
            507 => return taken + accepted(&answer),
            status => panic!("{status} from a disk that fills"),
        }
        assert!(started.elapsed() < PATIENCE, "40 MB take less");
    }
}

/// How many pixels an answer says are stored; one that refuses a request from the beginning says nothing of it.
fn accepted(answer: &Answer) -> u64 {
    match answer.field("content-type") {
        Some("application/json") => answer.json()["accepted"].as_u64().expect("a number"),
        _ => 0,
    }
}

fn post_until(server: &Server, wanted: u16) -> Duration {
    let started = Instant::now();
    while server.ask("POST", "/pixel", PIXEL).0 != wanted {
        assert!(started.elapsed() < PATIENCE, "still not {wanted}: {}", server.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

fn count(server: &Server) -> String {
    server.ask("GET", "/pixels/count", "").1
}

#[test]
fn a_full_disk_refuses_writes_and_comes_back() {
    let Some(disk) = SmallDisk::new() else { return };
    let server = start(&disk.data());
    let taken = fill(&server);
    assert!(taken >= 1_000_000, "40 MB hold more than {taken} pixels");
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 507);
    assert_eq!(count(&server), format!("{{\"total\":{taken}}}"));
    let list = server.ask("GET", "/pixels?limit=2", "");
    assert_eq!(list.0, 200, "reads go on");
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);

    // A restart on the full disk finds everything, and still refuses.
    drop(server);
    let server = start(&disk.data());
    assert_eq!(count(&server), format!("{{\"total\":{taken}}}"));
    post_until(&server, 507);

    // A clear is taken, and what it frees lets writes in again.
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    post_until(&server, 200);
    assert_eq!(count(&server), "{\"total\":1}");
    drop(server);
    assert_eq!(count(&start(&disk.data())), "{\"total\":1}");
}

#[test]
fn a_full_disk_is_given_back_by_what_is_not_kept() {
    for is_kept in [true, false] {
        let Some(disk) = SmallDisk::new() else { return };
        let server = start(&disk.data());
        let taken = fill(&server);
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 507);
        let server = if is_kept {
            drop(server);
            let keep = ["--segment-size", "8MiB", "--disk-reserve", "1MiB", "--keep", "pixel=1000"];
            Server::start(ANY_PORT, &disk.data(), &keep)
        } else {
            let answer = server.ask("DELETE", "/pixels?before=2101-01-01T00:00:00Z", "");
            assert_eq!(answer.0, 200, "{}", answer.1);
            server
        };
        let left = || -> u64 {
            count(&server).trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
        };
        let started = Instant::now();
        while left() > 1_000 {
            assert!(started.elapsed() < PATIENCE, "{} of {taken}", left());
            std::thread::sleep(Duration::from_millis(10));
        }
        post_until(&server, 200);
    }
}

#[test]
fn space_that_others_took_is_waited_for() {
    let Some(disk) = SmallDisk::new() else { return };
    let server = start(&disk.data());
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    // Another program fills the disk down to below the reserve.
    disk.fill_up_to(1 << 16);
    post_until(&server, 507);
    let full = count(&server);
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 507);
    assert_eq!(count(&server), full, "what was refused is not there");
    disk.make_room();
    let back = post_until(&server, 200);
    println!("back after {back:?}");
    assert_ne!(count(&server), full);
}

/// A body of about 16 MiB, in one of the three forms.
fn large(content_type: &str) -> Vec<u8> {
    let line = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}";
    match content_type {
        "application/vnd.pixeld" => [0x11, 3, 1, 0, 0, 0, 2, 0, 0, 0].repeat((16 << 20) / 10),
        "application/x-ndjson" => format!("{line}\n").repeat(400_000).into_bytes(),
        _ => format!("[{}{line}]", format!("{line},").repeat(399_999)).into_bytes(),
    }
}

#[test]
fn a_batch_that_meets_the_full_disk_half_way_is_answered_with_how_much_is_stored() {
    for content_type in ["application/vnd.pixeld", "application/x-ndjson", "application/json"] {
        for durability in ["disk", "memory"] {
            let Some(disk) = SmallDisk::new() else { return };
            let level = ["--segment-size", "8MiB", "--disk-reserve", "1MiB", "--durability", durability];
            let mut server = Server::start(ANY_PORT, &disk.data(), &level);
            let body = large(content_type);
            let whole = request("POST", "/pixels", content_type, &body);
            let (mut stored, mut halves) = (0, 0);
            while halves == 0 {
                let mut client = server.connect();
                let answer = client.send_in_vain(&whole).answer();
                if answer.status == 200 {
                    stored += accepted(&answer);
                    continue;
                }
                let accepted = accepted(&answer);
                assert_eq!((answer.status, answer.closes()), (507, true), "{}", answer.text());
                assert!(accepted > 0, "the body is larger than what is between two looks: {}", answer.text());
                assert_eq!(answer.field("durability"), Some(durability));
                assert!(answer.json()["detail"].as_str().is_some_and(|text| text.contains("are stored")));
                (stored, halves) = (stored + accepted, halves + 1);
            }
            assert_eq!(count(&server), format!("{{\"total\":{stored}}}"), "{content_type} {durability}");
            // From its beginning on it is refused as ever.
            let answer = server.connect().send_in_vain(&whole).answer();
            assert_eq!((answer.status, accepted(&answer), answer.field("durability")), (507, 0, None));
            server.signal(Signal::TERM);
            assert!(server.wait().success(), "nothing is left that could not be committed");
            assert_eq!(count(&start(&disk.data())), format!("{{\"total\":{stored}}}"), "after a restart");
        }
    }
}

/// The disk is full before the body's end, and the server is told to stop: the client is answered before that.
#[test]
fn a_batch_on_a_full_disk_is_answered_before_a_stop() {
    let Some(disk) = SmallDisk::new() else { return };
    let mut server = start(&disk.data());
    let line = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n";
    let mut client = server.connect();
    let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n";
    client.send(head).send(line.repeat(1_000));
    let started = Instant::now();
    while count(&server) != "{\"total\":1000}" {
        assert!(started.elapsed() < PATIENCE, "they are logged as they come");
    }
    disk.fill_up_to(1 << 16);
    post_until(&server, 507);
    server.signal(Signal::TERM);
    client.send_in_vain(line.repeat(10));
    let answer = client.answer();
    assert_eq!((answer.status, accepted(&answer), answer.field("durability")), (507, 1_000, Some("disk")));
    client.half_close();
    assert!(server.wait().success());
}
