//! What a head says about itself: how long its body is, whether the connection lives on, whom it is for.

use super::charset;
use super::refusal::Refusal;
use super::target::is_authority;

const HOST_MISSING: Refusal = Refusal::bad("HTTP/1.1 needs a Host field");
const HOST_DOUBLED: Refusal = Refusal::bad("more than one Host field");
const HOST_INVALID: Refusal = Refusal::bad("the Host field is no host with an optional port");
const LENGTH_DOUBLED: Refusal = Refusal::bad("more than one Content-Length field");
const LENGTH_INVALID: Refusal = Refusal::bad("Content-Length is not a row of digits");
const LENGTH_AND_CODING: Refusal = Refusal::bad("Content-Length with Transfer-Encoding");
const CODING_IN_1_0: Refusal = Refusal::bad("Transfer-Encoding in HTTP/1.0");
const CODING_INVALID: Refusal = Refusal::bad("Transfer-Encoding is no list of codings");
const CODING_TWICE: Refusal = Refusal::bad("chunked more than once");
const CODING_ENDLESS: Refusal = Refusal::bad("a Transfer-Encoding in which chunked is not the last coding");
const CODING_UNKNOWN: Refusal = Refusal::new(501, "a transfer coding other than chunked");

/// The protocol versions that are spoken; any other is answered 505.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: one request per connection unless asked otherwise, no chunks.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes; more than a u64 holds counts as its greatest value, which is beyond every limit.
    Length(u64),
    /// Chunks up to one of size 0.
    Chunked,
}

/// The fields that matter here, as far as they have been read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields {
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_coded: bool,
    /// The last coding so far is chunked.
    ends_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
    expects_continue: bool,
}

/// What all fields together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The body.
    pub framing: Framing,
    /// Whether another request may follow the answer (RFC 9112, section 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1).
    pub expect_continue: bool,
}

impl Fields {
    /// Takes note of one field; true if it is the Content-Length.
    ///
    /// # Errors
    /// Refuses with 400 a repeated or invalid Host or Content-Length, and a Transfer-Encoding that is not a list of tokens.
    pub fn note(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Refusal> {
        // Lengths first: most fields are none of these and need no comparison.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.note_host(value)?,
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.note_length(value)?;
                return Ok(true);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_codings(value)?,
            _ => {}
        }
        Ok(false)
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.has_host {
            return Err(HOST_DOUBLED);
        }
        self.has_host = true;
        if is_authority(value) { Ok(()) } else { Err(HOST_INVALID) }
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= option.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(LENGTH_DOUBLED);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(LENGTH_INVALID);
        }
        let push =
            |length: u64, digit: &u8| length.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        self.length = Some(value.iter().fold(0, push));
        Ok(())
    }

    /// Notes the codings of a field. Empty elements, which lists in general may have, are refused: a reader that stops at one sees
    /// another list.
    fn note_codings(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for coding in value.split(|&byte| byte == b',').map(trim_blanks) {
            if coding.is_empty() || !coding.iter().all(|&byte| charset::is_token(byte)) {
                return Err(CODING_INVALID);
            }
            self.ends_chunked = coding.eq_ignore_ascii_case(b"chunked");
            if !self.ends_chunked {
                self.is_coded = true;
            } else if self.is_chunked {
                return Err(CODING_TWICE);
            } else {
                self.is_chunked = true;
            }
        }
        Ok(())
    }

    /// Returns what the fields say once all of them have been noted.
    ///
    /// # Errors
    /// Refuses with 400 a missing Host in HTTP/1.1, two framings at once, and codings that do not end with chunked:
    /// nobody knows where such a body ends (RFC 9112, section 6.3). 501 for another coding before chunked.
    pub fn framed(&self, version: Version) -> Result<Framed, Refusal> {
        let is_1_1 = version == Version::Http11;
        let has_coding = self.is_chunked || self.is_coded;
        match () {
            () if is_1_1 && !self.has_host => return Err(HOST_MISSING),
            () if has_coding && !is_1_1 => return Err(CODING_IN_1_0),
            () if has_coding && self.length.is_some() && !cfg!(seeded_bug = "length_and_coding") => {
                return Err(LENGTH_AND_CODING);
            }
            () if has_coding && !self.ends_chunked => return Err(CODING_ENDLESS),
            () if self.is_coded => return Err(CODING_UNKNOWN),
            () => {}
        }
        let framing = match self.length {
            Some(length) => Framing::Length(length),
            None if self.is_chunked => Framing::Chunked,
            None => Framing::None,
        };
        Ok(Framed {
            framing,
            keep_alive: !self.says_close && (is_1_1 || self.says_keep_alive),
            expect_continue: self.expects_continue && is_1_1,
        })
    }
}

/// Takes spaces and tabs off both ends; unlike `trim_ascii` it leaves line ends and form feeds, to be refused.
fn trim_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(version: Version, fields: &[(&str, &str)]) -> Result<Framed, Refusal> {
        let mut noted = Fields::default();
        for (name, value) in fields {
            noted.note(name.as_bytes(), value.as_bytes())?;
        }
        noted.framed(version)
    }

    fn framing(fields: &[(&str, &str)]) -> Result<Framing, Refusal> {
        let mut all = vec![("Host", "a")];
        all.extend_from_slice(fields);
        framed(Version::Http11, &all).map(|framed| framed.framing)
    }

    #[test]
    fn one_framing_or_none() {
        assert_eq!(framing(&[]), Ok(Framing::None));
        assert_eq!(framing(&[("content-LENGTH", "007")]), Ok(Framing::Length(7)));
        assert_eq!(framing(&[("Content-Length", "99999999999999999999")]), Ok(Framing::Length(u64::MAX)));
        assert_eq!(framing(&[("Transfer-Encoding", "ChunKed")]), Ok(Framing::Chunked));
        for bad in ["", "+1", "-1", "1,1", "1 1", "0x1", "1.0", "a"] {
            assert_eq!(framing(&[("Content-Length", bad)]), Err(LENGTH_INVALID), "{bad}");
        }
        for bad in ["", ",", "chunked,", ",chunked", "chunked;a=b", "\"chunked\"", "\x0bchunked", "chun ked"]
        {
            assert_eq!(framing(&[("Transfer-Encoding", bad)]), Err(CODING_INVALID), "{bad:?}");
        }
        let (length, chunked) = (("Content-Length", "5"), ("Transfer-Encoding", "chunked"));
        assert_eq!(framing(&[length, length]), Err(LENGTH_DOUBLED));
        assert_eq!(framing(&[length, chunked]), Err(LENGTH_AND_CODING));
        assert_eq!(framing(&[length, ("Transfer-Encoding", "gzip")]), Err(LENGTH_AND_CODING));
        assert_eq!(framing(&[chunked, chunked]), Err(CODING_TWICE));
        assert_eq!(framing(&[("Transfer-Encoding", "gzip, chunked")]), Err(CODING_UNKNOWN));
        assert_eq!(framing(&[("Transfer-Encoding", "identity"), chunked]), Err(CODING_UNKNOWN));
        for endless in ["gzip", "identity", "chunked, gzip", "chunkedx", "x-chunked", "'chunked'"] {
            assert_eq!(framing(&[("Transfer-Encoding", endless)]), Err(CODING_ENDLESS), "{endless}");
        }
        assert_eq!(framing(&[chunked, ("Transfer-Encoding", "gzip")]), Err(CODING_ENDLESS));
        assert_eq!(framing(&[("Transfer-Encoding", "chunked, gzip"), chunked]), Err(CODING_TWICE));
        assert_eq!(framed(Version::Http10, &[chunked]), Err(CODING_IN_1_0));
    }

    #[test]
    fn connections_live_as_their_version_and_options_say() {
        let lives =
            |version, value| framed(version, &[("Host", ""), ("Connection", value)]).unwrap().keep_alive;
        assert!(lives(Version::Http11, "") && !lives(Version::Http10, ""));
        assert!(lives(Version::Http10, "Keep-Alive") && lives(Version::Http10, "x , keep-alive"));
        assert!(!lives(Version::Http11, "CLOSE") && !lives(Version::Http11, "upgrade,\tclose"));
        assert!(!lives(Version::Http10, "keep-alive, close"));
    }

    #[test]
    fn the_host_stands_once_and_expectations_need_1_1() {
        assert_eq!(framed(Version::Http11, &[]), Err(HOST_MISSING));
        assert!(framed(Version::Http10, &[]).is_ok());
        assert_eq!(framed(Version::Http10, &[("Host", "a"), ("hOST", "a")]), Err(HOST_DOUBLED));
        assert_eq!(framed(Version::Http10, &[("Host", "a b")]), Err(HOST_INVALID));
        let expects =
            |version, value| framed(version, &[("Host", ""), ("Expect", value)]).unwrap().expect_continue;
        assert!(expects(Version::Http11, "100-Continue"));
        assert!(!expects(Version::Http10, "100-continue") && !expects(Version::Http11, "tea"));
    }
}
