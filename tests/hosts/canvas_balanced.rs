//! The canvas behind nginx with `scripts/nginx.conf`: watchers whose host is killed are told to load the picture again, go on at the
//! other one, and miss nothing; so does the page in a real browser.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::balancer::{Balancer, CONFIGURATION};
use crate::browser::Browser;
use crate::canvas_seen::{Cells, Stream, shown};
use crate::process::client::{Client, Next, plain, post_pixel};
use crate::process::pair::{Pair, await_connected, await_that, count};
use crate::process::{PATIENCE, Server};

const WRITERS: i32 = 3;
/// What is drawn last: whoever has seen it has seen everything.
const LAST: (i32, i32) = (120, 0);
/// Letters of a cursor that say whose it is.
const HOST_LETTERS: usize = 12;
/// Pictures that are asked for until one comes from the stream's host, which may have gone.
const TRIES: usize = 100;

/// Pixels that were acknowledged, as cells.
#[derive(Default)]
struct Writes {
    stop: AtomicBool,
    next: AtomicI32,
    acked: Mutex<Vec<(i32, i32)>>,
}

impl Writes {
    /// Sets cells that nobody else sets, one after the other.
    fn run(&self, address: SocketAddr) {
        let mut client = Client::connect(address);
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let cell = (number % 100, number / 100);
            match client.send_in_vain(post_pixel(cell.0, cell.1, 'G', 7)).next(false) {
                Next::Answer(answer) if answer.status == 200 => self.acked.lock().expect("a lock").push(cell),
                _ => client = Client::connect(address),
            }
            // So that there is time for many frames.
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn wait_for(&self, more: usize) {
        let now = || self.acked.lock().expect("a lock").len();
        let before = now();
        await_that("writes", now, |now| *now >= before + more);
    }
}

/// Somebody who keeps a picture of the canvas as docs/canvas.md says.
#[derive(Default)]
struct Watcher {
    cells: Cells,
    cursor: String,
    /// How often it was told to load the picture.
    reloads: usize,
}

impl Watcher {
    /// Follows frames until the last pixel is there.
    fn follow_frames(mut self, address: SocketAddr) -> Self {
        loop {
            let path = format!("/canvas/live?after={}", self.cursor);
            let mut stream = Stream::ask(Client::connect(address), &plain("GET", &path));
            while let Some(frame) = stream.as_mut().and_then(Stream::next_frame) {
                self.cursor.clone_from(&frame.cursor);
                if frame.kind == 2 && !self.load(address) {
                    break;
                }
                frame.apply(&mut self.cells);
                if self.cells.contains_key(&LAST) {
                    return self;
                }
            }
        }
    }

    /// The same with events.
    fn follow_events(mut self, address: SocketAddr) -> Self {
        loop {
            let request =
                format!("GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {}\r\n\r\n", self.cursor);
            let mut stream = Stream::ask(Client::connect(address), request.as_bytes());
            while let Some(event) = stream.as_mut().and_then(Stream::next_event) {
                let value = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                if let Some(id) = value("id: ") {
                    id.clone_into(&mut self.cursor);
                }
                match value("event: ") {
                    Some("reload") if !self.load(address) => break,
                    Some("cells") => self.take(value("data: ").expect("cells")),
                    _ => {}
                }
                if self.cells.contains_key(&LAST) {
                    return self;
                }
            }
        }
    }

    /// Takes the cells of an event.
    fn take(&mut self, data: &str) {
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["forget"], false);
        for cell in data["cells"].as_array().expect("a list") {
            let number = |at: usize| cell[at].as_i64().expect("a number");
            let colour = [2, 3, 4].map(|at| number(at) as u8);
            self.cells.insert((number(0) as i32, number(1) as i32), [colour[0], colour[1], colour[2], 255]);
        }
    }

    /// Loads the picture of the host whose stream it is; gives whether there was one.
    fn load(&mut self, address: SocketAddr) -> bool {
        self.reloads += 1;
        for _ in 0..TRIES {
            let mut client = Client::connect(address);
            if let Next::Answer(answer) = client.send_in_vain(plain("GET", "/canvas.png")).next(false)
                && answer.status == 200
                && answer.field("pixeld-drawn").is_none()
                && answer.field("pixeld-cursor").map(whose) == Some(whose(&self.cursor))
            {
                self.cells = shown(&answer);
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

fn whose(cursor: &str) -> &str {
    &cursor[..HOST_LETTERS]
}

fn streams(server: &Server) -> u64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix("pixeld_canvas_watchers "));
    line.and_then(|figure| figure.parse().ok()).expect("a figure")
}

/// Pictures that a host was asked for.
fn pictures(server: &Server) -> u64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let of_pictures = "pixeld_http_requests_total{route=\"GET /canvas.png\",";
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with(of_pictures))
        .filter_map(|line| line.rsplit(' ').next());
    counts.map(|count| count.parse::<u64>().expect("a count")).sum()
}

fn await_drawn(server: &Server) {
    let drawn = || {
        let facts: Value = serde_json::from_str(&server.ask("GET", "/canvas.json", "").1).unwrap_or_default();
        facts["drawn"].clone()
    };
    await_that("a canvas", drawn, |drawn| *drawn == 1.0);
}

/// Once as it is shipped, and once with a balancer that leads every request wherever it likes.
#[test]
fn watchers_miss_nothing_when_their_host_is_killed() {
    let anywhere = CONFIGURATION.replace("hash $remote_addr consistent;", "");
    assert_ne!(anywhere, CONFIGURATION);
    for configuration in [CONFIGURATION, &anywhere] {
        let pair = Pair::found();
        let (a, b) = pair.start(&[]);
        [&a, &b].into_iter().for_each(await_drawn);
        let hosts = [pair.a.address, pair.b.address];
        let Some(balancer) = Balancer::over(pair.directory.path(), hosts, configuration) else { return };
        let (writes, address) = (Writes::default(), balancer.address);
        let watchers = thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| writes.run(address));
            }
            writes.wait_for(100);
            let watchers: Vec<_> = (0..4)
                .map(|number| {
                    scope.spawn(move || match number % 2 {
                        0 => Watcher::default().follow_frames(address),
                        _ => Watcher::default().follow_events(address),
                    })
                })
                .collect();
            await_that("all streams", || streams(&a) + streams(&b), |count| *count >= 4);
            writes.wait_for(200);
            // The one that has more of the watchers.
            let (gone, host, peer, other) = match streams(&a) > streams(&b) {
                true => (a, &pair.a, &pair.b, b),
                false => (b, &pair.b, &pair.a, a),
            };
            gone.signal(Signal::KILL);
            drop(gone);
            writes.wait_for(200);
            let back = host.start(peer, &[]);
            await_connected(&other);
            await_connected(&back);
            writes.wait_for(200);
            writes.stop.store(true, Ordering::Relaxed);
            await_that("equal counts", || (count(&other), count(&back)), |(one, two)| one == two);
            // On both, since a watcher may be at either.
            let last = || other.connect().send(post_pixel(LAST.0, LAST.1, 'R', 1)).answer().status;
            assert_eq!(last(), 200);
            let watchers: Vec<_> = watchers.into_iter().map(|one| one.join().expect("no panic")).collect();
            await_that("the last on both", || (count(&other), count(&back)), |(one, two)| one == two);
            for server in [&other, &back] {
                let picture = await_that(
                    "the whole picture",
                    || server.connect().send(plain("GET", "/canvas.png")).answer(),
                    |picture| picture.field("etag").is_some() && shown(picture).contains_key(&LAST),
                );
                let expected = shown(&picture);
                for watcher in &watchers {
                    assert!(watcher.cells == expected, "{} of {}", watcher.cells.len(), expected.len());
                }
            }
            watchers
        });
        let acked = writes.acked.into_inner().expect("a lock");
        assert!(
            acked.iter().all(|cell| watchers[0].cells[cell] == [0, 7, 0, 255]),
            "all that was acknowledged"
        );
        // Once when they came, and those of the host that went away once more. How many these were can't be said: a stream
        // that a balancer has led elsewhere is counted until its host notices.
        assert!(watchers.iter().any(|watcher| watcher.reloads > 1));
    }
}

/// The middle of what a page shows, so that all of it is one picture, and CSS pixels of a cell.
const PLACE: &str = "#200,200,16";

/// Waits until a page that was opened at the place shows the cell so many columns beside it in this colour.
fn shows(page: &Browser, x: i32, colour: [u8; 3]) {
    page.wait_for(&is_shown(x, colour));
}

/// Returns a script that gives whether a cell has this colour.
fn is_shown(x: i32, [red, green, blue]: [u8; 3]) -> String {
    format!(
        "const board = document.getElementById('board'); const ratio = board.width / board.clientWidth; \
         const [x, y] = [board.width / 2 + {x} * 16 * ratio, board.height / 2].map(Math.round); \
         return [...board.getContext('2d').getImageData(x, y, 1, 1).data].join() === '{red},{green},{blue},255'"
    )
}

fn set(address: SocketAddr, x: i32, value: u8) {
    let begun = Instant::now();
    // A host that has just gone is one that nginx may still try.
    loop {
        match Client::connect(address).send_in_vain(post_pixel(200 + x, 200, 'B', value)).next(false) {
            Next::Answer(answer) if answer.status == 200 => return,
            _ => assert!(begun.elapsed() < PATIENCE, "never kept"),
        }
    }
}

#[test]
fn a_page_goes_on_at_the_other_host_and_shows_everything() {
    let Some(page) = Browser::start() else { return };
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    [&a, &b].into_iter().for_each(await_drawn);
    let Some(balancer) = Balancer::start(pair.directory.path(), &pair.a, &pair.b) else { return };
    set(balancer.address, 0, 50);
    page.go_to(&format!("http://{}/{PLACE}", balancer.address));
    shows(&page, 0, [0, 0, 50]);
    await_that("a stream", || streams(&a) + streams(&b), |count| *count == 1);
    let (gone, host, peer, other) = match streams(&a) == 1 {
        true => (a, &pair.a, &pair.b, b),
        false => (b, &pair.b, &pair.a, a),
    };
    gone.signal(Signal::KILL);
    drop(gone);
    set(balancer.address, 1, 60);
    set(balancer.address, 2, 70);
    shows(&page, 1, [0, 0, 60]);
    shows(&page, 2, [0, 0, 70]);
    assert_eq!(streams(&other), 1);
    let back = host.start(peer, &[]);
    await_connected(&back);
    set(balancer.address, 3, 80);
    shows(&page, 3, [0, 0, 80]);
}

/// Two hosts that don't know each other stand for two of which one lacks what the other one has told.
#[test]
fn a_page_whose_pictures_come_from_elsewhere_gets_those_of_its_stream() {
    let servers = [Server::fresh(&["--durability", "memory"]), Server::fresh(&["--durability", "memory"])];
    for (value, server) in [(10, &servers[0]), (20, &servers[1])] {
        set(server.address, 0, value);
    }
    let directory = tempfile::tempdir().expect("a directory");
    // Streams go to the first host, pictures to the second, until the operator has the balancer lead all to one.
    let apart = CONFIGURATION.replace(
        "        location ~ ^/(canvas|events) {",
        "        location = /canvas/live { proxy_pass http://127.0.0.1:8001; }\n\
                 location ~ ^/canvas[.] { proxy_pass http://127.0.0.1:8002; }\n\
                 location ~ ^/(canvas|events) {",
    );
    assert_ne!(apart, CONFIGURATION);
    let hosts = [servers[0].address, servers[1].address];
    let Some(balancer) = Balancer::over(directory.path(), hosts, &apart) else { return };
    let Some(page) = Browser::start() else { return };
    page.go_to(&format!("http://{}/{PLACE}", balancer.address));
    // The stream has begun, and what it told first is acted on: the page asks the other host for a picture again.
    await_that("a stream", || streams(&servers[0]), |count| *count == 1);
    await_that("a second picture", || pictures(&servers[1]), |count| *count >= 2);
    // That one lacks the cell, and may be drawn over what the stream tells meanwhile; behind it the stream is believed.
    let mut value = 30;
    let set_and_look = || {
        value += 1;
        set(servers[0].address, 5, value);
        std::thread::sleep(Duration::from_millis(200));
        page.evaluate(&is_shown(5, [0, 0, value])) == true
    };
    await_that("a cell that the stream tells", set_and_look, |is_shown| *is_shown);
    shows(&page, 0, [0, 0, 20]);
    let together =
        apart.replace("{ proxy_pass http://127.0.0.1:8002; }", "{ proxy_pass http://127.0.0.1:8001; }");
    balancer.reload(directory.path(), hosts, &together);
    // Nothing has changed at the first host, so no frame tells the page: it has to ask again by itself.
    shows(&page, 0, [0, 0, 10]);
}
