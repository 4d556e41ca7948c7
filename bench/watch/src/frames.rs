//! The frames of a stream, as `docs/canvas.md` draws them, in a chunked answer; their bodies are passed over.

/// Bytes before a frame's body.
const HEADER_BYTES: usize = 64;

/// The header of a frame.
pub struct Frame {
    /// Its kind: 1 cells, 2 reload, 3 alive.
    pub kind: u8,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
}

/// Where in a chunked answer a stream is.
enum Place {
    /// In the head; so many letters of its end were seen.
    Head(usize),
    /// In the line with a chunk's length.
    Length(usize),
    /// In a chunk, so many bytes before its end.
    Chunk(usize),
    /// In the line end behind a chunk, so many bytes before its end.
    Between(usize),
}

/// One watcher's stream, read in any pieces.
pub struct Frames {
    place: Place,
    status: Vec<u8>,
    header: [u8; HEADER_BYTES],
    filled: usize,
    body_left: usize,
}

impl Default for Frames {
    fn default() -> Self {
        let status = Vec::new();
        Self { place: Place::Head(0), status, header: [0; HEADER_BYTES], filled: 0, body_left: 0 }
    }
}

impl Frames {
    /// Takes the next bytes and shows each frame that they complete.
    ///
    /// # Errors
    /// Fails on an answer that is no 200, and on one that is not chunked.
    pub fn take(&mut self, mut input: &[u8], on_frame: &mut dyn FnMut(&Frame)) -> Result<(), String> {
        const END: &[u8] = b"\r\n\r\n";
        while let Some((&byte, rest)) = input.split_first() {
            match self.place {
                Place::Head(seen) => {
                    if self.status.len() < 12 {
                        self.status.push(byte);
                    }
                    let seen = if byte == END[seen] { seen + 1 } else { usize::from(byte == END[0]) };
                    if seen == END.len() && !self.status.ends_with(b" 200") {
                        return Err(format!("the answer is {}", String::from_utf8_lossy(&self.status)));
                    }
                    self.place = if seen == END.len() { Place::Length(0) } else { Place::Head(seen) };
                    input = rest;
                }
                Place::Length(length) => {
                    self.place = match (byte as char).to_digit(16) {
                        Some(digit) => Place::Length(length * 16 + digit as usize),
                        None if byte == b'\r' => Place::Length(length),
                        None if byte == b'\n' => Place::Chunk(length),
                        None => return Err("the answer is not chunked".to_owned()),
                    };
                    input = rest;
                }
                Place::Chunk(0) => self.place = Place::Between(2),
                Place::Chunk(left) => {
                    let (piece, behind) = input.split_at(left.min(input.len()));
                    self.place = Place::Chunk(left - piece.len());
                    self.read(piece, on_frame);
                    input = behind;
                }
                Place::Between(left) => {
                    self.place = if left == 1 { Place::Length(0) } else { Place::Between(left - 1) };
                    input = rest;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, mut piece: &[u8], on_frame: &mut dyn FnMut(&Frame)) {
        while !piece.is_empty() {
            if self.filled < HEADER_BYTES {
                let (part, rest) = piece.split_at(piece.len().min(HEADER_BYTES - self.filled));
                self.header[self.filled..self.filled + part.len()].copy_from_slice(part);
                self.filled += part.len();
                piece = rest;
                if self.filled < HEADER_BYTES {
                    return;
                }
                self.body_left = u32::from_le_bytes(self.header[4..8].try_into().expect("4 bytes")) as usize;
            }
            let passed = piece.len().min(self.body_left);
            piece = &piece[passed..];
            self.body_left -= passed;
            if self.body_left == 0 {
                let made_ms = u64::from_le_bytes(self.header[8..16].try_into().expect("8 bytes"));
                on_frame(&Frame { kind: self.header[0], made_ms });
                self.filled = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, made_ms: u64, body: usize) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0] = kind;
        bytes[4..8].copy_from_slice(&(body as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&made_ms.to_le_bytes());
        bytes.resize(HEADER_BYTES + body, 0xAB);
        bytes
    }

    #[test]
    fn frames_are_the_same_for_every_split() {
        let frames = [frame(3, 1, 0), frame(1, 2, 30), frame(2, 3, 0), frame(1, 4, 5)].concat();
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in frames.chunks(70) {
            answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            answer.extend_from_slice(chunk);
            answer.extend_from_slice(b"\r\n");
        }
        for size in 1..answer.len() {
            let (mut stream, mut seen) = (Frames::default(), Vec::new());
            for piece in answer.chunks(size) {
                stream.take(piece, &mut |frame| seen.push((frame.kind, frame.made_ms))).unwrap();
            }
            assert_eq!(seen, [(3, 1), (1, 2), (2, 3), (1, 4)], "pieces of {size}");
        }
    }

    #[test]
    fn another_answer_is_no_stream() {
        let take = |answer: &[u8]| Frames::default().take(answer, &mut |_| {});
        assert!(take(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err().contains("404"));
        assert!(take(b"HTTP/1.1 200 OK\r\n\r\n{}").unwrap_err().contains("chunked"));
    }
}
