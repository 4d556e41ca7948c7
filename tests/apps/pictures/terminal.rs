//! What stands on a terminal, as a page that a browser takes a picture of.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::terminal;

const ROWS: u16 = 28;
const COLUMNS: u16 = 124;

/// Runs pixeld on a terminal; gives what stands there after some time. It is ended with `q` then.
pub fn after(arguments: &[&str], time: Duration) -> vt100::Parser {
    let (mut master, slave) = terminal::open(ROWS, COLUMNS, (0, 0));
    let own = || slave.try_clone().expect("a terminal");
    let mut child = Command::new("setsid")
        .args(["--ctty", env!("CARGO_BIN_EXE_pixeld")])
        .args(arguments)
        .env("TERM", "xterm-256color")
        .stdin(own())
        .stdout(own())
        .stderr(own())
        .spawn()
        .expect("setsid");
    let (sender, shown) = mpsc::channel();
    let mut input = master.try_clone().expect("a terminal");
    thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    thread::sleep(time);
    let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
    shown.try_iter().for_each(|bytes| screen.process(&bytes));
    master.write_all(b"q").expect("a terminal");
    assert!(child.wait().expect("a child").success());
    screen
}

/// Returns the page.
pub fn as_html(screen: &vt100::Parser) -> String {
    let mut html = String::from(
        "<!doctype html><style>body { margin: 0; background: #16181d } pre { display: inline-block; margin: 0; padding: 12px; \
         font: 14px/18px 'DejaVu Sans Mono', monospace; color: #d6d9e0; background: #16181d }</style><pre>",
    );
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let Some(cell) = screen.screen().cell(row, column) else { continue };
            let (mut front, mut back) =
                (css(cell.fgcolor(), "#d6d9e0", cell.bold()), css(cell.bgcolor(), "#16181d", false));
            if cell.inverse() {
                std::mem::swap(&mut front, &mut back);
            }
            let weight = if cell.bold() { ";font-weight:bold" } else { "" };
            let text = match cell.contents() {
                "" => " ",
                "<" => "&lt;",
                "&" => "&amp;",
                text => text,
            };
            let _ = write!(html, "<span style=\"color:{front};background:{back}{weight}\">{text}</span>");
        }
        html.push('\n');
    }
    html + "</pre>"
}

/// Returns a colour as a style sheet has it.
fn css(colour: vt100::Color, usual: &str, is_bright: bool) -> String {
    const NAMED: [&str; 16] = [
        "#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#7f848e",
        "#ff7a85", "#b5e08f", "#ffd68a", "#7cc4ff", "#dc8cf5", "#6fd3e0", "#ffffff",
    ];
    match colour {
        vt100::Color::Default => usual.to_owned(),
        vt100::Color::Idx(number @ 0..8) if is_bright => NAMED[usize::from(number) + 8].to_owned(),
        vt100::Color::Idx(number @ 0..16) => NAMED[usize::from(number)].to_owned(),
        vt100::Color::Idx(number @ 16..232) => {
            let number = number - 16;
            let value = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            format!("rgb({},{},{})", value(number / 36), value(number / 6 % 6), value(number % 6))
        }
        vt100::Color::Idx(number) => {
            let grey = 8 + 10 * (number - 232);
            format!("rgb({grey},{grey},{grey})")
        }
        vt100::Color::Rgb(red, green, blue) => format!("rgb({red},{green},{blue})"),
    }
}
