//! `pixeld film`: each frame against `canvas.png?at=` of its moment, from a directory and from a server, of one host and the other;
//! and that no film is left that is not whole.

use std::path::Path;
use std::process::Output;

use image::AnimationDecoder;
use serde_json::Value;

use crate::process::client::request;
use crate::process::pair::{Pair, await_same, await_that};
use crate::process::small_disk::SmallDisk;
use crate::process::{Server, pixeld};

/// Pixels that overdraw each other around the corner of four tiles, as a body of POST /pixels.
fn post(server: &Server, count: u32, seed: u32) {
    let mut number = seed;
    let mut next = |most: u32| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 8) % most
    };
    let mut body = Vec::new();
    for _ in 0..count {
        body.extend_from_slice(&[0x11 + next(3) as u8, next(6) as u8 * 50]);
        body.extend_from_slice(&(next(30) as i32 - 15).to_le_bytes());
        body.extend_from_slice(&(next(20) as i32 - 10).to_le_bytes());
    }
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn film(arguments: &[&str]) -> Output {
    pixeld(&["film"]).args(arguments).output().expect("the binary starts")
}

fn made(arguments: &[&str]) -> String {
    let output = film(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

fn refused(arguments: &[&str], code: i32, part: &str) {
    let output = film(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(part), "no {part:?} in {stderr}");
}

fn facts(server: &Server) -> Value {
    server.connect().send("GET /canvas/past HTTP/1.1\r\nHost: x\r\n\r\n").answer().json()
}

/// Width, height and pixels of a picture.
type Pixels = (u32, u32, Vec<u8>);

fn pixels(bytes: &[u8]) -> Pixels {
    let picture = image::load_from_memory(bytes).expect("a picture").into_rgba8();
    (picture.width(), picture.height(), picture.into_raw())
}

/// Microseconds of a moment in RFC 3339, as the server writes it: with six digits, in UTC.
fn microseconds(moment: &str) -> u64 {
    pixeld::http::moment::read_us(moment).expect("a moment")
}

const FPS: u64 = 20;

/// How fast a film of a second at most is, in whole seconds for each of its own: so it has few frames on a slow machine, too.
fn speed(from: &str, to: &str) -> u64 {
    (microseconds(to) - microseconds(from)).div_ceil(1_000_000)
}

/// What the server shows of each moment of such a film.
fn shown(server: &Server, from: &str, to: &str, area: &str) -> Vec<Pixels> {
    let (from_us, to_us) = (microseconds(from), microseconds(to));
    let step_us = 1_000_000 / FPS * speed(from, to);
    let moments = (0..).map(|frame: u64| from_us + frame * step_us).take_while(|at_us| *at_us < to_us);
    let picture = |at_us: u64| {
        let path = format!("/canvas.png?at={}&{area}", pixeld::http::date::rfc3339(at_us));
        let answer = server.connect().send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).answer();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        pixels(&answer.body)
    };
    moments.chain([to_us]).map(picture).collect()
}

/// The frames of a film that was made of pictures.
fn frames(directory: &Path) -> Vec<Pixels> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("a file").path())
        .collect();
    names.sort();
    names.iter().map(|name| pixels(&std::fs::read(name).expect("a file"))).collect()
}

/// The frames of a file, each as often as it is shown for the time of one.
fn played<'a>(film: impl AnimationDecoder<'a>) -> Vec<Pixels> {
    let frame = |frame: image::Frame| {
        let (milliseconds, divisor) = frame.delay().numer_denom_ms();
        let mut picture = frame.into_buffer();
        picture.pixels_mut().filter(|pixel| pixel.0[3] == 0).for_each(|pixel| pixel.0 = [0; 4]);
        let shown = (picture.width(), picture.height(), picture.into_raw());
        vec![shown; (milliseconds / divisor / 50) as usize]
    };
    film.into_frames().flat_map(|one| frame(one.expect("a frame"))).collect()
}

#[test]
fn each_frame_is_the_picture_of_its_moment() {
    let pair = Pair::found();
    let arguments = ["--durability", "disk"];
    let (a, b) = pair.start(&arguments);
    post(&a, 300, 1);
    post(&b, 300, 2);
    await_same(&a, &b, 600);
    let pause = || std::thread::sleep(std::time::Duration::from_millis(200));
    pause();
    let middle = facts(&a)["to"].as_str().expect("a time").to_owned();
    pause();
    post(&a, 200, 3);
    post(&b, 50, 4);
    await_same(&a, &b, 850);
    // What was kept before a moment goes, then everything that one host knows of, while the other one writes.
    assert_eq!(a.ask("DELETE", &format!("/pixels?before={middle}"), "").0, 200);
    pause();
    post(&b, 30, 5);
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    post(&b, 30, 6);
    drop(b);
    let b = pair.b.start(&pair.a, &arguments);
    pause();
    post(&b, 100, 7);
    post(&a, 100, 8);
    let both = || (facts(&a), facts(&b));
    let (known, _) = await_that("the same on both", both, |(a, b)| a == b && a["pixels"] == 1_110);
    let (from, to) = (known["from"].as_str().expect("a time"), known["to"].as_str().expect("a time"));

    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let film = |from_where: &str, name: &str, from: &str, more: &[&str]| {
        let speed = speed(from, to).to_string();
        let usual = [from_where, "--out", name, "--fps", "20", "--speed", &speed, "--from", from];
        made(&[&usual[..], more].concat())
    };
    for (host, server) in [(&pair.a, &a), (&pair.b, &b)] {
        let expected = shown(server, from, to, "x=-15&y=-10&w=30&h=20&scale=2");
        assert!(expected.len() > 3 && expected.windows(2).any(|two| two[0] != two[1]));
        let dir = host.data_dir.to_str().expect("a path");
        let url = format!("http://{}", server.address);
        for (source, name) in [(dir, "d"), (&*url, "u")] {
            let folder = place(name);
            std::fs::create_dir(&folder).expect("a directory");
            let said = film(source, &format!("{folder}/%04d.png"), from, &["--size", "75x45"]);
            assert!(said.contains(&format!("{} frames of 60 x 40", expected.len())), "{said}");
            assert!(frames(Path::new(&folder)) == expected, "the frames of {source}");
            std::fs::remove_dir_all(&folder).expect("it goes");
        }
        film(dir, &place("x.gif"), from, &["--size", "75x45"]);
        let open = |name: &str| std::io::Cursor::new(std::fs::read(place(name)).expect("a film"));
        assert!(played(image::codecs::gif::GifDecoder::new(open("x.gif")).expect("a GIF")) == expected);
        film(dir, &place("x.apng"), from, &["--size", "75x45"]);
        let apng =
            image::codecs::png::PngDecoder::new(open("x.apng")).expect("a PNG").apng().expect("animated");
        assert!(played(apng) == expected);
        // A part of the time, smaller than a pixel for each cell, and a part of the canvas.
        let part = ["--area", "-15,-10,17,20", "--size", "10x10"];
        let folder = place("p");
        std::fs::create_dir(&folder).expect("a directory");
        film(dir, &format!("{folder}/%02d.png"), &middle, &part);
        assert!(frames(Path::new(&folder)) == shown(server, &middle, to, "x=-15&y=-10&w=17&h=20&scale=1/2"));
        std::fs::remove_dir_all(&folder).expect("it goes");
    }
}

#[test]
fn a_film_begins_where_the_journal_does_and_says_so() {
    let server = Server::fresh(&["--durability", "disk", "--segment-size", "4MiB", "--disk-reserve", "0B"]);
    let dir = server.data_dir().to_str().expect("a path").to_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("a.gif").to_str().expect("a path").to_owned();
    let url = format!("http://{}", server.address);
    for source in [&dir, &url] {
        refused(&[source, "--out", &out], 1, "no pixels");
    }
    post(&server, 10, 1);
    let first = facts(&server)["from"].as_str().expect("a time").to_owned();
    post(&server, 1_000_000, 2);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    post(&server, 10, 3);
    // All that can go: what is left is the segment that is written to, and the spare one.
    let segments = || {
        let names = std::fs::read_dir(&dir).expect("a directory").flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".seg")).count()
    };
    await_that("segments that go", segments, |left| *left <= 2);
    let earliest = facts(&server)["from"].as_str().expect("a time").to_owned();
    assert_ne!(earliest, first);
    for source in [&dir, &url] {
        let said = made(&[source, "--out", &out, "--from", &first, "--fps", "1", "--speed", "1000"]);
        let note = format!("nothing before {earliest} can be shown: the film begins there\n");
        assert!(said.starts_with(&note) && said.contains(&format!("from {earliest} to ")), "{said}");
        refused(&[source, "--out", &out, "--to", &first], 1, &format!("can be shown is {earliest}"));
    }
    let (later, earlier) = ("2099-01-02T00:00:00Z", "2099-01-01T00:00:00Z");
    refused(&[&dir, "--out", &out, "--from", later, "--to", earlier], 2, "--from");
}

#[test]
fn what_is_not_whole_has_no_name() {
    let server = Server::fresh(&["--durability", "disk"]);
    let dir = server.data_dir().to_str().expect("a path").to_owned();
    for seed in 0..5 {
        post(&server, 4_000, seed);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let left = || std::fs::read_dir(directory.path()).expect("a directory").count();
    refused(&[&dir, "--out", &place("x.mp4")], 2, "NAME.gif");
    refused(&[&dir, "--out", &place("x.png")], 2, "frames/%05d.png");
    refused(&[&dir, "--out", &place("none/x.gif")], 1, "make it");
    refused(&[&dir, "--out", &place("x.gif"), "--fps", "60"], 2, "--fps 50");
    refused(&[&dir, "--out", &place("x.gif"), "--size", "5"], 2, "1280x720");
    refused(&[&dir, "--out", &place("x.gif"), "--from", "1y"], 2, "RFC 3339");
    refused(&[&place("none"), "--out", &place("x.gif")], 1, "opening the directory");
    refused(&[&place(""), "--out", &place("x.gif")], 1, "not a data directory");
    refused(&["http://127.0.0.1:1", "--out", &place("x.gif")], 1, "is `pixeld serve` running there?");
    refused(&[&dir, "--out", "/dev/null"], 2, "NAME.gif");
    std::fs::create_dir(place("d.gif")).expect("a directory");
    refused(&[&dir, "--out", &place("d.gif")], 1, "is no file");
    assert_eq!(left(), 1, "nothing but that directory");

    // A far pixel makes the canvas too large for any size; a part of it is not.
    let far = b"\x11\x01\xff\xff\xff\x7f\xff\xff\xff\x7f";
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", far)).answer();
    assert_eq!(answer.status, 200);
    refused(&[&dir, "--out", &place("x.gif")], 2, "--area");
    made(&[&dir, "--out", &place("x.gif"), "--area", "-15,-10,30,20"]);
    let film = std::fs::read(place("x.gif")).expect("a film");
    assert!(film.starts_with(b"GIF89a") && left() == 2);

    // An old film stays unless the new one is whole.
    let segment = Path::new(&dir).join("0000000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[60_000] ^= 1;
    std::fs::write(&segment, bytes).expect("it is there");
    refused(&[&dir, "--out", &place("x.gif"), "--area", "-15,-10,30,20"], 1, "0000000001.seg");
    assert!(std::fs::read(place("x.gif")).expect("a film") == film && left() == 2);
}

#[test]
fn a_full_disk_leaves_nothing_of_a_film() {
    let Some(disk) = SmallDisk::new() else { return };
    let server = Server::fresh(&["--durability", "disk"]);
    post(&server, 100_000, 1);
    let dir = server.data_dir().to_str().expect("a path").to_owned();
    let place = disk.data();
    let place = place.parent().expect("a directory");
    let left = || std::fs::read_dir(place).expect("a directory").count();
    disk.fill();
    let filled = left();
    for name in ["x.gif", "x.apng", "%d.png"] {
        let out = place.join(name).to_str().expect("a path").to_owned();
        refused(&[&dir, "--out", &out, "--area", "-15,-10,30,20"], 1, "free space");
        assert_eq!(left(), filled, "{name}");
    }
}
