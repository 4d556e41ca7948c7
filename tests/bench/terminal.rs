//! What stands on a terminal while a run runs, and an interrupt before the load.

use crate::measured::command::{command, signal, told};
use crate::measured::{OK, Reply, serve};
use crate::skip::skip;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs `pixeld bench` on a terminal of so many columns; returns what was drawn, or nothing where there is no script(1).
fn on_terminal(columns: u32, arguments: &str) -> Option<String> {
    let line = format!("stty cols {columns} rows 24; {} bench {arguments}", env!("CARGO_BIN_EXE_pixeld"));
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() || !output.stdout.is_empty() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        other => {
            skip(format_args!("script(1) gives no terminal here: {other:?}"));
            None
        }
    }
}

#[test]
fn the_live_line_fits_the_terminal() {
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    for columns in [20, 40, 60, 120] {
        let arguments = format!("http://{address}/ -c 2 -r 200 -d 1s --no-probe --csv -");
        let Some(drawn) = on_terminal(columns, &arguments) else { return };
        // The line is drawn over itself, from the first column on.
        let lines: Vec<&str> =
            drawn.split("\r\x1b[K").skip(1).map(|line| line.split('\r').next().unwrap()).collect();
        assert!(lines.len() > 3, "{columns}: {drawn:?}");
        for line in lines.iter().filter(|line| !line.contains("start_ns")) {
            assert!(line.chars().count() < columns as usize && !line.contains('\n'), "{columns}: {line:?}");
        }
        let has_figures = lines.iter().any(|line| line.contains("/s"));
        assert!(has_figures || columns == 20, "{columns}: {lines:?}");
    }
}

/// A server whose queue is full after a few connections; tells when the first one came.
fn unaccepting() -> (TcpListener, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(5).unwrap();
    let listener: TcpListener = socket.into();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn connections_that_take_their_time_are_shown() {
    let (_listener, address) = unaccepting();
    let arguments = format!("http://{address}/ -c 64 -t 1 -d 100ms --timeout 100ms --no-probe");
    let Some(drawn) = on_terminal(80, &arguments) else { return };
    let shown = drawn.split("connecting ").nth(1).and_then(|rest| rest.split(['\r', '\x1b']).next());
    let (open, all) = shown.unwrap_or_else(|| panic!("{drawn:?}")).split_once('/').unwrap();
    assert!(open.parse::<u32>().unwrap() < 64 && all.trim() == "64", "{shown:?}");
}

#[test]
fn an_interrupt_while_connecting_ends_it() {
    let (listener, address) = unaccepting();
    let has_come = Arc::new(AtomicBool::new(false));
    let teller = Arc::clone(&has_come);
    thread::spawn(move || {
        let first = listener.accept();
        teller.store(true, Ordering::SeqCst);
        thread::park();
        drop((first, listener));
    });
    let url = format!("http://{address}/");
    let child = command(&[&url, "-c", "64", "-d", "600s", "--timeout", "600s", "--no-probe"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !has_come.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    signal(&child, "-INT");
    let told = told(child.wait_with_output().unwrap());
    assert_eq!(told.code, 130, "{}{}", told.out, told.err);
    // On a host that is busy for 700 ms, the load has begun.
    assert!((told.out + &told.err).contains("interrupted"), "{}", told.err);
}
