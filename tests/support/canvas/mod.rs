//! The canvas as its clients see it: pictures that are decoded, and the streams of frames and events.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::process::client::{Answer, Client, plain};

/// Cells by place.
pub type Cells = BTreeMap<(i32, i32), [u8; 4]>;

/// Content-Type of frames.
pub const LIVE: &str = "application/vnd.pixeld.live";
/// Content-Type of events.
pub const EVENTS: &str = "text/event-stream; charset=utf-8";

/// The value of a field that is there.
pub fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.field(name).unwrap_or_else(|| panic!("no {name}: {}", answer.head))
}

/// A picture that was decoded.
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

impl Picture {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(field(answer, "content-type"), "image/png");
        let picture = image::load_from_memory(&answer.body).expect("a PNG").into_rgba8();
        Self { width: picture.width(), height: picture.height(), rgba: picture.into_raw() }
    }

    pub fn at(&self, x: u32, y: u32) -> [u8; 4] {
        let at = ((y * self.width + x) * 4) as usize;
        self.rgba[at..at + 4].try_into().expect("four bytes")
    }
}

/// Returns the cells that a picture with one pixel for each shows.
pub fn shown(answer: &Answer) -> Cells {
    let picture = Picture::of(answer);
    let bounds: Vec<i64> =
        field(answer, "pixeld-bounds").split(',').map(|number| number.parse().expect("a number")).collect();
    assert_eq!((bounds[2], bounds[3]), (i64::from(picture.width), i64::from(picture.height)));
    let mut cells = Cells::new();
    for y in 0..picture.height {
        for x in 0..picture.width {
            let colour = picture.at(x, y);
            if colour[3] > 0 {
                cells.insert(((bounds[0] + i64::from(x)) as i32, (bounds[1] + i64::from(y)) as i32), colour);
            } else {
                assert_eq!(colour, [0; 4], "transparent black");
            }
        }
    }
    cells
}

/// A stream of frames, or of events.
pub struct Stream {
    pub client: Client,
    /// Status line and fields.
    pub head: String,
    pending: Vec<u8>,
}

/// A frame.
#[derive(Debug, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub forget: bool,
    pub pixels: u64,
    pub cursor: String,
    pub cells: Cells,
}

impl Frame {
    /// Makes the changes that it tells.
    pub fn apply(&self, known: &mut Cells) {
        if self.forget {
            known.clear();
        }
        for (place, colour) in &self.cells {
            match colour[3] {
                0 => known.remove(place),
                _ => known.insert(*place, *colour),
            };
        }
    }
}

impl Stream {
    /// Opens it; a refusal is no stream.
    pub fn open(address: SocketAddr, path: &str, content_type: &str) -> Self {
        let stream = Self::ask(Client::connect(address), &plain("GET", path)).expect("a stream");
        assert!(stream.head.contains(&format!("\r\nContent-Type: {content_type}\r\n")), "{}", stream.head);
        assert!(stream.head.contains("\r\nX-Accel-Buffering: no\r\n"), "nginx is told not to gather it");
        stream
    }

    /// Sends a request and reads the head of its answer; nothing if there is none, or it is no stream.
    pub fn ask(mut client: Client, request: &[u8]) -> Option<Self> {
        client.send_in_vain(request);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.take_if_there(1)?);
        }
        let head = String::from_utf8(head).expect("a text");
        let is_stream =
            head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nTransfer-Encoding: chunked\r\n");
        is_stream.then_some(Self { client, head, pending: Vec::new() })
    }

    /// Reads a chunk; false at the answer's end, or where it is cut off.
    pub fn chunk(&mut self) -> bool {
        self.read_chunk().unwrap_or(false)
    }

    fn read_chunk(&mut self) -> Option<bool> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.client.take_if_there(1)?);
        }
        let size = std::str::from_utf8(&line[..line.len() - 2]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        self.pending.extend(self.client.take_if_there(size)?);
        assert_eq!(self.client.take_if_there(2)?, b"\r\n");
        Some(size > 0)
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.pending.len() < length {
            if !self.chunk() {
                return None;
            }
        }
        Some(self.pending.drain(..length).collect())
    }

    /// The next frame of a stream that goes on.
    pub fn frame(&mut self) -> Frame {
        self.next_frame().expect("the stream has ended")
    }

    /// The next frame; nothing at the stream's end.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let head = self.take(64)?;
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let body = self.take(u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize)?;
        let mut cells = Cells::new();
        let mut rest = &body[..];
        while !rest.is_empty() {
            let word = |at: usize| i32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let (tile_x, tile_y, count) = (word(0), word(4), word(8) as usize);
            for cell in rest[12..12 + count * 6].chunks_exact(6) {
                let index = i32::from(u16::from_le_bytes([cell[0], cell[1]]));
                let place = (tile_x * 64 + (index & 63), tile_y * 64 + (index >> 6));
                cells.insert(place, cell[2..6].try_into().unwrap());
            }
            rest = &rest[12 + count * 6..];
        }
        let cursor = String::from_utf8(head[24..58].to_vec()).expect("letters");
        Some(Frame { kind: head[0], forget: head[1] & 1 != 0, pixels: long(16), cursor, cells })
    }

    /// Applies frames until `wanted` is what is known.
    pub fn follow(&mut self, known: &mut Cells, wanted: &Cells) -> String {
        loop {
            let frame = self.frame();
            assert_eq!(frame.kind, 1, "{frame:?}");
            frame.apply(known);
            if known == wanted {
                return frame.cursor;
            }
        }
    }

    /// The next event of a stream that goes on.
    pub fn event(&mut self) -> String {
        self.next_event().expect("the stream has ended")
    }

    /// The next event; nothing at the stream's end.
    pub fn next_event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|two| two == b"\n\n") {
                let event = self.pending.drain(..end + 2).collect();
                return Some(String::from_utf8(event).expect("a text"));
            }
            if !self.chunk() {
                return None;
            }
        }
    }
}
