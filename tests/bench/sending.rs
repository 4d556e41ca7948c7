//! `pixeld send` with servers that don't answer and files that are no pictures.

use crate::measured::{OK, Reply, serve, serve_by_head};
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A picture of two pixels in Windows' bitmap format.
fn picture(folder: &TempDir) -> PathBuf {
    let mut bytes = b"BM\x3e\0\0\0\0\0\0\0\x36\0\0\0".to_vec();
    bytes.extend([40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
    bytes.extend([0; 16]);
    bytes.extend([1, 2, 3, 4, 5, 6, 0, 0]);
    let path = folder.path().join("p.bmp");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Runs it; fails if it takes longer than anyone who said two seconds would wait.
fn send(arguments: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pixeld"))
        .env_remove("PIXELD_COMMIT")
        .arg("send")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("still there after 20 s: {arguments:?}");
        }
        sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Sends a byte of an answer now and then, for ever.
fn dribbling() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
                while stream.write_all(b"y").is_ok() {
                    sleep(Duration::from_millis(200));
                }
            });
        }
    });
    url
}

#[test]
fn patience_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let picture = picture(&folder).display().to_string();
    let silent = format!("http://{}", serve(|_, _| Reply::Bytes(Vec::new())));
    let unlisting = format!(
        "http://{}",
        serve_by_head(|head, _, _| Reply::Bytes(if head.starts_with("POST") {
            OK.to_vec()
        } else {
            Vec::new()
        }))
    );
    let unaccepting = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("http://{}", unaccepting.local_addr().unwrap());
    for url in [silent, dribbling(), unlisting, deaf] {
        let (code, said) = send(&[&picture, &url, "--patience", "2s", "-c", "1"]);
        assert_eq!(code, 1, "{url}: {said}");
        assert!(said.contains("no answer") || said.contains("read back"), "{said}");
    }
}

#[test]
fn a_file_that_is_no_picture_is_a_wrong_command() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    for file in [
        write("script.sh", b"#!/bin/sh\necho\n"),
        write("text.png", b"hello"),
        write("empty.jpg", b""),
        write("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        folder.path().join("missing.png").display().to_string(),
        folder.path().display().to_string(),
    ] {
        let (code, said) = send(&[&file, "http://127.0.0.1:1", "--patience", "1s"]);
        assert_eq!(code, 2, "{file}: {said}");
        assert!(said.contains("cannot be sent") && !said.contains("extension"), "{said}");
    }
}
