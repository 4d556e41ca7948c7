//! The canvas on the index page in real browsers: what is drawn is kept and seen by everybody, across restarts; and the page is
//! small, is read without its script, and lets go of its stream where nobody looks.

use crate::browser;
use crate::process;

use std::time::Instant;

use browser::Browser;
use process::client::{plain, request};
use process::{PATIENCE, Server};
use serde_json::{Value, json};

/// The middle of what is seen, and CSS pixels of a cell: a place that each test opens, so that it knows where cells are.
const PLACE: &str = "#20,10,16";
const ZOOM: i32 = 16;

const MEMORY: [&str; 2] = ["--durability", "memory"];

/// Red, green and blue of the first colour that is drawn with.
const VERMILION: [u8; 3] = [255, 74, 28];

/// Opens the page at the place and waits until its stream is there.
fn open(visitor: &Browser, server: &Server) {
    visitor.go_to("about:blank");
    visitor.go_to(&format!("http://{}/{PLACE}", server.address));
    visitor.wait_for("const text = document.getElementById('canvas-text'); return text && /kept|Nothing is drawn/.test(text.textContent)");
    visitor.click("#tools [name=tool][value=draw] + svg");
}

/// Presses at a cell, moves over others, and lifts.
fn drag(visitor: &Browser, cells: &[(i32, i32)]) {
    let board = json!({ (browser::ELEMENT): visitor.find("#board") });
    // Offsets count from the middle of the element, where the cell 20, 10 is.
    let to = |(x, y): &(i32, i32)| json!({"type": "pointerMove", "duration": 20, "origin": board, "x": (x - 20) * ZOOM, "y": (y - 10) * ZOOM});
    let mut steps = vec![to(&cells[0]), json!({"type": "pointerDown", "button": 0})];
    steps.extend(cells[1..].iter().map(to));
    steps.push(json!({"type": "pointerUp", "button": 0}));
    let mouse =
        json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps});
    visitor.ask("POST", "/actions", &json!({ "actions": [mouse] }));
}

/// What a page shows of a cell: red, green, blue and 255, or four zeros.
fn shown(cell: (i32, i32)) -> String {
    let (x, y) = ((cell.0 - 20) * ZOOM, (cell.1 - 10) * ZOOM);
    format!(
        "const board = document.getElementById('board'); const ratio = board.width / board.clientWidth; \
         const [x, y] = [board.width / 2 + {x} * ratio, board.height / 2 + {y} * ratio].map(Math.round); \
         const seen = [...board.getContext('2d').getImageData(x, y, 1, 1).data]; "
    )
}

/// Waits until a page shows a cell in this colour; the pointer is taken away from it first.
fn sees(visitor: &Browser, cell: (i32, i32), [r, g, b]: [u8; 3]) {
    visitor.wait_for(&format!("{}return seen.join() === '{r},{g},{b},255'", shown(cell)));
}

/// The latest value of each channel of a cell, from the list.
fn listed(server: &Server, cell: (i32, i32)) -> Vec<(String, u64)> {
    let pixels = server.connect().send(plain("GET", "/pixels")).answer().json();
    let of_cell = |pixel: &&Value| pixel["x"] == cell.0 && pixel["y"] == cell.1;
    let data = pixels["data"].as_array().expect("a list");
    let part = |pixel: &Value| {
        (pixel["channel"].as_str().expect("a letter").to_owned(), pixel["value"].as_u64().expect("a number"))
    };
    data.iter().filter(of_cell).map(part).collect()
}

/// The picture that the server makes: its first cell, and its colours row by row.
fn picture(server: &Server) -> ((i32, i32), Vec<Vec<[u8; 4]>>) {
    let answer = server.connect().send(plain("GET", "/canvas.png")).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bounds: Vec<i32> = answer
        .field("pixeld-bounds")
        .expect("bounds")
        .split(',')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&answer.body));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().expect("a picture");
    let mut bytes = vec![0; reader.output_buffer_size().expect("small")];
    let info = reader.next_frame(&mut bytes).expect("a picture");
    let row = |row: &[u8]| row.chunks_exact(4).map(|one| one.try_into().expect("four")).collect();
    ((bounds[0], bounds[1]), bytes.chunks_exact(info.line_size).map(row).collect())
}

fn channels([r, g, b]: [u8; 3]) -> Vec<(String, u64)> {
    [("R", r), ("G", g), ("B", b)].map(|(channel, value)| (channel.to_owned(), u64::from(value))).to_vec()
}

/// Pixels per cell that are kept, in one POST.
fn post_cells(server: &Server, cells: &[(i32, i32, [u8; 3])]) {
    let mut body = Vec::new();
    for (x, y, colour) in cells {
        for (channel, value) in (17_u8..).zip(colour) {
            body.extend_from_slice(&[channel, *value]);
            body.extend_from_slice(&x.to_le_bytes());
            body.extend_from_slice(&y.to_le_bytes());
        }
    }
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_line_is_drawn_kept_listed_and_in_the_picture() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&[]);
    open(&visitor, &server);
    drag(&visitor, &[(15, 8), (25, 8)]);
    // Shown at once, and kept as one batch: ten cells, or those between if the pointer was fast.
    sees(&visitor, (20, 8), VERMILION);
    let begun = Instant::now();
    while listed(&server, (25, 8)).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "never kept");
    }
    for x in 15..=25 {
        assert_eq!(listed(&server, (x, 8)), channels(VERMILION), "{x}");
    }
    let ((left, top), rows) = picture(&server);
    assert_eq!((left, top, rows.len(), rows[0].len()), (15, 8, 1, 11));
    assert!(rows[0].iter().all(|colour| *colour == [255, 74, 28, 255]), "{rows:?}");
    let posts = server.connect().send(plain("GET", "/metrics")).answer();
    let counted = "pixeld_http_requests_total{route=\"POST /pixels\",code=\"200\"} 1\n";
    assert!(posts.text().contains(counted), "a stroke is one request");
    assert_eq!(visitor.complaints(), json!([]), "the browser complains");
}

#[test]
fn two_browsers_see_each_others_strokes_also_after_a_restart() {
    let (Some(one), Some(other)) = (Browser::start(), Browser::start()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(process::free_address(), directory.path(), &MEMORY);
    let address = server.address;
    open(&one, &server);
    open(&other, &server);
    drag(&one, &[(16, 8), (18, 8)]);
    sees(&other, (17, 8), VERMILION);
    drag(&other, &[(22, 12), (24, 12)]);
    sees(&one, (23, 12), VERMILION);

    server.kill();
    let state =
        "const state = document.getElementById('canvas-state'); return !state.hidden && state.textContent";
    for visitor in [&one, &other] {
        visitor.wait_for(&format!("{state}.includes('away')"));
    }
    // What is drawn meanwhile is shown to who draws it, and sent when somebody is there again.
    drag(&one, &[(20, 14), (22, 14)]);
    sees(&one, (21, 14), VERMILION);
    let server = Server::start(address, directory.path(), &MEMORY);
    sees(&other, (21, 14), VERMILION);
    assert_eq!(listed(&server, (21, 14)).last(), Some(&("B".to_owned(), 28)));
    for visitor in [&one, &other] {
        visitor.wait_for("return document.getElementById('canvas-state').hidden");
        sees(visitor, (17, 8), VERMILION);
        sees(visitor, (23, 12), VERMILION);
    }
}

#[test]
fn what_others_do_is_shown_a_clear_too() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    post_cells(&server, &[(18, 10, [1, 2, 3]), (22, 10, [9, 8, 7])]);
    open(&visitor, &server);
    sees(&visitor, (18, 10), [1, 2, 3]);
    post_cells(&server, &[(18, 10, [200, 100, 50])]);
    sees(&visitor, (18, 10), [200, 100, 50]);
    sees(&visitor, (22, 10), [9, 8, 7]);
    let text = "return document.getElementById('canvas-text').textContent";
    visitor.wait_for(&format!("{text}.includes('9 pixels kept')"));
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    visitor.wait_for(&format!("{}return seen.join() === '0,0,0,0'", shown((22, 10))));
    visitor.wait_for(&format!("{text}.startsWith('Nothing is drawn yet')"));
}

#[test]
fn a_cell_says_when_it_was_set_and_by_whom() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    post_cells(&server, &[(20, 10, [0, 0, 0])]);
    post_cells(&server, &[(20, 10, [255, 255, 255])]);
    open(&visitor, &server);
    visitor.click("#tools [name=tool][value=move] + svg");
    drag(&visitor, &[(20, 10)]);
    let text = visitor.wait_for(
        "const text = document.getElementById('cell-text').textContent; return text.includes('set') && text",
    );
    assert!(text.as_str().is_some_and(|text| text.starts_with("white #ffffff, set ")), "{text}");
    visitor.click("#cell-history");
    let lines = visitor.wait_for("const lines = [...document.querySelectorAll('#cell-past li')]; return lines.length > 1 && lines.map((one) => one.textContent)");
    let lines: Vec<String> = serde_json::from_value(lines).expect("texts");
    assert!(lines[0].starts_with("white #ffffff, ") && lines[1].starts_with("black #000000, "), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains(" by host ")), "{lines:?}");
    visitor.click("#cell-take");
    drag(&visitor, &[(22, 10)]);
    sees(&visitor, (22, 10), [255, 255, 255]);
}

#[test]
fn a_picture_is_placed_and_painted() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    open(&visitor, &server);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("four.png");
    let colours = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [9, 9, 9, 0]];
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).expect("a file"), 2, 2);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&colours.concat()).expect("a picture");
    writer.finish().expect("a picture");

    visitor.choose("#picture-file", &path);
    visitor.wait_for("return !document.getElementById('picture').hidden");
    for (field, value) in [("x", "17"), ("y", "9")] {
        visitor.fill(&format!("#picture-{field}"), value);
    }
    visitor.click("#picture-paint");
    sees(&visitor, (17, 9), [255, 0, 0]);
    visitor.wait_for("return document.getElementById('picture').hidden");
    let ((left, top), rows) = picture(&server);
    assert_eq!((left, top), (17, 9));
    let transparent = [0; 4];
    assert_eq!(
        rows,
        [vec![colours[0], colours[1]], vec![colours[2], transparent]],
        "what is transparent is left out"
    );

    std::fs::write(&path, "no picture").expect("written");
    visitor.choose("#picture-file", &path);
    visitor.wait_for("return document.getElementById('canvas-state').textContent.includes('no picture')");
}

#[test]
fn the_keyboard_draws_and_is_told_what_is_there() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    post_cells(&server, &[(23, 10, [0, 0, 0])]);
    open(&visitor, &server);
    sees(&visitor, (23, 10), [0, 0, 0]);
    visitor.evaluate("document.getElementById('board').focus()");
    const RIGHT: &str = "\u{e014}";
    const ENTER: &str = "\u{e007}";
    visitor.press(&RIGHT.repeat(2));
    visitor.press(ENTER);
    sees_under_cursor(&visitor, &server, (22, 10));
    visitor.press(RIGHT);
    let said = "return document.getElementById('canvas-said').textContent";
    assert_eq!(visitor.wait_for(&format!("{said} === 'x 23, y 10: black'")), true);
    let described = visitor.wait_for("const text = document.getElementById('canvas-text').textContent; return text.includes('vermilion') && text");
    assert!(described.as_str().is_some_and(|text| text.contains("x 22 to 23 and y 10 to 10")), "{described}");
}

/// The cursor hides the cell that it draws, so the list says whether it was drawn.
fn sees_under_cursor(visitor: &Browser, server: &Server, cell: (i32, i32)) {
    let begun = Instant::now();
    while listed(server, cell) != channels(VERMILION) {
        assert!(
            begun.elapsed() < PATIENCE,
            "never kept: {}",
            visitor.evaluate("return document.getElementById('canvas-said').textContent")
        );
    }
}

#[test]
fn a_tab_that_nobody_looks_at_lets_go_of_its_stream() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    open(&visitor, &server);
    let (_, first) = visitor.open_tab("about:blank");
    visitor.turn_to(&first);
    let hide = |is: bool| {
        // A headless browser shows every tab, so the page is told what it would be told.
        visitor.evaluate(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    hide(true);
    let streams = || {
        let metrics = server.connect().send(plain("GET", "/metrics")).answer();
        let line = metrics.text().lines().find_map(|line| line.strip_prefix("pixeld_canvas_watchers "));
        line.and_then(|number| number.parse::<u64>().ok()).expect("a figure")
    };
    let begun = Instant::now();
    while streams() > 0 {
        assert!(begun.elapsed() < PATIENCE, "the stream is kept");
    }
    post_cells(&server, &[(18, 10, [1, 2, 3])]);
    hide(false);
    sees(&visitor, (18, 10), [1, 2, 3]);
    assert_eq!(streams(), 1);
}

#[test]
fn the_page_is_small_and_comes_from_here() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    open(&visitor, &server);
    let loaded = visitor.evaluate(
        "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]; \
         const parts = all.filter((one) => !/canvas.png|canvas.json|canvas.live|metrics/.test(one.name)); \
         return [parts.length, parts.reduce((sum, one) => sum + one.transferSize, 0), \
                 all.filter((one) => !one.name.startsWith(location.origin)).map((one) => one.name)]",
    );
    let (count, bytes) = (loaded[0].as_u64().expect("a count"), loaded[1].as_u64().expect("a count"));
    assert!(count > 10 && (10_000..60 * 1024).contains(&bytes), "{count} files, {bytes} bytes");
    assert_eq!(loaded[2], json!([]), "everything is from here");
}

#[test]
fn without_its_script_the_page_shows_the_picture() {
    let Some(visitor) = Browser::start() else { return };
    let server = Server::fresh(&MEMORY);
    post_cells(&server, &[(0, 0, [1, 2, 3]), (3, 1, [3, 2, 1])]);
    visitor.run_scripts(false);
    visitor.go_to(&format!("http://{}/", server.address));
    let picture = "const picture = document.querySelector('#canvas img'); return picture && [picture.naturalWidth, picture.naturalHeight, picture.alt]";
    let picture = visitor
        .wait_for(&format!("{picture}[0] > 0 && [picture.naturalWidth, picture.naturalHeight, picture.alt]"));
    assert_eq!(picture, json!([4, 2, "The canvas as it is now"]));
    let useless = "return [...document.querySelectorAll('#canvas button, #canvas input')].filter((one) => one.checkVisibility()).length";
    assert_eq!(visitor.evaluate(useless), 0, "controls that do nothing");
    visitor.photograph("canvas-without-script");
}
