//! Pictures out of the store, whole or in part.

use std::ops::Range;
use std::sync::Arc;

use crate::app::answer;
use crate::app::application::{Action, FilePart, Job, JobStep, Start};
use crate::base::blob::BlobId;
use crate::base::limits::PIECE_BYTES;
use crate::http::caching::Caching;
use crate::http::conditional::{self, Selection, Validators};
use crate::http::request::Head;
use crate::http::response::{Response, StreamHead};
use crate::log::blobs::Blobs;
use crate::log::blobs::check::Fault;
use crate::log::blobs::store::BlobReader;

/// A content as its record describes it.
#[derive(Clone, Copy, Debug)]
pub struct Media {
    /// The blob.
    pub blob: BlobId,
    /// Its length.
    pub size_bytes: u64,
    /// Its media type.
    pub content_type: &'static str,
}

/// Answers a GET or HEAD request for a content that never changes under its name.
pub fn answer(head: &Head<'_>, media: Media, blobs: &Arc<Blobs>) -> Action {
    match begin(head, media, blobs) {
        Ok(sending) => Action::Job(Box::new(sending)),
        Err(response) => Action::Respond(response),
    }
}

/// Begins to send a content.
///
/// # Errors
/// Returns the answer where nothing is sent.
pub fn begin(head: &Head<'_>, media: Media, blobs: &Arc<Blobs>) -> Result<Sending, Response> {
    let etag = format!("\"{}\"", media.blob);
    let Ok(length) = usize::try_from(media.size_bytes) else { return Err(gone()) };
    let (status, range) = match conditional::judge(head, Validators { etag: &etag, modified_s: None }, length)
    {
        Selection::Whole => (200, 0..length),
        Selection::Part(range) => (206, range),
        Selection::NotModified => {
            let response = Response::new(304, "", "").kept_by(Caching::Immutable);
            return Err(Response { headers: fields(&etag), ..response });
        }
        Selection::Failed => return Err(answer::detail(412, "This is another version")),
        Selection::Unsatisfiable => {
            let response = answer::detail(416, "There are no such bytes");
            return Err(response.with("Content-Range", format!("bytes */{length}")));
        }
    };
    let mut headers = fields(&etag);
    if status == 206 {
        headers.push(("Content-Range", format!("bytes {}-{}/{length}", range.start, range.end - 1)));
    }
    let head = StreamHead {
        status,
        content_type: media.content_type,
        headers,
        caching: Caching::Immutable,
        length: Some((range.end - range.start) as u64),
    };
    let range = range.start as u64..range.end as u64;
    let is_long = range.end - range.start > PIECE_BYTES as u64;
    Ok(Sending { blobs: blobs.clone(), media, head, range, is_long, reader: None })
}

fn fields(etag: &str) -> Vec<(&'static str, String)> {
    [
        ("ETag", etag),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
        // Whatever the bytes are, a browser that is led here directly runs nothing of them.
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Returns the answer to a picture whose content is named, but not here: a peer has it, or the store lost it.
fn gone() -> Response {
    answer::detail(404, "This content is not on this host")
}

/// The job.
pub struct Sending {
    blobs: Arc<Blobs>,
    media: Media,
    head: StreamHead,
    /// What is still to be sent.
    range: Range<u64>,
    /// Longer than one piece, which is sent at once with its head.
    is_long: bool,
    reader: Option<Box<dyn BlobReader>>,
}

impl Job for Sending {
    fn start(&mut self) -> Start {
        match self.blobs.open(&self.media.blob) {
            Ok(reader) if reader.size_bytes() == self.media.size_bytes => {
                self.reader = Some(reader);
                return Start::Stream(self.head.clone());
            }
            Ok(_) => self.blobs.faults().note(self.media.blob, Fault::Damaged),
            Err(error) => {
                if let Some(fault) = Fault::of(&error) {
                    self.blobs.faults().note(self.media.blob, fault);
                }
            }
        }
        Start::Whole(gone())
    }

    fn next(&mut self, out: &mut Vec<u8>) -> JobStep {
        let Some(reader) = &self.reader else { return JobStep::Failed };
        let rest = self.range.end - self.range.start;
        let length = rest.min(PIECE_BYTES as u64) as usize;
        let start = out.len();
        out.resize(start + length, 0);
        if reader.read_at(&mut out[start..], self.range.start).is_err() {
            return JobStep::Failed;
        }
        self.range.start += length as u64;
        if self.range.is_empty() { JobStep::Done } else { JobStep::More }
    }

    fn file(&mut self) -> Option<FilePart<'_>> {
        let file = self.reader.as_ref().filter(|_| self.is_long)?.file()?;
        Some(FilePart { file, range: &mut self.range })
    }
}
