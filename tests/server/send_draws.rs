//! What `pixeld send` draws on a terminal, cell by cell, and where a picture is put.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::termios::{LocalModes, tcgetattr};

use crate::process::client::plain;
use crate::process::{Server, pixeld};
use crate::terminal;

const COLUMNS: u16 = 60;
const ROWS: u16 = 24;
/// Pixels of a cell, across and down.
const CELL_PX: (u16, u16) = (8, 16);

/// What terminals answer when they are asked what they can.
const WITH_SIXEL: &str = "\x1b[?62;4;22c";
const WITHOUT: &str = "\x1b[?62;14;22c";

const TRUE_COLOUR: (&str, &str) = ("COLORTERM", "truecolor");

/// A picture of 5 x 3 pixels of all kinds.
fn picture(directory: &Path) -> (PathBuf, image::RgbImage) {
    let picture = image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 60, y as u8 * 120, 77]));
    let path = directory.join("picture.png");
    picture.save(&path).expect("a file");
    (path, picture)
}

/// What was written to a terminal, and what stood there in the end.
struct Drawn {
    raw: Vec<u8>,
    screen: vt100::Parser,
    code: Option<i32>,
}

impl Drawn {
    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// The half blocks: for each row of cells those of its pixels, the upper and the lower ones.
    fn blocks(&self) -> Vec<[Vec<vt100::Color>; 2]> {
        let screen = self.screen.screen();
        let row = |row: u16| {
            let cells = (0..COLUMNS).filter_map(|column| screen.cell(row, column));
            let cells: Vec<_> = cells.take_while(|cell| cell.contents() == "▀").collect();
            [
                cells.iter().map(|cell| cell.fgcolor()).collect::<Vec<_>>(),
                cells.iter().map(|cell| cell.bgcolor()).collect(),
            ]
        };
        (0..ROWS).map(row).filter(|[upper, _]| !upper.is_empty()).collect()
    }

    fn has_drawn(&self) -> bool {
        let has = |what: &[u8]| self.raw.windows(what.len()).any(|part| part == what);
        has("▀".as_bytes()) || has(b"\x1bP")
    }

    fn was_asked(&self) -> bool {
        self.raw.windows(3).any(|part| part == b"\x1b[c")
    }
}

/// Runs a command on a terminal of its own that gives this answer to the question what it can; without one it stays silent.
fn on_terminal(command: &[&str], environment: &[(&str, &str)], answer: Option<&'static str>) -> Drawn {
    let (mut master, slave) = terminal::open(ROWS, COLUMNS, CELL_PX);
    let own = || slave.try_clone().expect("a terminal");
    let mut process = Command::new("setsid");
    process.arg("--ctty").args(command).stdin(own()).stdout(own()).stderr(own());
    for name in ["NO_COLOR", "COLORTERM"] {
        process.env_remove(name);
    }
    process.env("TERM", "xterm-256color").envs(environment.iter().copied());
    let mut child = process.spawn().expect("setsid");
    let reader = thread::spawn(move || {
        let (mut raw, mut buffer, mut is_answered) = (Vec::new(), [0; 4096], false);
        // Ends with an error once nobody has the other side any more.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            raw.extend_from_slice(&buffer[..count]);
            if let Some(answer) = answer
                && !is_answered
                && raw.windows(3).any(|part| part == b"\x1b[c")
            {
                master.write_all(answer.as_bytes()).expect("a terminal");
                is_answered = true;
            }
        }
        raw
    });
    let code = child.wait().expect("a child").code();
    let modes = tcgetattr(&slave).expect("a terminal").local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "as it was: {modes:?}");
    drop((process, slave));
    let raw = reader.join().expect("no panic");
    let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
    screen.process(&raw);
    Drawn { raw, screen, code }
}

/// Sends a picture from a terminal.
fn sent(arguments: &[&str], environment: &[(&str, &str)], answer: Option<&'static str>) -> Drawn {
    let server = Server::fresh(&["--durability", "memory"]);
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = picture(directory.path());
    let url = format!("http://{}", server.address);
    let own = [env!("CARGO_BIN_EXE_pixeld"), "send", path.to_str().expect("a path"), &url];
    let drawn = on_terminal(&[&own[..], arguments].concat(), environment, answer);
    let text = drawn.text();
    assert!(drawn.code == Some(0) && text.contains("identical:"), "{:?}: {text}", drawn.code);
    drawn
}

fn rgb(pixel: &image::Rgb<u8>) -> vt100::Color {
    let [red, green, blue] = pixel.0;
    vt100::Color::Rgb(red, green, blue)
}

#[test]
fn half_blocks_have_the_colours_of_the_picture() {
    let (_, picture) = picture(tempfile::tempdir().expect("a directory").path());
    let row = |y: u32| (0..5).map(|x| rgb(picture.get_pixel(x, y))).collect::<Vec<_>>();
    let nothing = vec![vt100::Color::Default; 5];
    let expected = [[row(0), row(1)], [row(2), nothing]];
    for answer in [Some(WITHOUT), None] {
        let drawn = sent(&[], &[TRUE_COLOUR], answer);
        assert_eq!(drawn.blocks(), expected, "{}", drawn.text());
        assert!(drawn.was_asked());
    }
    let drawn = sent(&["--draw", "blocks"], &[TRUE_COLOUR, ("NO_COLOR", "1")], None);
    assert_eq!(drawn.blocks(), expected, "an order counts more than the environment");
    assert!(!drawn.was_asked());
}

#[test]
fn a_terminal_that_does_not_promise_24_bits_gets_256_colours() {
    let drawn = sent(&[], &[], Some(WITHOUT));
    // The first pixel is 0, 0, 77 and the one below it 0, 120, 77: in steps of the cube 0, 0, 1 and 0, 2, 1.
    let [upper, lower] = &drawn.blocks()[0];
    assert_eq!((upper[0], lower[0]), (vt100::Color::Idx(17), vt100::Color::Idx(16 + 12 + 1)));
}

#[test]
fn a_terminal_with_sixel_gets_every_pixel() {
    let (_, picture) = picture(tempfile::tempdir().expect("a directory").path());
    let drawn = sent(&[], &[TRUE_COLOUR], Some(WITH_SIXEL));
    assert!(drawn.blocks().is_empty());
    let rows = decoded(&drawn.raw);
    // A small picture grows: a pixel of it is as wide as a cell, and half as high.
    let grown = usize::from(CELL_PX.0);
    assert_eq!((rows.len(), rows[0].len()), (3 * grown, 5 * grown));
    for (y, row) in rows.iter().enumerate() {
        for (x, colour) in row.iter().enumerate() {
            let pixel = picture.get_pixel((x / grown) as u32, (y / grown) as u32);
            // Sixel has colours in percent.
            let percent = pixel.0.map(|value| (u32::from(value) * 100 + 127) / 255);
            assert_eq!(*colour, Some(percent), "{x}, {y}");
        }
    }
}

/// The pixels of a drawing in sixel, each with red, green and blue in percent.
fn decoded(raw: &[u8]) -> Vec<Vec<Option<[u32; 3]>>> {
    let text = String::from_utf8_lossy(raw);
    let body = text.split("\x1bP").nth(1).expect("a drawing").split("\x1b\\").next().expect("its end");
    let body = body.split_once('q').expect("sixel").1;
    let mut letters = body.chars().peekable();
    let numbers = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut text = String::new();
        while let Some(letter) = letters.next_if(|letter| letter.is_ascii_digit() || *letter == ';') {
            text.push(letter);
        }
        text.split(';').map(|part| part.parse().expect("a number")).collect::<Vec<u32>>()
    };
    let (mut palette, mut rows) = (std::collections::HashMap::new(), Vec::new());
    let (mut colour, mut x, mut y, mut count) = (0, 0, 0, 1);
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                let size = numbers(&mut letters);
                rows = vec![vec![None; size[2] as usize]; size[3] as usize];
            }
            '#' => match numbers(&mut letters)[..] {
                [number] => colour = number,
                [number, 2, red, green, blue] => drop(palette.insert(number, [red, green, blue])),
                ref other => panic!("{other:?}"),
            },
            '!' => count = numbers(&mut letters)[0] as usize,
            '$' => x = 0,
            '-' => (x, y) = (0, y + 6),
            '?'..='~' => {
                let bits = letter as u32 - 63;
                for (bit, x) in (0..6).flat_map(|bit| (x..x + count).map(move |x| (bit, x))) {
                    if bits >> bit & 1 == 1 {
                        rows[y + bit][x] = Some(palette[&colour]);
                    }
                }
                (x, count) = (x + count, 1);
            }
            other => panic!("{other:?} in {body:?}"),
        }
    }
    rows
}

#[test]
fn nothing_is_drawn_where_it_is_not_wanted() {
    for (arguments, environment) in [
        (&["--draw", "never"][..], &[TRUE_COLOUR][..]),
        (&[], &[("NO_COLOR", "1")]),
        (&[], &[("TERM", "dumb")]),
    ] {
        let drawn = sent(arguments, environment, Some(WITH_SIXEL));
        assert!(!drawn.has_drawn() && !drawn.was_asked(), "{arguments:?} {environment:?}");
    }
}

#[test]
fn in_the_background_it_does_not_ask_and_so_is_not_stopped() {
    let server = Server::fresh(&["--durability", "memory"]);
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = picture(directory.path());
    let send = format!("{} send {} http://{}", env!("CARGO_BIN_EXE_pixeld"), path.display(), server.address);
    let script = format!("set -m; {send} & wait $!");
    let drawn = on_terminal(&["sh", "-c", &script], &[TRUE_COLOUR], Some(WITH_SIXEL));
    assert_eq!(drawn.code, Some(0), "{}", drawn.text());
    assert!(!drawn.was_asked());
    assert_eq!(drawn.blocks().len(), 2, "{}", drawn.text());
}

#[test]
fn a_picture_is_put_anywhere_and_nothing_is_drawn_into_a_pipe() {
    let server = Server::fresh(&["--durability", "memory"]);
    let directory = tempfile::tempdir().expect("a directory");
    let (path, picture) = picture(directory.path());
    let url = format!("http://{}", server.address);
    let send = |at: &str| {
        let output = pixeld(&["send"]).arg(&path).args([&url, "--at", at]).stdin(Stdio::null()).output();
        output.expect("it runs")
    };
    let output = send("-3,70");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("5 x 3 at -3,70"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let seen = server.connect().send(plain("GET", "/canvas.png")).answer();
    assert_eq!(seen.field("pixeld-bounds"), Some("-3,70,5,3"));
    assert_eq!(image::load_from_memory(&seen.body).expect("a picture").into_rgb8(), picture);
    for (at, sentence) in [
        ("2147483644,0", "does not fit at 2147483644,0"),
        ("5", "two whole numbers"),
        ("1,2147483648", "two whole numbers"),
    ] {
        let output = send(at);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(sentence), "{at}: {said}");
    }
}
