//! A photograph is sent while the server is killed with -9 and started again, and comes back bit for bit.

use crate::process;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use process::{PATIENCE, Server, free_address, pixeld};

/// The photograph that `scripts/test` brings along; without it a made one, with as much variety.
fn photograph(directory: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("ASTRONAUT_PNG") {
        return path.into();
    }
    println!(
        "ASTRONAUT_PNG is not set (scripts/test does so): sending a made picture instead of a photograph"
    );
    let path = directory.join("made.png");
    let (width, height) = (192u32, 192u32);
    let byte =
        |number: u32| u8::try_from(number.wrapping_mul(2_654_435_761).rotate_left(9) >> 24).expect("a byte");
    let bytes: Vec<u8> = (0..width * height * 3).map(byte).collect();
    image::save_buffer(&path, &bytes, width, height, image::ColorType::Rgb8).expect("a file");
    path
}

fn stored(server: &Server) -> u64 {
    let (status, body) = server.ask("GET", "/pixels/count", "");
    assert_eq!(status, 200, "{body}");
    let count: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    count["total"].as_u64().expect("a number")
}

#[test]
fn a_photograph_survives_kill_9_in_the_middle() {
    let directory = tempfile::tempdir().expect("a directory");
    let (address, data) = (free_address(), directory.path().join("data"));
    let picture = photograph(directory.path());
    let total = pixeld_bench::send::picture::Picture::open(&picture).expect("a picture").samples();
    let mut server = Server::start(address, &data, &["--durability", "disk"]);
    let url = format!("http://{address}");
    let transfer = pixeld(&["send", picture.to_str().expect("a path"), &url, "--patience", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    for part in 1..=3 {
        let mut waited = Duration::ZERO;
        while stored(&server) < total * part / 4 {
            sleep(Duration::from_millis(5));
            waited += Duration::from_millis(5);
            assert!(waited < PATIENCE, "the transfer makes no progress: {}", server.stderr());
        }
        drop(server); // kill -9
        server = Server::start(address, &data, &["--durability", "disk"]);
    }
    let output = transfer.wait_with_output().expect("it ends");
    let (report, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{report}{errors}");
    assert!(report.contains("identical: every pixel came back with its value"), "{report}{errors}");
    assert!(!report.contains(" 0 reconnects"), "it was killed before the end: {report}");
    assert!(stored(&server) >= total);
}
