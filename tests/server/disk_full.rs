//! A full disk: writes are refused with 507, reads go on, and it recovers by itself. On a small tmpfs of its own.

use crate::process;

use std::path::Path;
use std::time::{Duration, Instant};

use process::small_disk::SmallDisk;
use process::{ANY_PORT, PATIENCE, Server};

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;

fn start(data: &Path) -> Server {
    Server::start(ANY_PORT, data, &["--segment-size", "8MiB", "--disk-reserve", "1MiB"])
}

/// Uploads until one is refused; gives how many pixels were taken before.
fn fill(server: &Server) -> u64 {
    let body: Vec<u8> = (0..100_000_u32).flat_map(|n| [0x11, 7, n as u8, 0, 0, 0, 0, 0, 0, 0]).collect();
    let head = format!(
        "POST /pixels HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.pixeld\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (started, mut taken) = (Instant::now(), 0);
    loop {
        let mut client = server.connect();
        client.send_in_vain(&head).send_in_vain(&body);
        match client.answer().status {
            200 => taken += 100_000,
            507 => return taken,
            status => panic!("{status} from a disk that fills"),
        }
        assert!(started.elapsed() < PATIENCE, "40 MB take less");
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
