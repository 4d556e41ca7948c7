//! The canvas over real sockets: its picture against the list, what watchers are told, restarts, and two hosts.

use std::time::Duration;

use crate::canvas_seen::{Cells, EVENTS, LIVE, Picture, Stream, field, shown};
use crate::process::client::{Answer, plain, request};
use crate::process::pair::{Pair, await_same, await_that};
use crate::process::{ANY_PORT, Server, pixeld};
use serde_json::Value;

fn get(server: &Server, path: &str) -> Answer {
    server.connect().send(plain("GET", path)).answer()
}

/// Asks for what the canvas shows until it has everything: a machine that is busy may be late, and has no drawing at all (503)
/// right after a start.
fn see(server: &Server, path: &str) -> Answer {
    let is_part = |answer: &Answer| {
        answer.status == 503
            || ["pixeld-behind", "pixeld-drawn"].iter().any(|name| answer.field(name).is_some())
    };
    await_that("the canvas", || get(server, path), |answer| !is_part(answer))
}

/// Returns pixels that overdraw each other around the corner of four tiles, and some far away.
fn pixels(count: u32, seed: u32) -> Vec<String> {
    let mut number = seed;
    let mut next = |most: u32| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 8) % most
    };
    let one = |_| {
        let (x, y) = (next(100) as i32 - 50, next(40) as i32 - 20);
        let channel = ['R', 'G', 'B'][next(3) as usize];
        format!("{{\"x\":{x},\"y\":{y},\"channel\":\"{channel}\",\"value\":{}}}", next(256))
    };
    (0..count).map(one).collect()
}

fn post(server: &Server, pixels: &[String]) {
    let body = format!("[{}]", pixels.join(","));
    let answer = server.connect().send(request("POST", "/pixels", "application/json", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Returns what the list comes to on a host that is alone: the last value of each channel of a cell.
fn of_list(server: &Server) -> Cells {
    let list = get(server, "/pixels").json();
    let mut cells = Cells::new();
    for pixel in list["data"].as_array().expect("a list") {
        let number = |name: &str| pixel[name].as_i64().expect("a number");
        let cell = cells.entry((number("x") as i32, number("y") as i32)).or_insert([0, 0, 0, 255]);
        let channel = ["R", "G", "B"].iter().position(|name| pixel["channel"] == *name).expect("a channel");
        cell[channel] = number("value") as u8;
    }
    cells
}

#[test]
fn the_picture_is_what_the_list_comes_to() {
    let server = Server::fresh(&["--durability", "memory"]);
    let empty = see(&server, "/canvas.json").json();
    assert_eq!(empty["bounds"], Value::Null);
    assert_eq!((&empty["pixels"], &empty["cells"], &empty["drawn"]), (&0.into(), &0.into(), &1.0.into()));
    assert_eq!(Picture::of(&see(&server, "/canvas.png")).rgba, [0; 4], "one transparent pixel");

    for (count, seed) in [(3, 1), (100, 2), (3_000, 3), (40, 4)] {
        post(&server, &pixels(count, seed));
        let cells = of_list(&server);
        let answer = see(&server, "/canvas.png");
        assert_eq!(shown(&answer), cells, "of {count}");
        let facts = see(&server, "/canvas.json").json();
        let xs: Vec<i32> = cells.keys().map(|(x, _)| *x).collect();
        assert_eq!(facts["bounds"]["x_min"], *xs.iter().min().unwrap());
        assert_eq!(facts["bounds"]["x_max"], *xs.iter().max().unwrap());
        assert_eq!(facts["cells"], cells.len());
        assert_eq!(facts["pixels"], get(&server, "/pixels/count").json()["total"]);
    }
    let cells = of_list(&server);
    let part = see(&server, "/canvas.png?x=-10&y=-5&w=30&h=11");
    let inside = |(x, y): &(i32, i32)| (-10..20).contains(x) && (-5..6).contains(y);
    let expected: Cells = cells.iter().filter(|(place, _)| inside(place)).map(|(p, c)| (*p, *c)).collect();
    assert_eq!(shown(&part), expected);
    let large = Picture::of(&see(&server, "/canvas.png?x=-1&y=-1&w=3&h=2&scale=5"));
    assert_eq!((large.width, large.height), (15, 10));
    let small = Picture::of(&see(&server, "/canvas.png?x=-4&y=-4&w=9&h=8&scale=1/4"));
    assert_eq!((small.width, small.height), (3, 2));
    for (x, y) in (0..15).flat_map(|x| (0..10).map(move |y| (x, y))) {
        let cell = cells.get(&(x as i32 / 5 - 1, y as i32 / 5 - 1)).copied().unwrap_or_default();
        assert_eq!(large.at(x, y), cell);
    }
    for (x, y) in (0..3).flat_map(|x| (0..2).map(move |y| (x, y))) {
        // The last column has one cell that was asked for.
        let columns = (0..4).map(|dx| x * 4 - 4 + dx).filter(|x| *x < 5);
        let square = columns.flat_map(|x| (0..4).map(move |dy| (x, y * 4 - 4 + dy)));
        let set: Vec<[u8; 4]> = square.filter_map(|place| cells.get(&place).copied()).collect();
        let mean = |channel: usize| {
            let sum: u32 = set.iter().map(|colour| u32::from(colour[channel])).sum();
            (sum / set.len().max(1) as u32) as u8
        };
        assert_eq!(
            small.at(x as u32, y as u32),
            [mean(0), mean(1), mean(2), if set.is_empty() { 0 } else { 255 }]
        );
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(Picture::of(&see(&server, "/canvas.png")).rgba, [0; 4]);
    assert_eq!(see(&server, "/canvas.json").json()["bounds"], Value::Null);
}

#[test]
fn a_picture_is_known_again_and_one_that_is_too_large_is_refused() {
    let server = Server::fresh(&["--durability", "memory"]);
    post(&server, &pixels(50, 9));
    let first = see(&server, "/canvas.png");
    let (etag, cursor) = (field(&first, "etag").to_owned(), field(&first, "pixeld-cursor").to_owned());
    assert_eq!(field(&first, "cache-control"), "no-cache");
    let again = format!("GET /canvas.png HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"other\", {etag}\r\n\r\n");
    let known = server.connect().send(&again).answer();
    assert_eq!((known.status, known.body.len(), known.field("etag")), (304, 0, Some(&*etag)));
    assert!(!cursor.is_empty());
    let head = server.connect().send(plain("HEAD", "/canvas.png")).head_answer();
    assert_eq!(field(&head, "etag"), etag);
    post(
        &server,
        &[
            "{\"x\":0,\"y\":0,\"channel\":\"R\",\"value\":7}".to_owned(),
            "{\"x\":0,\"y\":0,\"channel\":\"R\",\"value\":8}".to_owned(),
        ],
    );
    assert_eq!(server.connect().send(&again).answer().status, 200, "it has changed");

    let large = see(&server, "/canvas.png?w=5000&h=5000");
    assert_eq!(large.status, 422);
    assert!(large.json()["detail"].as_str().unwrap().ends_with("scale=1/2"), "{}", large.text());
    let wrong = see(&server, "/canvas.png?x=a&w=0&scale=1/65");
    assert_eq!((wrong.status, wrong.json()["detail"].as_array().unwrap().len()), (422, 3));
    let off = Server::fresh(&["--durability", "memory", "--canvas-memory", "0"]);
    for path in ["/canvas.png", "/canvas.json", "/canvas/live", "/events"] {
        assert_eq!(get(&off, path).status, 404, "{path}");
    }
}

#[test]
fn watchers_are_told_what_changes_and_come_back_without_a_gap() {
    let server = Server::fresh(&["--durability", "memory"]);
    post(&server, &pixels(100, 5));
    let picture = see(&server, "/canvas.png");
    let mut known = shown(&picture);
    let mut stream = Stream::open(
        server.address,
        &format!("/canvas/live?after={}", field(&picture, "pixeld-cursor")),
        LIVE,
    );
    post(&server, &pixels(200, 6));
    let cursor = stream.follow(&mut known, &of_list(&server));
    drop(stream);
    // What happens meanwhile is told first, and nothing of before.
    post(&server, &pixels(30, 7));
    server.ask("DELETE", "/pixels", "");
    post(&server, &pixels(10, 8));
    let wanted = of_list(&server);
    await_that("told", || see(&server, "/canvas.json").json(), |facts| facts["cursor"] != cursor.as_str());
    let mut stream = Stream::open(server.address, &format!("/canvas/live?after={cursor}"), LIVE);
    stream.follow(&mut known, &wanted);
    let mut fresh = Stream::open(server.address, "/canvas/live", LIVE);
    let alive = fresh.frame();
    assert_eq!((alive.kind, alive.pixels, alive.cells.len()), (3, 10, 0));
    for word in ["AgAAAA", "no-cursor", "AQAAAA"] {
        let mut lost = Stream::open(server.address, &format!("/canvas/live?after={word}"), LIVE);
        let reload = lost.frame();
        assert_eq!((reload.kind, &reload.cursor), (2, &alive.cursor));
    }
    let watchers = || {
        let metrics = server.ask("GET", "/metrics", "").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix("pixeld_canvas_watchers "));
        line.expect("a gauge").parse::<f64>().expect("a number")
    };
    await_that("the end of those that left", watchers, |count| *count <= 2.0);
    // A watcher is told the end of the stream when the server ends.
    server.signal(rustix::process::Signal::TERM);
    while fresh.chunk() {}
    fresh.client.assert_end();
}

#[test]
fn events_are_frames_in_words() {
    let server = Server::fresh(&["--durability", "memory"]);
    // Whoever comes before the canvas is drawn is told to load it once it is.
    see(&server, "/canvas.json");
    let mut stream = Stream::open(server.address, "/events", EVENTS);
    let hello = stream.event();
    assert!(hello.starts_with("retry: 1000\nid: "), "{hello}");
    post(&server, &["{\"x\":-3,\"y\":70,\"channel\":\"G\",\"value\":9}".to_owned()]);
    let event = stream.event();
    let value = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned).unwrap_or_else(|| panic!("no {name}: {event}"))
    };
    assert_eq!(value(&event, "event"), "cells");
    let data: Value = serde_json::from_str(&value(&event, "data")).expect("JSON");
    assert_eq!(data["cells"], serde_json::json!([[-3, 70, 0, 9, 0]]));
    assert_eq!((&data["pixels"], &data["forget"]), (&1.into(), &false.into()));
    let id = value(&event, "id");
    drop(stream);
    server.ask("DELETE", "/pixels", "");
    await_that("told", || see(&server, "/canvas.json").json(), |facts| facts["cursor"] != id.as_str());
    let head = format!("GET /events?after=old HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {id}\r\n\r\n");
    let mut client = server.connect();
    client.send(head);
    let mut text = String::new();
    while !text.contains("event: cells") || !text.ends_with("\n\n\r\n") {
        text += &String::from_utf8(client.take(1)).expect("letters");
    }
    assert!(text.contains("\"forget\":true,\"cells\":[]"), "{text}");
}

#[test]
fn what_was_drawn_is_there_again_after_a_restart_whatever_became_of_the_files() {
    let arguments = ["--durability", "disk", "--canvas-memory", "600KiB"];
    let server = Server::fresh(&arguments);
    post(&server, &pixels(2_000, 11));
    // Some hundred tiles, more than there is memory for.
    let far: Vec<String> = (0..300)
        .map(|at| {
            format!("{{\"x\":{},\"y\":{},\"channel\":\"B\",\"value\":{}}}", at * 640, -at * 64, at % 256)
        })
        .collect();
    post(&server, &far);
    let cells = of_list(&server);
    let whole = |server: &Server| {
        await_that("the whole", || see(server, "/canvas.json").json(), |facts| facts["drawn"] == 1.0)
    };
    let drawn = |server: &Server| {
        let facts = whole(server);
        assert_eq!((&facts["cells"], &facts["pixels"]), (&cells.len().into(), &2_300.into()));
        let mut all = shown(&see(server, "/canvas.png?x=-100&y=-100&w=200&h=200"));
        for at in 0..300 {
            let cell = format!("/canvas.png?x={}&y={}&w=1&h=1", at * 640, -at * 64);
            all.extend(shown(&get(server, &cell)));
        }
        assert_eq!(all, cells);
    };
    drawn(&server);
    let metrics = server.ask("GET", "/metrics", "").1;
    assert!(metrics.contains("pixeld_view_lag_records{view=\"canvas\"} 0\n"), "{metrics}");
    let in_scratch = metrics.lines().find_map(|line| line.strip_prefix("pixeld_canvas_scratch_tiles "));
    assert!(in_scratch.expect("a gauge").parse::<f64>().unwrap() > 200.0, "{in_scratch:?}");
    let server = server.kill_and_restart(&arguments);
    drawn(&server);
    // Others may remove or damage them while it runs, and between.
    std::fs::remove_file(server.data_dir().join("views/canvas.scratch")).expect("a scratch file");
    drawn(&server);
    let server = server.kill_and_restart(&arguments);
    let scratch = server.data_dir().join("views/canvas.scratch");
    drawn(&server);
    let cut = || {
        let file = std::fs::File::options().write(true).open(&scratch).expect("a scratch file");
        file.set_len(100).expect("cut");
    };
    cut();
    // Whoever looks finds it out, and nothing has to be written.
    await_that(
        "a drawing made again",
        || get(&server, "/canvas.png?x=0&y=-20000&w=200000&h=20000&scale=1/64").status,
        |status| *status == 200,
    );
    drawn(&server);
    // Again at once is no way out of it: a disk may fail each read.
    let stays_lost = || {
        cut();
        post(&server, &pixels(2_000, 11));
        std::thread::sleep(Duration::from_millis(500));
        get(&server, "/canvas.json").json()["drawn"] == 0.0
    };
    assert!((0..4).any(|_| stays_lost()), "it is drawn without end");
}

#[test]
fn both_hosts_show_the_same_picture_and_tell_their_watchers() {
    let pair = Pair::found();
    let (a, b) = pair.start(&["--durability", "disk"]);
    // A host that has joined a moment ago draws what it has then.
    await_that("a canvas", || get(&b, "/canvas.json").json()["drawn"].clone(), |drawn| *drawn == 1.0);
    let mut at_b = Stream::open(b.address, "/canvas/live", LIVE);
    assert_eq!(at_b.frame().kind, 3);
    let mut total = 0;
    for round in 0..5 {
        post(&a, &pixels(200, 20 + round));
        post(&b, &pixels(200, 40 + round));
        total += 400;
    }
    await_same(&a, &b, total);
    let same = |what: &str| {
        let pictures = [&a, &b].map(|server| see(server, "/canvas.png"));
        assert_eq!(pictures[0].body, pictures[1].body, "{what}");
        assert_eq!(pictures[0].field("etag"), pictures[1].field("etag"));
        shown(&pictures[1])
    };
    let cells = same("both draw");
    let mut known = Cells::new();
    at_b.follow(&mut known, &cells);
    server_clear(&a, &b);
    await_that("no pixel", || see(&b, "/canvas.json").json()["pixels"].clone(), |pixels| *pixels == 0);
    assert_eq!(same("both cleared").len(), 0);
    post(&a, &pixels(10, 99));
    await_same(&a, &b, 10);
    let cells = same("and again");
    at_b.follow(&mut known, &cells);
    at_b.client.assert_silence(Duration::from_millis(150));
    let other = field(&see(&a, "/canvas.png"), "pixeld-cursor").to_owned();
    let reload = Stream::open(b.address, &format!("/canvas/live?after={other}"), LIVE).frame();
    assert_eq!(reload.kind, 2, "a cursor of the other host");
}

fn server_clear(a: &Server, b: &Server) {
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(b.ask("DELETE", "/pixels", "").0, 200);
}

/// Pixels as the journal has them: one row from `x` on, each a value of red.
fn row(x: i32, y: i32, count: i32, value: u8) -> Vec<u8> {
    let record = |x: i32| [&[0x11, value][..], &x.to_le_bytes(), &y.to_le_bytes()].concat();
    (x..x + count).flat_map(record).collect()
}

fn post_row(server: &Server, row: &[u8]) {
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", row)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A time that is corrected behind a checkpoint makes it useless, and the canvas is begun again.
#[test]
fn a_corrected_time_behind_a_checkpoint_is_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(ANY_PORT, directory.path(), &[]);
    for y in 0..30 {
        post_row(&server, &row(0, y, 8_000, 1));
    }
    // Earlier than the first one from now on.
    post_row(&server, &row(0, 0, 10, 200));
    await_that(
        "a drawing",
        || see(&server, "/canvas.json").json()["pixels"].clone(),
        |pixels| *pixels == 240_010,
    );
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    assert!(directory.path().join("views/canvas.tiles").exists(), "a checkpoint");
    let told = pixeld(&["inspect"]).arg(directory.path()).output().expect("it runs");
    let told = String::from_utf8(told.stdout).expect("a text");
    let is_stream = |word: &&str| word.len() == 33 && word.as_bytes()[16] == b'/';
    let stream = told.split(|c: char| !c.is_ascii_hexdigit() && c != '/').find(is_stream).expect("a stream");
    let healed = pixeld(&[
        "heal-time",
        "--seq",
        "240001..240010",
        "--time",
        "1000000000",
        "--stream",
        stream,
        "--data-dir",
    ])
    .arg(directory.path())
    .output()
    .expect("it runs");
    assert!(healed.status.success(), "{}", String::from_utf8_lossy(&healed.stderr));
    let server = Server::start(ANY_PORT, directory.path(), &[]);
    await_that("the whole", || see(&server, "/canvas.json").json(), |facts| facts["drawn"] == 1.0);
    let cells = shown(&see(&server, "/canvas.png?x=0&y=0&w=20&h=2"));
    assert!(cells.len() == 40 && cells.values().all(|colour| colour[0] == 1), "{cells:?}");
}

#[test]
fn a_cell_tells_who_set_it_and_pictures_show_the_past() {
    let arguments = ["--durability", "disk", "--segment-size", "4MiB", "--disk-reserve", "0B"];
    let server = Server::fresh(&arguments);
    let cell = |query: &str| see(&server, &format!("/canvas/pixel?{query}")).json();
    post_row(&server, &row(0, 0, 10, 1));
    let first = cell("x=3&y=0");
    assert_eq!((&first["set"], &first["r"], &first["g"]), (&true.into(), &1.into(), &0.into()));
    assert_eq!((&first["channels"]["R"], &first["channels"]["B"]), (&first["time"], &Value::Null));
    let of_first = see(&server, "/canvas.png");
    post_row(&server, &row(-2, 0, 7, 2));
    let of_second = see(&server, "/canvas.png");
    let second = cell("x=3&y=0");
    assert_eq!(second["r"], 2);
    assert_eq!(
        cell("x=99&y=0"),
        serde_json::json!({
            "x": 99, "y": 0, "set": false, "r": 0, "g": 0, "b": 0, "time": null,
            "channels": {"R": null, "G": null, "B": null},
        })
    );
    let at = |moment: &str| get(&server, &format!("/canvas.png?at={moment}"));
    let cursor = || see(&server, "/canvas.json").json()["cursor"].as_str().expect("a cursor").to_owned();
    let cursor = await_that("a cursor behind it", cursor, |cursor| at(cursor).body == of_second.body);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    post_row(&server, &row(3, 0, 1, 3));
    let time = |cell: &Value| cell["time"].as_str().expect("a time").to_owned();
    assert_eq!(at(&time(&first)).body, of_first.body);
    assert_eq!(at(&time(&second)).body, of_second.body);
    assert_eq!(at(&cursor).body, of_second.body);
    assert_eq!(shown(&at(&time(&cell("x=3&y=0")))), of_list(&server), "the clear counts from its time on");
    assert_eq!(
        at("2001-01-01T00:00:00Z").body,
        see(&server, "/canvas.png?x=900&y=900&w=1&h=1").body,
        "nothing yet"
    );
    for wrong in ["yesterday", "2026-11-29", "AQAAAA"] {
        assert_eq!(at(wrong).status, 422, "{wrong}");
    }
    let history = cell("x=3&y=0&history=1");
    let told: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|one| (&one["value"], &one["listed"])).collect();
    assert_eq!(told, [(&3.into(), &true.into()), (&2.into(), &false.into()), (&1.into(), &false.into())]);
    assert_eq!(history["next"], Value::Null);

    // Many records in several segments, in parts.
    for _ in 0..3 {
        post_row(&server, &row(3, 0, 1, 4).repeat(350_000));
    }
    let parts = cell("x=3&y=0&history=1");
    assert_eq!(parts["history"].as_array().unwrap().len(), 1_000);
    let next = parts["next"].as_str().expect("more");
    let more = cell(&format!("x=3&y=0&before={next}"));
    assert_eq!(more["history"][999]["value"], 4);
    let beside = cell("x=-2&y=0&history=1");
    assert_eq!((beside["history"].as_array().unwrap().len(), &beside["next"]), (1, &Value::Null));
    assert_eq!(get(&server, "/canvas/pixel?x=3").status, 422);

    // What a clear lets go can't be shown any more.
    let clear = server.ask("DELETE", "/pixels", "");
    assert_eq!(clear.0, 200);
    let gone = await_that("segments that go", || at(&time(&second)), |answer| answer.status == 410);
    let earliest = gone.json()["earliest"].as_str().expect("a time").to_owned();
    assert_eq!(shown(&at(&earliest)), Cells::new(), "the clear itself");
}
