//! The beginning of an answer that is no success, kept once for each status of a connection.

use memchr::memchr;

/// Bytes that are kept of a body.
const BYTES_MAX: usize = 256;
/// Codes of one connection of which an answer is kept.
const CODES_MAX: usize = 16;

/// What is kept.
#[derive(Clone, Debug, Default)]
pub struct Excerpts {
    /// Codes of which an answer was kept.
    known: Vec<u16>,
    /// Status and beginning of each answer that was not taken away.
    kept: Vec<(u16, Vec<u8>)>,
    /// Whether the body that is being read is that of the last one.
    is_open: bool,
}

impl Excerpts {
    /// Starts with an answer whose head is `head`, if it is the first one of its status; of a redirect the target is kept.
    pub fn start(&mut self, status: u16, head: &[u8]) {
        let is_kept = (200..300).contains(&status) || self.known.contains(&status);
        self.is_open = !is_kept && self.known.len() < CODES_MAX;
        if !self.is_open {
            return;
        }
        self.known.push(status);
        let mut kept = Vec::new();
        if let (true, Some(target)) = ((300..400).contains(&status), field(head, b"location")) {
            kept.extend_from_slice(b"to ");
            kept.extend_from_slice(&target[..target.len().min(BYTES_MAX)]);
            kept.push(b' ');
        }
        self.kept.push((status, kept));
    }

    /// Takes a piece of the body.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        if let (true, Some((_, kept))) = (self.is_open, self.kept.last_mut()) {
            let room = BYTES_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Takes away status and beginning of an answer, but not of the last one unless it `is_whole`.
    #[inline]
    pub fn take(&mut self, is_whole: bool) -> Option<(u16, Vec<u8>)> {
        let complete = self.kept.len().saturating_sub(usize::from(!is_whole && self.is_open));
        (complete > 0).then(|| self.kept.remove(0))
    }
}

/// Returns the value of the first field with this name, which is in lower case.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (own, value) = line.split_at(memchr(b':', line)?);
        own.eq_ignore_ascii_case(name).then(|| value[1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_of_each_code_is_kept() {
        let mut excerpts = Excerpts::default();
        for (status, head, body, kept) in [
            (200, &b"HTTP/1.1 200 OK\r\n\r\n"[..], &b"fine"[..], None),
            (500, b"HTTP/1.1 500 No\r\n\r\n", b"why", Some(&b"why"[..])),
            (500, b"HTTP/1.1 500 No\r\n\r\n", b"again", None),
            (301, b"HTTP/1.1 301 Moved\r\nX: y\r\nLOCATION:  /b \r\n\r\n", b"moved", Some(b"to /b moved")),
            (302, b"HTTP/1.1 302 Found\r\n\r\n", b"", Some(b"")),
        ] {
            excerpts.start(status, head);
            excerpts.add(body);
            assert!(excerpts.take(false).is_none(), "{status}");
            assert_eq!(excerpts.take(true).map(|(_, bytes)| bytes).as_deref(), kept, "{status}");
        }
        excerpts.start(503, b"");
        (0..100).for_each(|_| excerpts.add(b"0123456789"));
        excerpts.start(200, b"");
        excerpts.add(b"of another answer");
        assert_eq!(excerpts.take(false).unwrap().1.len(), BYTES_MAX);
    }
}
