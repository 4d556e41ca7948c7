//! `pixeld inspect` says "sound" only of what a start takes; an identity and a key that are damaged have a way back.

use crate::process;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::Output;

use crate::skip::skip;
use process::client::post_pixels;
use process::{ANY_PORT, Server, pixeld};
use rustix::process::Signal;

const PIXELS: u32 = 900_000;

fn serve(data: &Path) -> Server {
    Server::start(ANY_PORT, data, &["--segment-size", "4MiB", "--disk-reserve", "0B"])
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.stderr());
}

fn post(server: &Server) {
    let part = post_pixels(PIXELS / 9);
    for _ in 0..9 {
        assert_eq!(server.connect().send(&part).answer().status, 200);
    }
}

fn inspect(data: &Path) -> Output {
    pixeld(&["inspect"]).arg(data).output().expect("it runs")
}

fn reported(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refusal(data: &Path, more: &[&str]) -> String {
    let output =
        pixeld(&["serve", "--listen", "127.0.0.1:0"]).args(more).arg("--data-dir").arg(data).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", reported(&output));
    reported(&output)
}

#[test]
fn a_segment_may_be_a_link() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    let server = serve(&data);
    post(&server);
    stop(server);
    assert_eq!(inspect(&data).status.code(), Some(0));

    // A segment elsewhere, and a link to it in its place.
    let first = data.join("0000000001.seg");
    let elsewhere = parent.path().join("elsewhere");
    fs::rename(&first, &elsewhere).expect("moved");
    symlink(&elsewhere, &first).expect("linked");
    assert_eq!(inspect(&data).status.code(), Some(0), "{}", reported(&inspect(&data)));
    let server = serve(&data);
    assert_eq!(server.ask("GET", "/pixels/count", "").1, format!("{{\"total\":{PIXELS}}}"));
    stop(server);

    // One that leads nowhere is as good as none.
    fs::remove_file(&elsewhere).expect("removed");
    assert!(refusal(&data, &[]).contains("0000000001.seg"));
    assert_eq!(inspect(&data).status.code(), Some(1));
}

#[test]
fn an_identity_is_mended_from_the_segments() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    for _ in 0..3 {
        let server = serve(&data);
        assert_eq!(server.ask("POST", "/pixel", r#"{"x":1,"y":2,"channel":"R","value":3}"#).0, 200);
        stop(server);
    }
    let show = || reported(&pixeld(&["init", "--show", "--data-dir"]).arg(&data).output().expect("it runs"));
    let before = show();
    for gone in [false, true] {
        let path = data.join("identity");
        if gone {
            fs::remove_file(&path).expect("removed");
        } else {
            let mut bytes = fs::read(&path).expect("read");
            bytes[20] ^= 1;
            fs::write(&path, bytes).expect("written");
        }
        assert_eq!(inspect(&data).status.code(), Some(1));
        for more in [&[][..], &["--accept-loss"]] {
            let text = refusal(&data, more);
            assert!(text.contains("identity") && text.contains("pixeld init --mend"), "{text}");
        }
        let output = pixeld(&["init", "--mend", "--data-dir"]).arg(&data).output().expect("it runs");
        assert!(output.status.success(), "{}", reported(&output));
        assert_eq!(show(), before);
        assert_eq!(inspect(&data).status.code(), Some(0));
        let server = serve(&data);
        assert_eq!(server.ask("GET", "/pixels/count", "").1, "{\"total\":3}");
        stop(server);
    }
}

#[test]
fn a_damaged_key_stops_nobody_who_needs_none_and_the_remedy_is_named() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    stop(serve(&data));
    fs::write(data.join("peer.key"), "a riddle").expect("written");
    let server = serve(&data);
    assert!(server.stderr().contains("Move it away"), "{}", server.stderr());
    stop(server);
    let peer = ["--peer", "127.0.0.1:1", "--peer-key", &format!("sha256:{}", "ab".repeat(32))];
    assert!(refusal(&data, &peer).contains("Move it away"));
}

#[test]
fn a_directory_that_is_joining_is_under_way() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    stop(serve(&data));
    fs::write(data.join("joining"), "").expect("written");
    let output = inspect(&data);
    assert!(
        output.status.code() == Some(0) && reported(&output).contains("joining"),
        "{}",
        reported(&output)
    );
}

#[test]
fn what_root_makes_in_a_directory_is_its_owners() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    fs::create_dir(&data).expect("made");
    if chown(&data, Some(12345), Some(12346)).is_err() {
        skip("we may not give a directory away");
        return;
    }
    let output = pixeld(&["init", "--data-dir"]).arg(&data).output().expect("it runs");
    assert!(output.status.success(), "{}", reported(&output));
    stop(serve(&data));
    for entry in fs::read_dir(&data).expect("a directory") {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("a file");
        assert_eq!((meta.uid(), meta.gid()), (12345, 12346), "{:?}", entry.file_name());
    }
}
