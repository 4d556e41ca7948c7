//! The processes that decode for a server: what a hostile picture costs, and what a restart does to those at work.

use crate::process;
use crate::thumbs;

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::ImageFormat;
use process::pair::await_that;
use process::{Server, free_address};
use rustix::process::{Pid, Signal, kill_process};
use thumbs::{bomb, end_of, get, picture, png, submit};

/// The numbers of a server's decoders, by its threads' children.
fn decoders_of(server: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{server}/task")).expect("a process");
    // A thread may end while this looks.
    let children =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    let numbers =
        children.iter().flat_map(|list| list.split_whitespace()).filter_map(|number| number.parse().ok());
    let is_decoder = |number: &u32| {
        fs::read_to_string(format!("/proc/{number}/comm")).is_ok_and(|name| name.trim_end() == "decoder")
    };
    numbers.filter(is_decoder).collect()
}

/// The most memory that a process had so far, KiB.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it is kept");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a figure");
    most.trim_end_matches("kB").trim().parse().expect("a number")
}

/// One chunk of a PNG.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut check = flate2::Crc::new();
    check.update(name);
    check.update(content);
    [&(content.len() as u32).to_be_bytes()[..], name, content, &check.sum().to_be_bytes()].concat()
}

/// So many MiB of zeros, compressed.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..mebibytes {
        encoder.write_all(&[0; 1 << 20]).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// A PNG of this size, 8 bits for each of three channels.
fn png_of(width: u32, height: u32, pixels: &[u8], more: &[u8]) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let chunks = [chunk(b"IHDR", &head), more.to_vec(), chunk(b"IDAT", pixels), chunk(b"IEND", &[])];
    [&b"\x89PNG\r\n\x1A\n"[..], &chunks.concat()].concat()
}

/// A small picture that says it has 7,000 x 7,000 pixels, as many as may be decoded.
fn inflated(format: ImageFormat) -> Vec<u8> {
    let mut bytes = picture(40, 30, 1, format);
    let find = |mark: &[u8]| bytes.windows(mark.len()).position(|found| found == mark).expect("a mark");
    let (big, little) = (7_000_u16.to_be_bytes(), 7_000_u16.to_le_bytes());
    let (at, size) = match format {
        ImageFormat::Jpeg => (find(&[0xFF, 0xC0]) + 5, [big, big].concat()),
        ImageFormat::Gif => (6, [little, little].concat()),
        ImageFormat::Bmp => (18, [little, [0; 2], little, [0; 2]].concat()),
        // Less one, in 14 bits each.
        _ => (find(b"VP8L") + 9, (6_999_u32 | 6_999 << 14).to_le_bytes().to_vec()),
    };
    bytes[at..at + size.len()].copy_from_slice(&size);
    bytes
}

#[test]
fn a_decompression_bomb_comes_to_its_end_in_little_memory() {
    // One decoder at a time, which is kept from picture to picture and tells the most that any of them took. On a busy
    // machine another one takes its place.
    let server = Server::fresh(&["--apps", "thumbs", "--thumbs-workers", "1", "--thumbs-deadline", "60s"]);
    let mut client = server.connect();
    let first = submit(&mut client, "image/png", &png(1));
    assert_eq!(end_of(&mut client, &first).status, 200);
    let profile = chunk(b"iCCP", &[b"x\0\0", &zeros(100)[..]].concat());
    for (what, content, status) in [
        ("says that it is huge", bomb(2), 400),
        ("has more bytes of pixels than that", png_of(5_000, 5_000, &zeros(72), &[]), 200),
        ("has more pixels than it says", png_of(900, 900, &zeros(100), &[]), 200),
        ("has a profile of 100 MiB", png_of(100, 100, &zeros(1), &profile), 200),
        ("is no PNG, which is decoded row by row", inflated(ImageFormat::Jpeg), 400),
        ("is a GIF", inflated(ImageFormat::Gif), 400),
        ("is a BMP", inflated(ImageFormat::Bmp), 400),
        ("is a WebP", inflated(ImageFormat::WebP), 400),
    ] {
        assert!(content.len() < 2 << 20, "{what}: {}", content.len());
        let id = submit(&mut client, "image/png", &content);
        let answer = end_of(&mut client, &id);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let is_dense = answer.text().contains("unpacks to more than is decoded of a file of its size");
        assert_eq!(is_dense, what.starts_with("is "), "{what}: {}", answer.text());
        let decoders = decoders_of(server.pid());
        assert_eq!(decoders.len(), 1, "{what}: it took so little that it may stay");
        let most = most_memory(decoders[0]);
        assert!(most < 64 << 10, "{what}: {most} KiB");
    }
    let metrics = get(&mut client, "/metrics");
    assert!(
        metrics.text().lines().any(|line| line == "pixeld_thumbs_attempts_total 9"),
        "{}",
        metrics.text()
    );
}

/// Ends the process that a hand-over left behind, which is no child of this one.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_restart_without_a_gap_loses_no_picture_that_a_decoder_is_at() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = ["--apps", "pixel,thumbs", "--thumbs-workers", "2", "--thumbs-deadline", "60s"];
    let mut server = Server::start(free_address(), directory.path(), &arguments);
    let mut client = server.connect();
    let ids: Vec<String> = (0..12)
        .map(|seed| submit(&mut client, "image/png", &picture(900, 700, seed, ImageFormat::Png)))
        .collect();
    await_that("a decoder at work", || decoders_of(server.pid()), |decoders| !decoders.is_empty());
    let pid_of = |server: &Server| get(&mut server.connect(), "/health").json()["pid"].as_u64();
    let before = pid_of(&server);
    server.signal(Signal::USR2);
    let after = await_that("the successor", || pid_of(&server), |pid| *pid != before);
    let after = after.and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a number");
    let _successor = Successor(after);
    let mut client = server.connect();
    for id in &ids {
        let answer = end_of(&mut client, id);
        assert_eq!(answer.json()["state"], "Completed", "{}", answer.text());
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
}
