//! Takes a post: the form as it arrives, the picture into the store piece by piece, the record at its end.
//!
//! ```text
//! bytes -> multipart -> message
//!                   '-> buffer -(full: work)-> blob     end -(work: clean, finish)-> record -> lane
//! ```

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::answer;
use crate::app::upload::{Ended, Fed, Pause, Upload};
use crate::apps::board::limits::BOARD_MESSAGE_CHARS_MAX;
use crate::apps::board::tag;
use crate::apps::pictures::clean::{Unclean, cleaned};
use crate::apps::pictures::kind::{KIND_BYTES, Kind};
use crate::base::limits::UPLOAD_PIECE_BYTES;
use crate::http::multipart::{Event, Multipart, PartHead};
use crate::http::response::Response;
use crate::log::blobs::{Blobs, Pin, Writer};
use crate::log::lane::Producer;
use crate::os::disk::is_no_space;

use super::name;
use super::news::Announcement;
use super::record::Post;

/// A message is kept up to this many bytes while it arrives: one letter more than it may have. A letter has four bytes
/// at most; a line break, which counts as one, comes as two.
const MESSAGE_BYTES_KEPT: usize = 4 * (BOARD_MESSAGE_CHARS_MAX + 1);

/// What a post needs of its surroundings.
pub struct Site {
    /// Where the picture goes.
    pub blobs: Arc<Blobs>,
    /// First part of its name.
    pub uuid: [u8; 16],
    /// Bytes that it may have.
    pub picture_bytes_max: usize,
    /// Whether what it says about its origin stays in it.
    pub keep_metadata: bool,
    /// Whether a picture from which that can't be removed is kept as it came.
    pub keep_unclean: bool,
    /// Wakes those who wait for it.
    pub announcement: Announcement,
}

/// The part that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Message,
    File,
    Other,
}

/// A picture on its way into the store.
struct Picture {
    name: String,
    /// Recognised by its first bytes, once they are there.
    kind: Option<Kind>,
    /// What a job thread is to write.
    buffer: Vec<u8>,
    size_bytes: usize,
    writer: Option<Writer>,
    /// The picture as it is kept, once it is, and its length.
    kept: Option<(Pin, u64)>,
    /// Why it is kept as it came although that is not wanted.
    unclean: Option<Unclean>,
}

/// A post that is being received.
pub struct PostUpload {
    multipart: Multipart,
    form: Form,
    is_ended: bool,
}

/// What has come of it.
struct Form {
    site: Option<Site>,
    part: Part,
    message: Option<Vec<u8>>,
    picture: Option<Picture>,
    /// Why it is refused. The rest of the body is read and forgotten then, so that the client reads the answer.
    refusal: Option<Response>,
}

impl PostUpload {
    /// Begins a form of which nothing has arrived.
    #[must_use]
    pub fn new(boundary: &str, site: Site) -> Self {
        let form = Form { site: Some(site), part: Part::Other, message: None, picture: None, refusal: None };
        Self { multipart: Multipart::new(boundary), form, is_ended: false }
    }
}

impl Form {
    fn refuse(&mut self, response: Response) {
        self.refusal.get_or_insert(response);
        self.picture = None;
    }

    /// Begins a part of the form. A field that comes twice counts as it came last. A file without a name was not chosen, and a
    /// text in its place is none.
    fn begin_part(&mut self, head: PartHead) {
        self.part = match (&*head.name, head.filename) {
            ("message", None) => {
                self.message = Some(Vec::new());
                Part::Message
            }
            ("file", Some(filename)) if !filename.is_empty() => {
                self.picture = Some(Picture::new(name::cleaned(&filename)));
                Part::File
            }
            _ => Part::Other,
        };
    }

    /// Takes bytes of a part; gives whether a job thread has to write some first.
    fn data(&mut self, bytes: &[u8]) -> bool {
        match (self.part, &mut self.message, &mut self.picture) {
            (Part::Message, Some(message), _) => {
                let room = MESSAGE_BYTES_KEPT.saturating_sub(message.len());
                message.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            (Part::File, _, Some(picture)) => {
                picture.size_bytes += bytes.len();
                let most = self.site.as_ref().map_or(0, |site| site.picture_bytes_max);
                if picture.size_bytes > most {
                    self.refuse(answer::detail(413, &format!("The picture is larger than {most} bytes")));
                    return false;
                }
                picture.take(bytes);
                return picture.buffer.len() >= UPLOAD_PIECE_BYTES;
            }
            _ => {}
        }
        false
    }

    /// Returns what is wrong with a form that was read to its end.
    fn judge(&self) -> Option<Response> {
        let is_missing =
            [("file", self.picture.is_none()), ("message", self.message.as_ref().is_none_or(Vec::is_empty))];
        if is_missing.iter().any(|(_, is_missing)| *is_missing) {
            let missing = is_missing.iter().filter(|(_, is_missing)| *is_missing);
            return Some(details(missing.map(|(field, _)| missing_field(field)).collect()));
        }
        let Some(message) = self.text() else {
            // A long one may have been cut inside of a letter.
            let is_cut = self.message.as_ref().is_some_and(|message| message.len() >= MESSAGE_BYTES_KEPT);
            return Some(if is_cut { too_long() } else { unparsable() });
        };
        if message.chars().count() > BOARD_MESSAGE_CHARS_MAX {
            return Some(too_long());
        }
        if self.picture.as_ref().is_some_and(|picture| picture.kind.is_none()) {
            return Some(answer::detail(415, "The file is no JPEG, PNG, GIF, BMP or WebP picture"));
        }
        None
    }

    /// Returns the message with its line breaks as LF, whichever way the client's system or form writes them; nothing if it is
    /// not UTF-8.
    fn text(&self) -> Option<String> {
        let message = std::str::from_utf8(self.message.as_deref().unwrap_or_default()).ok()?;
        Some(message.replace("\r\n", "\n").replace('\r', "\n"))
    }

    /// Returns the record and the answer of a post whose picture is kept.
    fn post(&self) -> Option<(Vec<u8>, Response)> {
        let picture = self.picture.as_ref()?;
        let (pin, size_bytes) = picture.kept.as_ref()?;
        let uuid = self.site.as_ref()?.uuid;
        let post = Post {
            id: 0,
            uuid,
            blob: pin.id(),
            kind: picture.kind?,
            size_bytes: *size_bytes,
            name: picture.name.clone(),
            message: self.text()?,
        };
        let mut answer = json!({ "ok": true, "filename": name::stored(uuid, &picture.name) });
        if let Some(reason) = picture.unclean {
            answer["unclean"] = format!("The picture is kept with its metadata: {reason}").into();
        }
        Some((post.record(), answer::json(200, answer.to_string())))
    }
}

impl Picture {
    fn new(name: String) -> Self {
        Self { name, kind: None, buffer: Vec::new(), size_bytes: 0, writer: None, kept: None, unclean: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.kind.is_none() && self.writer.is_none() {
            // The first bytes are all in the buffer.
            self.kind = Kind::of(&self.buffer[..self.buffer.len().min(KIND_BYTES)]);
        }
    }

    /// Writes what is buffered. What is no picture is not written.
    fn write(&mut self, blobs: &Arc<Blobs>) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        if self.kind.is_none() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(blobs.writer()?),
        };
        writer.write(&buffer)
    }

    /// Keeps the picture, without its metadata if that is to go.
    fn finish(&mut self, site: &Site) -> Result<(), NotKept> {
        let blobs = &site.blobs;
        self.write(blobs)?;
        let (Some(writer), Some(kind)) = (self.writer.take(), self.kind) else { return Ok(()) };
        let cleaned = if site.keep_metadata { Ok(None) } else { cleaned(kind, &writer.read_back()?) };
        let clean = match cleaned {
            Ok(clean) => clean,
            Err(reason) if site.keep_unclean => {
                self.unclean = Some(reason);
                None
            }
            Err(reason) => return Err(reason.into()),
        };
        self.kept = Some(match clean {
            Some(clean) => (blobs.keep(&clean)?, clean.len() as u64),
            None => {
                let size_bytes = writer.size_bytes();
                (writer.finish()?, size_bytes)
            }
        });
        Ok(())
    }
}

impl Upload for PostUpload {
    fn kinds(&self) -> &'static [u8] {
        &[tag::BOARD_POST]
    }

    fn feed(&mut self, bytes: &[u8], _lane: &mut Producer) -> Fed {
        let mut at = 0;
        let form = &mut self.form;
        while form.refusal.is_none() {
            let Ok((consumed, event)) = self.multipart.next(&bytes[at..]) else {
                form.refuse(unparsable());
                break;
            };
            at += consumed;
            match event {
                Event::NeedMore => break,
                Event::Part(head) => form.begin_part(head),
                Event::Data(data) if form.data(data) => return Fed::work(at),
                Event::Data(_) => {}
                Event::PartEnd => form.part = Part::Other,
            }
        }
        Fed::all(bytes)
    }

    fn buffered_bytes(&self) -> usize {
        // At least one: nothing of a post is logged before its end.
        1 + self.form.picture.as_ref().map_or(0, |picture| picture.buffer.capacity())
    }

    fn work(&mut self) {
        let (Some(site), Some(picture)) = (&self.form.site, &mut self.form.picture) else { return };
        let result = if self.is_ended {
            picture.finish(site)
        } else {
            picture.write(&site.blobs).map_err(NotKept::from)
        };
        if let Err(error) = result {
            self.form.refuse(error.response());
        }
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        let form = &mut self.form;
        if !std::mem::replace(&mut self.is_ended, true) && form.refusal.is_none() {
            let fault = if self.multipart.end().is_err() { Some(unparsable()) } else { form.judge() };
            match fault {
                Some(response) => form.refuse(response),
                None => return Ended::Paused(Pause::Work),
            }
        }
        if let Some(response) = form.refusal.take() {
            return Ended::Done(response);
        }
        let Some((record, response)) = form.post() else {
            return Ended::Done(answer::detail(500, "The picture was not kept; nothing was stored"));
        };
        if !lane.push(&record) {
            return Ended::Paused(Pause::Lane);
        }
        let pin = form.picture.take().and_then(|picture| picture.kept);
        let announcement = form.site.take().map(|site| site.announcement);
        Ended::Holding(response, Box::new((pin, announcement)))
    }
}

/// Errors in FastAPI's form.
fn details(details: Vec<Value>) -> Response {
    answer::json(422, json!({ "detail": details }).to_string())
}

fn missing_field(field: &str) -> Value {
    json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null })
}

/// Returns the answer to a body that is no form: both parts are missing.
#[must_use]
pub fn nothing_sent() -> Response {
    details(["file", "message"].map(missing_field).to_vec())
}

/// Returns the answer to a body that can't be read.
#[must_use]
pub fn unparsable() -> Response {
    answer::detail(400, "There was an error parsing the body")
}

fn too_long() -> Response {
    let most = BOARD_MESSAGE_CHARS_MAX;
    details(vec![json!({
        "type": "string_too_long",
        "loc": ["body", "message"],
        "msg": format!("String should have at most {most} characters"),
        "input": null,
        "ctx": { "max_length": most },
    })])
}

/// Why a picture is not kept; nothing is logged then.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] io::Error),
    /// What it says about its origin can't be taken out.
    #[error(transparent)]
    Unclean(#[from] Unclean),
}

impl NotKept {
    fn response(&self) -> Response {
        match self {
            Self::Store(error) if is_no_space(error) => {
                answer::detail(507, "No space left for the picture; nothing was stored")
            }
            Self::Store(error) => {
                answer::detail(500, &format!("The picture can't be stored ({error}); nothing was stored"))
            }
            Self::Unclean(reason) => {
                let msg =
                    format!("The metadata of this picture can't be removed: {reason}; nothing was stored");
                details(vec![json!({
                    "type": "value_error",
                    "loc": ["body", "file"],
                    "msg": msg,
                    "input": null,
                })])
            }
        }
    }
}
