//! The pictures of the documents, taken of the running program: `scripts/pictures` makes them anew. No test otherwise, since what they
//! show are the figures of a machine.

mod files;
mod scene;
mod terminal;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::process::client::{Client, post_pixel, request};
use crate::process::pair::Pair;
use crate::process::{Server, pixeld};

use self::files::{FOLDER, save};
use self::scene::Scene;

/// Parts in which the scene is drawn for the film, and the time between two.
const PARTS: usize = 40;
const PART_TIME: Duration = Duration::from_millis(100);

/// Posts a part of the scene as the page posts a stroke.
fn post(address: SocketAddr, cells: &[scene::Cell]) {
    let mut body = Vec::new();
    for (x, y, colour) in cells {
        for (channel, value) in (17_u8..).zip(colour) {
            body.extend_from_slice(&[channel, *value]);
            body.extend_from_slice(&x.to_le_bytes());
            body.extend_from_slice(&y.to_le_bytes());
        }
    }
    let answer =
        Client::connect(address).send(request("POST", "/pixels", "application/vnd.pixeld", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Posts pixels one by one, so that there are figures to see, until told to end.
fn busy(address: SocketAddr, cells: &[scene::Cell], is_over: &AtomicBool) {
    let mut client = Client::connect(address);
    for (x, y, colour) in cells.iter().cycle() {
        for (channel, value) in ['R', 'G', 'B'].into_iter().zip(colour) {
            assert_eq!(client.send(post_pixel(*x, *y, channel, *value)).answer().status, 200);
        }
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// A picture of what is seen of a page, or of a part of it.
fn shot(page: &Browser, clip: Option<&Value>) -> RgbaImage {
    let mut parameters = json!({"format": "png"});
    if let Some(clip) = clip {
        parameters["clip"] = clip.clone();
    }
    let taken = page.control("Page.captureScreenshot", &parameters);
    let bytes = STANDARD.decode(taken["data"].as_str().expect("base64")).expect("base64");
    image::load_from_memory(&bytes).expect("a picture").into_rgba8()
}

fn open(page: &Browser, address: SocketAddr) {
    page.go_to("about:blank");
    page.go_to(&format!("http://{address}/"));
    page.wait_for("const text = document.getElementById('canvas-text'); return text && /kept|Nothing is drawn/.test(text.textContent)");
}

#[test]
#[ignore = "scripts/pictures makes the documents' pictures with it"]
fn of_the_page() {
    let Some(page) = Browser::start() else { return };
    let server = Server::fresh(&["--durability", "disk"]);
    let scene = Scene::draw();
    let is_over = AtomicBool::new(false);
    film(&server, &scene);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| busy(server.address, &scene.cells, &is_over));
        }
        for (width, scheme, name) in
            [(1280, "light", "page-light"), (1280, "dark", "page-dark"), (320, "light", "page-320")]
        {
            page.look_as(width, scheme);
            open(&page, server.address);
            page.click("#zoom-fit");
            // Plots have a point every two seconds.
            thread::sleep(Duration::from_secs(if width > 600 { 30 } else { 4 }));
            save(name, &shot(&page, None));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Draws the scene as a crowd does, and makes a film of that.
fn film(server: &Server, scene: &Scene) {
    for part in scene.cells.chunks(scene.cells.len().div_ceil(PARTS)) {
        post(server.address, part);
        thread::sleep(PART_TIME);
    }
    // What is finished stays for a while: a film ends with the last change.
    thread::sleep(Duration::from_secs(2));
    post(server.address, &scene.cells[..1]);
    let (url, out) = (format!("http://{}", server.address), format!("{FOLDER}/drawing.gif"));
    let mut film = pixeld(&["film", &url, "--out", &out, "--fps", "10", "--speed", "1", "--size", "640x360"]);
    assert!(film.status().expect("it runs").success());
}

#[test]
#[ignore = "scripts/pictures makes the documents' pictures with it"]
fn of_top() {
    let Some(page) = Browser::start() else { return };
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    let scene = Scene::draw();
    let is_over = AtomicBool::new(false);
    let screen = thread::scope(|scope| {
        for server in [&a, &a, &a, &a, &b, &b] {
            scope.spawn(|| busy(server.address, &scene.cells, &is_over));
        }
        let urls = [&a, &b].map(|server| format!("http://{}", server.address));
        let screen = terminal::after(&["top", &urls[0], &urls[1]], Duration::from_secs(12));
        is_over.store(true, Ordering::Relaxed);
        screen
    });
    page.look_as(1280, "dark");
    let html = terminal::as_html(&screen);
    page.go_to(&format!("data:text/html;charset=utf-8;base64,{}", STANDARD.encode(html)));
    let clip = page.evaluate(
        "const { x, y, width, height } = document.querySelector('pre').getBoundingClientRect(); return { x, y, width, height, scale: 1 }",
    );
    save("top", &shot(&page, Some(&clip)));
}
