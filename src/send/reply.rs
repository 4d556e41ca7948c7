//! Heads of answers, read from bytes.

use crate::http::framing::Framing;

/// The part of an answer's head that a client of pixeld acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// Length of the head, bytes.
    pub bytes: usize,
    /// The status code.
    pub status: u16,
    /// How the body ends.
    pub framing: Framing,
    /// When to try again, seconds; 0 when the answer does not say.
    pub retry_after_s: u64,
    /// Whether the server closes the connection behind this answer.
    pub close: bool,
}

/// Longest head that is taken, bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Reads the head that `input` starts with; nothing while it is not complete.
///
/// # Errors
/// A sentence about what is no HTTP.
pub fn parse_head(input: &[u8]) -> Result<Option<ReplyHead>, String> {
    let Some(end) = memchr::memmem::find(&input[..input.len().min(HEAD_BYTES_MAX)], b"\r\n\r\n") else {
        let too_long = input.len() >= HEAD_BYTES_MAX;
        return if too_long { Err("the answer's head has no end".to_owned()) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&input[..end]).map_err(|_| "the answer's head is no text".to_owned())?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| format!("{status_line:?} is no status line"))?;
    let mut head = ReplyHead {
        bytes: end + 4,
        status,
        framing: Framing::None,
        retry_after_s: 0,
        close: status_line.starts_with("HTTP/1.0"),
    };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line:?} is no header field"))?;
        head.take(&name.to_ascii_lowercase(), value.trim())?;
    }
    Ok(Some(head))
}

impl ReplyHead {
    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "content-length" => {
                let length = value.parse().map_err(|_| format!("{value:?} is no length"))?;
                self.framing = Framing::Length(length);
            }
            "transfer-encoding" => self.framing = Framing::Chunked,
            "retry-after" => self.retry_after_s = value.parse().unwrap_or(1),
            "connection" => self.close |= value.eq_ignore_ascii_case("close"),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_at_every_split() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nRetry-After: 3\r\n\
                     connection: Close\r\n\r\n{}";
        let head = parse_head(text).expect("sound").expect("complete");
        assert_eq!((head.status, &head.framing, head.retry_after_s), (503, &Framing::Length(2), 3));
        assert!(head.close && &text[head.bytes..] == b"{}");
        for cut in 0..head.bytes {
            assert_eq!(parse_head(&text[..cut]), Ok(None), "{cut}");
        }
        let chunked = parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").expect("sound");
        assert_eq!(chunked.map(|head| (head.framing, head.close)), Some((Framing::Chunked, false)));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        ] {
            assert!(parse_head(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_head(&[b'x'; HEAD_BYTES_MAX]).is_err());
    }
}
