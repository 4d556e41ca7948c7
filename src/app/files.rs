//! Files that are part of the program: pages, style sheets, scripts, pictures.
//!
//! A file's tag is a hash of its content, its gzip form is made once at start, and what it is sent from is the program
//! itself: no request reads a disk or compresses anything.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::base::sha256::sha256;
use crate::base::version;
use crate::http::caching::Caching;
use crate::http::coding;
use crate::http::conditional::{self, Selection, Validators};
use crate::http::request::Head;
use crate::http::response::Response;

/// Bytes of the hash that names a version of a file: 64 bits tell the few versions of a few files apart.
const HASH_BYTES: usize = 8;

/// One file.
#[derive(Debug)]
pub struct File {
    content_type: &'static str,
    content: Form,
    /// Where that is shorter.
    gzip: Option<Form>,
    caching: Caching,
    modified_s: Option<u64>,
    hash: String,
}

/// What is sent, with the tag that names it: each coding has its own (RFC 9110, section 8.8.3.3).
#[derive(Debug)]
struct Form {
    bytes: &'static [u8],
    etag: String,
}

impl File {
    /// Returns a file with this content. It lives as long as the program, like the content.
    #[must_use]
    pub fn new(content_type: &'static str, content: &'static [u8], caching: Caching) -> Self {
        let hash = hash_of(content);
        let form = |bytes, mark| Form { bytes, etag: format!("\"{hash}{mark}\"") };
        Self {
            content_type,
            gzip: compressed(content_type, content).map(|bytes| form(bytes, "-gzip")),
            content: form(content, ""),
            caching,
            modified_s: version::commit_time_s(),
            hash,
        }
    }

    /// Returns the same file without a date, for what differs between two starts of one program: a client that knows nothing but
    /// the date would keep the other one.
    #[must_use]
    pub fn undated(self) -> Self {
        Self { modified_s: None, ..self }
    }

    /// Returns a path for this version of the file: `/static/page.css` becomes `/static/page.<hash>.css`.
    #[must_use]
    pub fn hashed_path(&self, path: &str) -> String {
        let (stem, extension) = path.rsplit_once('.').unwrap_or((path, ""));
        format!("{stem}.{}.{extension}", self.hash)
    }

    /// Answers a GET or HEAD request: everything, a part, or that the client has it already.
    ///
    /// A part is one of the content as it is, never of its gzip form.
    #[must_use]
    pub fn answer(&self, head: &Head<'_>) -> Response {
        let wants_gzip =
            head.header("range").is_none() && coding::prefers_gzip(head.values("accept-encoding"));
        let zipped = self.gzip.as_ref().filter(|_| wants_gzip && self.may_be_compressed(head));
        let form = zipped.unwrap_or(&self.content);
        let validators = Validators { etag: &form.etag, modified_s: self.modified_s };
        let response = match conditional::judge(head, validators, form.bytes.len()) {
            Selection::Whole => Response::fixed(200, self.content_type, form.bytes),
            Selection::NotModified => Response::new(304, "", ""),
            Selection::Failed => {
                let sentence = "This is another version.\n";
                return self.guarded(Response::new(412, "text/plain; charset=utf-8", sentence));
            }
            Selection::Part(range) => {
                let whole = form.bytes.len();
                let said = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
                Response::fixed(206, self.content_type, &form.bytes[range]).with("Content-Range", said)
            }
            Selection::Unsatisfiable => {
                let said = format!("bytes */{}", form.bytes.len());
                let sentence = "There are no such bytes.\n";
                let response = Response::new(416, "text/plain; charset=utf-8", sentence);
                return self.guarded(response.with("Content-Range", said));
            }
        };
        let has_content = matches!(response.status, 200 | 206);
        let response = if has_content && zipped.is_some() {
            response.with("Content-Encoding", "gzip")
        } else {
            response
        };
        let response = self.guarded(response).with("ETag", form.etag.as_str()).kept_by(self.caching);
        match self.modified_s {
            Some(modified_s) => response.with("Last-Modified", conditional::date_of(modified_s)),
            None => response,
        }
    }

    /// Returns whether the length of a compressed answer to this request tells a listener nothing. A page may come to hold what is
    /// secret beside what its address says, and over TLS the length would give the secret away (BREACH); other files never do.
    fn may_be_compressed(&self, head: &Head<'_>) -> bool {
        !(head.is_secure && self.content_type.starts_with("text/html"))
    }

    /// Returns the fields that errors have too: those that tell one version from another are the content's.
    fn guarded(&self, response: Response) -> Response {
        let response = response.with("Accept-Ranges", "bytes").with("X-Content-Type-Options", "nosniff");
        if self.gzip.is_some() { response.with("Vary", "Accept-Encoding") } else { response }
    }
}

fn hash_of(content: &[u8]) -> String {
    let mut text = String::with_capacity(2 * HASH_BYTES);
    for byte in &sha256(content)[..HASH_BYTES] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the content's gzip form, if it is shorter by enough to be worth a decompression. Pictures are compressed already: to try it
/// a few megabytes of them took a tenth of a second of every start.
fn compressed(content_type: &str, content: &[u8]) -> Option<&'static [u8]> {
    if content_type.starts_with("image/") && content_type != "image/svg+xml" {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 2), Compression::best());
    encoder.write_all(content).ok()?;
    let bytes = encoder.finish().ok()?;
    // Made once and kept for as long as the program runs, as the content is.
    (bytes.len() < content.len() / 10 * 9).then(|| &*bytes.leak())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    static TEXT: &[u8] = &[b'a'; 5000];

    fn ask(file: &File, fields: &str) -> Response {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut slots = HeaderSlots::new();
        file.answer(&parse_head(text.as_bytes(), &mut slots, &Limits::default()).unwrap())
    }

    fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_gzip_form_has_its_own_tag_and_the_same_content() {
        let file = File::new("text/css", TEXT, Caching::Immutable);
        let (plain, zipped) = (ask(&file, ""), ask(&file, "Accept-Encoding: gzip\r\n"));
        assert_eq!((&*plain.body, field(&plain, "Content-Encoding")), (TEXT, None));
        assert_eq!(field(&zipped, "Content-Encoding"), Some("gzip"));
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(&*zipped.body).read_to_end(&mut unzipped).unwrap();
        assert_eq!(unzipped, TEXT);
        assert_ne!(field(&plain, "ETag"), field(&zipped, "ETag"));
        for response in [&plain, &zipped] {
            assert_eq!(field(response, "Vary"), Some("Accept-Encoding"));
            assert_eq!(response.caching, Caching::Immutable);
            let again =
                format!("If-None-Match: {}\r\nAccept-Encoding: gzip\r\n", field(&zipped, "ETag").unwrap());
            let not_modified = ask(&file, &again);
            assert_eq!((not_modified.status, field(&not_modified, "ETag")), (304, field(&zipped, "ETag")));
            assert_eq!(not_modified.caching, Caching::Immutable);
        }
    }

    #[test]
    fn pages_alone_are_not_compressed_over_tls() {
        let sent = |content_type, is_secure| {
            let file = File::new(content_type, TEXT, Caching::Revalidated);
            let text = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
            let mut slots = HeaderSlots::new();
            let mut head = parse_head(text, &mut slots, &Limits::default()).unwrap();
            head.is_secure = is_secure;
            let answer = file.answer(&head);
            (field(&answer, "Content-Encoding").map(str::to_owned), field(&answer, "Vary").map(str::to_owned))
        };
        let (gzip, vary) = (Some("gzip".to_owned()), Some("Accept-Encoding".to_owned()));
        assert_eq!(sent("text/html; charset=utf-8", true), (None, vary.clone()));
        assert_eq!(sent("text/html; charset=utf-8", false), (gzip.clone(), vary.clone()));
        assert_eq!(sent("text/css; charset=utf-8", true), (gzip, vary));
    }

    #[test]
    fn a_part_is_one_of_the_plain_content() {
        let file = File::new("text/css", TEXT, Caching::Revalidated);
        let part = ask(&file, "Range: bytes=4990-\r\nAccept-Encoding: gzip\r\n");
        assert_eq!((part.status, part.body.len()), (206, 10));
        assert_eq!(field(&part, "Content-Range"), Some("bytes 4990-4999/5000"));
        assert_eq!(field(&part, "Content-Encoding"), None);
        assert_eq!(part.caching, Caching::Revalidated);
        let beyond = ask(&file, "Range: bytes=5000-\r\n");
        assert_eq!((beyond.status, field(&beyond, "Content-Range")), (416, Some("bytes */5000")));
        let other = ask(&file, "If-Match: \"0\"\r\n");
        assert_eq!(other.status, 412);
        for error in [beyond, other] {
            assert_eq!(error.caching, Caching::NoStore, "{}", error.status);
            for name in ["ETag", "Last-Modified", "Content-Encoding"] {
                assert_eq!(field(&error, name), None, "{}", error.status);
            }
        }
    }

    #[test]
    fn pictures_are_not_compressed_but_drawings_of_words_are() {
        for (content_type, is_compressed) in
            [("image/png", false), ("image/svg+xml", true), ("text/css", true)]
        {
            let file = File::new(content_type, TEXT, Caching::Immutable);
            assert_eq!(file.gzip.is_some(), is_compressed, "{content_type}");
        }
    }

    #[test]
    fn names_change_with_the_content_and_noise_is_not_compressed() {
        let noise: Vec<u8> = (0..64_u8).flat_map(|at| sha256(&[at])).collect();
        let noise = File::new("text/css", noise.leak(), Caching::Immutable);
        assert!(noise.gzip.is_none() && field(&ask(&noise, ""), "Vary").is_none());
        let path = noise.hashed_path("/static/train.png");
        assert!(path.starts_with("/static/train.") && path.ends_with(".png") && path.len() == 34, "{path}");
        let other = File::new("image/png", b"x", Caching::Immutable);
        assert_ne!(path, other.hashed_path("/static/train.png"));
    }
}
