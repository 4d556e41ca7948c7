//! A disk that refuses new files for another reason than room: `chattr +i` on the directory, which stops root too.

use crate::process;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::skip::skip;
use process::client::post_pixels;
use process::small_disk::{Kind, SmallDisk};
use process::{ANY_PORT, PATIENCE, Server};

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;

/// Lets nobody make or remove a file in a directory, or lets them again. False where there is no such thing.
fn set_fixed(directory: &Path, is_fixed: bool) -> bool {
    let how = if is_fixed { "+i" } else { "-i" };
    Command::new("chattr").arg(how).arg(directory).output().is_ok_and(|output| output.status.success())
}

fn await_that(what: &str, server: &Server, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} did not come: {}", server.stderr());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Uploads a tenth of a segment of pixels; gives the status, and how many were taken.
fn upload(server: &Server) -> (u16, u64) {
    let answer = server.connect().send_in_vain(post_pixels(40_000)).answer();
    match answer.field("content-type") {
        Some("application/json") => (answer.status, answer.json()["accepted"].as_u64().unwrap_or(0)),
        _ => (answer.status, 0),
    }
}

#[test]
fn files_that_cant_be_made_refuse_writes_once_the_segment_is_full() {
    let Some(disk) = SmallDisk::of(Kind::Ext4) else { return };
    let data = disk.data();
    let server = Server::start(ANY_PORT, &data, &["--segment-size", "4MiB", "--disk-reserve", "1MiB"]);
    await_that("the second segment", &server, || data.join("0000000002.seg").exists());
    if !set_fixed(&data, true) {
        skip("this file system has no files that can't be changed");
        return;
    }
    let mut taken = 0;
    let (refused, stored) = loop {
        assert!(taken < 2_000_000, "two segments hold less");
        let (status, accepted) = upload(&server);
        taken += accepted;
        if status != 200 {
            break (status, accepted);
        }
    };
    // One that is stopped half way is never 503, which says that nothing is stored.
    assert_eq!(refused, if stored > 0 { 507 } else { 503 }, "{stored} stored: {}", server.stderr());
    let (status, why) = server.ask("POST", "/pixel", PIXEL);
    assert!(status == 503 && why.contains("disk fault: ") && why.contains("segment 3"), "{status} {why}");
    let (status, why) = server.ask("GET", "/readyz", "");
    assert!(status == 503 && why.contains("disk fault: "), "{status} {why}");
    assert!(server.ask("GET", "/health", "").1.contains("\"writes_refused\":\"disk fault: "));
    let metrics = server.ask("GET", "/metrics", "").1;
    for line in ["pixeld_writes_refused{reason=\"disk_fault\"} 1", "pixeld_ready 0"] {
        assert!(metrics.lines().any(|found| found == line), "no {line}");
    }
    // Reads go on, and so do writes when the reason is gone, without a restart.
    assert_eq!(server.ask("GET", "/pixels/count", ""), (200, format!(r#"{{"total":{taken}}}"#)));
    assert!(set_fixed(&data, false));
    await_that("a write", &server, || server.ask("POST", "/pixel", PIXEL).0 == 200);
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    drop(server);
    let server = Server::start(ANY_PORT, &data, &[]);
    assert_eq!(server.ask("GET", "/pixels/count", "").1, format!(r#"{{"total":{}}}"#, taken + 1));
}
