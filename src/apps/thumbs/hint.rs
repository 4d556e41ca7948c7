//! The form of a body that was announced in another one, so that the answer can say what to do.

use crate::apps::pictures::kind::{KIND_BYTES, Kind};

use super::base64::Decoder;

const PICTURE: &str = "Unable to base64 decode. The body is a picture as it is: send it with ?encoding=binary, or send its \
    base64 text";
const URL: &str =
    "Unable to base64 decode. The body is a data: URL: send only the base64 text behind its comma";
const URL_SAFE: &str = "Unable to base64 decode. The body is URL-safe base64: send it with + and / instead of - and _, and \
    with its padding";
const TEXT: &str =
    "The body is no picture but base64 text: send it without ?encoding=binary, or send the picture itself";
const BINARY_URL: &str = "The body is no picture but a data: URL: send the picture itself, or without ?encoding=binary \
    the base64 text behind the comma";

/// Bytes at the start of a body that are kept: enough to tell a picture by its base64 text behind some white space.
const START_BYTES: usize = 64;

/// Looks on while a body arrives.
#[derive(Clone, Debug, Default)]
pub struct Look {
    start: Vec<u8>,
    /// Whether a letter came that only the usual alphabet has (RFC 4648, section 4).
    is_usual: bool,
    /// Whether one came that only the URL-safe one has (section 5).
    is_url_safe: bool,
}

impl Look {
    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let missing = START_BYTES - self.start.len();
        self.start.extend_from_slice(&piece[..piece.len().min(missing)]);
        // The first of them decides: nearly always it comes soon.
        if !self.is_usual {
            self.is_usual = memchr::memchr2(b'+', b'/', piece).is_some();
            self.is_url_safe |= memchr::memchr2(b'-', b'_', piece).is_some();
        }
    }

    /// Says what is wrong with a body that was to be base64 text; nothing if that is not known.
    pub fn of_text(&self) -> Option<&'static str> {
        match () {
            () if Kind::of(&self.start).is_some() => Some(PICTURE),
            () if self.is_url() => Some(URL),
            () if self.is_url_safe && !self.is_usual => Some(URL_SAFE),
            () => None,
        }
    }

    /// Says what is wrong with a body that was to be a picture as it is; nothing if that is not known.
    pub fn of_picture(&self) -> Option<&'static str> {
        match () {
            () if Kind::of(&self.start).is_some() => None,
            () if self.is_url() => Some(BINARY_URL),
            () if self.is_text() => Some(TEXT),
            () => None,
        }
    }

    /// Returns the start without what may stand before a text: a byte order mark, white space, a quotation mark.
    fn trimmed(&self) -> &[u8] {
        let start = self.start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.start).trim_ascii_start();
        start.strip_prefix(b"\"").or(start.strip_prefix(b"'")).unwrap_or(start)
    }

    fn is_url(&self) -> bool {
        self.trimmed().get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"data:"))
    }

    fn is_text(&self) -> bool {
        let mut content = Vec::with_capacity(START_BYTES);
        Decoder::default().feed(self.trimmed(), &mut content);
        content.truncate(KIND_BYTES);
        Kind::of(&content).is_some()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE as SAFE, URL_SAFE_NO_PAD};

    use super::*;

    /// First bytes of a picture of each kind, and some more.
    fn pictures() -> [Vec<u8>; 5] {
        let starts: [&[u8]; 5] = [
            b"\xFF\xD8\xFF\xE0\0\x10JFIF\0",
            b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR",
            b"GIF89a\x10\0\x10\0\x80\0\0",
            b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
            b"RIFF\x24\0\0\0WEBPVP8L",
        ];
        starts.map(|start| [start, &(0..=255).collect::<Vec<u8>>()].concat())
    }

    fn look(body: &[u8], size: usize) -> Look {
        let mut look = Look::default();
        body.chunks(size).for_each(|piece| look.feed(piece));
        look
    }

    #[test]
    fn each_form_is_told_from_the_others_in_any_pieces() {
        for picture in pictures() {
            let text = STANDARD.encode(&picture);
            for size in [1, 7, 1000] {
                let of_text = |body: &[u8]| look(body, size).of_text();
                let of_picture = |body: &[u8]| look(body, size).of_picture();
                assert_eq!((of_text(&picture), of_picture(&picture)), (Some(PICTURE), None));
                assert_eq!((of_text(text.as_bytes()), of_picture(text.as_bytes())), (None, Some(TEXT)));
                for before in ["data:image/png;base64,", " \r\nDATA:;base64,", "\u{FEFF}\"data:image/x,"] {
                    let url = format!("{before}{text}");
                    let both = (of_text(url.as_bytes()), of_picture(url.as_bytes()));
                    assert_eq!(both, (Some(URL), Some(BINARY_URL)), "{url}");
                }
                for safe in [SAFE.encode(&picture), URL_SAFE_NO_PAD.encode(&picture)] {
                    assert_eq!(of_text(safe.as_bytes()), Some(URL_SAFE));
                }
                let lines = text.as_bytes().chunks(20).collect::<Vec<_>>().join(&b"\r\n"[..]);
                assert_eq!((of_text(&lines), of_picture(&lines)), (None, Some(TEXT)), "in lines");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for body in [&b""[..], b"abc", b"YQ==", b"hello world", b"dat", b"\0\0\0\0", b"-/", b"+_"] {
            assert_eq!(look(body, 3).of_text(), None, "{body:?}");
            assert_eq!(look(body, 3).of_picture(), None, "{body:?}");
        }
    }
}
