//! Many connections that do everything at once, cut anywhere, ended anyhow: every answer is the right one, in order,
//! and in the end exactly what was acknowledged is listed.
//!
//! `PIXELD_TEST_SEEDS=100 scripts/test everything_at_once` plays longer.

use crate::process;

use std::collections::BTreeMap;
use std::thread;

use process::Server;
use process::client::{Client, Next, pixel, plain, post_pixel, request};

/// Connections at work at the same time, and how many each makes one after the other.
const THREADS: u32 = 8;
const CONNECTIONS: u32 = 12;
const REQUESTS: u32 = 60;

/// A small generator (xorshift): the same sequence for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % sides
    }
}

/// A request with what its answer must be.
struct Asked {
    bytes: Vec<u8>,
    status: u16,
    /// Pixels (x, y) that are kept when it is answered.
    pixels: Vec<(u32, u32)>,
    is_head: bool,
}

fn asked(bytes: Vec<u8>, status: u16) -> Asked {
    Asked { bytes, status, pixels: Vec::new(), is_head: false }
}

/// The next request of a client whose pixels have this x; `y` counts them.
fn next_request(dice: &mut Dice, x: u32, y: &mut u32) -> Asked {
    let fresh = |y: &mut u32| {
        *y += 1;
        (x, *y - 1)
    };
    let text = |(x, y): (u32, u32)| pixel(x as i32, y as i32, 'R', 1);
    match dice.roll(12) {
        0..=4 => {
            let at = fresh(y);
            let bytes = post_pixel(at.0 as i32, at.1 as i32, 'R', 1);
            Asked { pixels: vec![at], ..asked(bytes, 200) }
        }
        5 => {
            // Unusual in form, all the same a pixel.
            let at = fresh(y);
            let body = format!(" {{\"value\":1, \"y\":\"{}\",\"x\":{}.0,\"channel\":\"R\"}}", at.1, at.0);
            Asked { pixels: vec![at], ..asked(request("POST", "/pixel", "application/json", body), 200) }
        }
        6 => {
            let pixels: Vec<_> = (0..dice.roll(300)).map(|_| fresh(y)).collect();
            let lines: String = pixels.iter().map(|&at| text(at) + "\n").collect();
            Asked { pixels, ..asked(request("POST", "/pixels", "application/x-ndjson", lines), 200) }
        }
        7 => {
            let pixels: Vec<_> = (0..=dice.roll(50)).map(|_| fresh(y)).collect();
            let rows: Vec<_> = pixels.iter().map(|&at| text(at)).collect();
            let body = format!("[{}]", rows.join(","));
            let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut bytes = head.as_bytes().to_vec();
            for chunk in body.as_bytes().chunks(1 + dice.roll(400) as usize) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(&[chunk, b"\r\n"].concat());
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            Asked { pixels, ..asked(bytes, 200) }
        }
        8 => asked(request("POST", "/pixel", "application/json", r#"{"x":1}"#), 422),
        9 => asked(plain("GET", &format!("/pixels?x_min={x}&x_max={x}&limit=20")), 200),
        10 => Asked { is_head: true, ..asked(plain("HEAD", "/pixels?limit=3"), 200) },
        _ => asked(plain("GET", ["/health", "/nowhere"][dice.roll(2) as usize]), 0),
    }
}

/// What became of a client's pixels: acknowledged, or sent without an answer.
#[derive(Default)]
struct Fate {
    acknowledged: Vec<(u32, u32)>,
    unknown: Vec<(u32, u32)>,
}

/// One connection from its first byte to its end, of one kind or another.
fn connection(server: &Server, dice: &mut Dice, x: u32, y: &mut u32, fate: &mut Fate) {
    let mut client = server.connect();
    let script: Vec<Asked> = (0..1 + dice.roll(REQUESTS)).map(|_| next_request(dice, x, y)).collect();
    let bytes: Vec<u8> = script.iter().flat_map(|asked| asked.bytes.clone()).collect();
    let is_cut = dice.roll(4) == 0;
    let end = if is_cut { dice.roll(bytes.len() as u32) as usize } else { bytes.len() };
    let scale = [3, 100, 5_000, 100_000][dice.roll(4) as usize];
    let largest = 1 + dice.roll(scale);
    let mut rest = &bytes[..end];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + dice.roll(largest) as usize));
        client.send_in_vain(piece);
        rest = after;
    }
    match (is_cut, dice.roll(2)) {
        // Gone without a word: whatever was sent may have been kept.
        (true, 0) => {
            fate.unknown.extend(script.iter().flat_map(|asked| asked.pixels.clone()));
            return;
        }
        (true, _) => {
            client.half_close();
        }
        (false, 0) => {
            client.half_close();
        }
        (false, _) => {}
    }
    take_answers(&mut client, &script, end, fate);
}

fn take_answers(client: &mut Client, script: &[Asked], sent: usize, fate: &mut Fate) {
    let mut length = 0;
    for asked in script {
        length += asked.bytes.len();
        if length > sent {
            // Cut off: of a batch in lines the part that came may have been kept.
            fate.unknown.extend(&asked.pixels);
            continue;
        }
        let Next::Answer(answer) = client.next(asked.is_head) else { panic!("no answer") };
        let expected = if asked.status == 0 {
            [200, 404].contains(&answer.status)
        } else {
            asked.status == answer.status
        };
        assert!(expected, "{}: {}", String::from_utf8_lossy(&asked.bytes), answer.head);
        fate.acknowledged.extend(&asked.pixels);
    }
}

fn list(server: &Server) -> BTreeMap<(u32, u32), u32> {
    let mut client = server.connect();
    let answer = client.send("GET /pixels HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n\r\n").answer();
    let mut listed = BTreeMap::new();
    for line in answer.text().lines().skip(1) {
        let mut fields = line.split(',').map(|field| field.parse::<u32>());
        let (Some(Ok(x)), Some(Ok(y))) = (fields.next(), fields.next()) else { panic!("{line}") };
        *listed.entry((x, y)).or_default() += 1;
    }
    listed
}

fn seeds() -> u64 {
    std::env::var("PIXELD_TEST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

#[test]
fn everything_at_once_is_answered_rightly_and_kept_exactly() {
    for seed in 1..=seeds() {
        let durability = ["disk", "memory"][seed as usize % 2];
        let server = Server::fresh(&["--durability", durability]);
        let fates: Vec<Fate> = thread::scope(|scope| {
            let server = &server;
            let play = |x: u32| {
                let (mut dice, mut y, mut fate) = (Dice::new(seed << 32 | u64::from(x)), 0, Fate::default());
                for _ in 0..CONNECTIONS {
                    connection(server, &mut dice, x, &mut y, &mut fate);
                }
                fate
            };
            let players: Vec<_> = (0..THREADS).map(|x| scope.spawn(move || play(x))).collect();
            players.into_iter().map(|player| player.join().expect("a client")).collect()
        });
        let mut listed = list(&server);
        for fate in &fates {
            for at in &fate.acknowledged {
                assert_eq!(listed.remove(at), Some(1), "{at:?} was acknowledged (seed {seed})");
            }
            for at in &fate.unknown {
                assert!(listed.remove(at).unwrap_or(1) == 1, "{at:?} twice (seed {seed})");
            }
        }
        assert!(listed.is_empty(), "invented: {listed:?} (seed {seed})");
    }
}
