//! Takes a picture: the text as it arrives, decoded and written piece by piece by a job thread, the record at its end.
//!
//! ```text
//! bytes -> buffer -(full: work)-> base64 -> blob      end -(work: finish)-> record -> lane
//! ```
//!
//! If another picture with the same content has a thumbnail already, this one has it too, and its content is not kept.

use std::io;
use std::sync::Arc;

use crate::app::applied_lock::AppliedLock;
use crate::app::upload::{Ended, Fed, Pause, Upload};
use crate::apps::thumbs::limits::THUMBS_HELD_BYTES;
use crate::apps::thumbs::tag;
use crate::base::limits::UPLOAD_PIECE_BYTES;
use crate::http::response::Response;
use crate::log::blobs::{Blobs, Pin, Writer, id_of};
use crate::log::lane::Producer;
use crate::os::disk::is_no_space;

use super::answers;
use super::base64::Decoder;
use super::hint::Look;
use super::media::{Frame, Media, Style};
use super::old::OldPictures;
use super::record::{Change, Picture, Thumbnail};
use super::state::{ThumbsState, order_of};

/// What a picture needs of its surroundings.
pub struct Site {
    /// Where it goes.
    pub blobs: Arc<Blobs>,
    /// What is known already.
    pub applied: Arc<AppliedLock>,
    /// Its name to clients.
    pub uuid: [u8; 16],
    /// What it was sent as.
    pub media: Media,
    /// What its thumbnail fits.
    pub frame: Frame,
    /// How its thumbnail is to be.
    pub style: Style,
    /// Reads its text; nothing if it comes as it is.
    pub decoder: Option<Decoder>,
}

/// What is logged, and what has to stay until it is applied.
struct Kept {
    record: Vec<u8>,
    pin: Pin,
}

/// A picture that is being received.
pub struct ImageUpload {
    site: Site,
    /// What it looks like.
    look: Look,
    /// What a job thread is to take.
    buffer: Vec<u8>,
    /// What it made of that, and has not written yet.
    content: Vec<u8>,
    /// Where a picture goes that is longer than [`THUMBS_HELD_BYTES`].
    writer: Option<Writer>,
    is_ended: bool,
    kept: Option<Kept>,
    /// Why it is refused. The rest of the body is read and forgotten then, so that the client reads the answer.
    refusal: Option<Response>,
}

impl ImageUpload {
    /// Begins a picture of which nothing has arrived.
    #[must_use]
    pub fn new(site: Site) -> Self {
        Self {
            site,
            look: Look::default(),
            buffer: Vec::new(),
            content: Vec::new(),
            writer: None,
            is_ended: false,
            kept: None,
            refusal: None,
        }
    }

    fn take(&mut self) -> io::Result<()> {
        self.look.feed(&self.buffer);
        match &mut self.site.decoder {
            Some(decoder) => decoder.feed(&self.buffer, &mut self.content),
            None => self.content.extend_from_slice(&self.buffer),
        }
        // The memory is used again for the rest of this body, and for no other one.
        self.buffer.clear();
        if !self.is_ended {
            return if self.content.len() > THUMBS_HELD_BYTES { self.write() } else { Ok(()) };
        }
        let is_cut = self.site.decoder.as_ref().is_some_and(|decoder| decoder.end().is_err());
        let hint = if self.site.decoder.is_some() { self.look.of_text() } else { self.look.of_picture() };
        if let Some(sentence) = hint.or(is_cut.then_some(NO_BASE64)) {
            self.refusal = Some(answers::error(400, sentence));
            return Ok(());
        }
        self.finish()
    }

    /// Writes what is held.
    fn write(&mut self) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.site.blobs.writer()?),
        };
        writer.write(&self.content)?;
        self.content.clear();
        Ok(())
    }

    /// Keeps the picture, which is complete.
    fn finish(&mut self) -> io::Result<()> {
        if self.writer.is_some() {
            self.write()?;
        }
        let writer = self.writer.take();
        let (raw, raw_bytes) = match &writer {
            Some(writer) => (writer.id(), writer.size_bytes()),
            None => (id_of(&self.content), self.content.len() as u64),
        };
        let Site { uuid, media, frame, style, .. } = self.site;
        let picture = Picture { uuid, media, frame, style, raw, raw_bytes };
        if let Some((thumbnail, pin)) = self.known(&picture)? {
            self.kept = Some(Kept { record: Change::Known(picture, thumbnail).record(), pin });
            return Ok(());
        }
        let pin = match writer {
            Some(writer) => writer.finish()?,
            None => self.site.blobs.keep(&self.content)?,
        };
        self.kept = Some(Kept { record: Change::Submit(picture).record(), pin });
        Ok(())
    }

    /// Returns the thumbnail that another picture with this content has, if it is on this host.
    fn known(&self, picture: &Picture) -> io::Result<Option<(Thumbnail, Pin)>> {
        let order = order_of(picture);
        let (young, old) = {
            let applied = self.site.applied.read();
            let Some(state) = applied.state::<ThumbsState>() else { return Ok(None) };
            (state.made(&order), OldPictures::of(state, &applied.heals))
        };
        let made = match young {
            // What can't be read there is made again.
            None if old.may_have_made(&order) => old.made(&order).unwrap_or(None),
            young => young,
        };
        let Some(thumbnail) = made else { return Ok(None) };
        Ok(self.site.blobs.pin_present(&thumbnail.blob)?.map(|pin| (thumbnail, pin)))
    }
}

const NO_BASE64: &str = "Unable to base64 decode. Invalid base64-encoded image body";

impl Upload for ImageUpload {
    fn kinds(&self) -> &'static [u8] {
        if self.site.style == Style::usual(self.site.media) {
            &[tag::THUMBS_SUBMIT, tag::THUMBS_KNOWN]
        } else {
            &[tag::THUMBS_SUBMIT_STYLED, tag::THUMBS_KNOWN_STYLED]
        }
    }

    fn feed(&mut self, bytes: &[u8], _lane: &mut Producer) -> Fed {
        if self.refusal.is_some() {
            return Fed::all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= UPLOAD_PIECE_BYTES { Fed::work(bytes.len()) } else { Fed::all(bytes) }
    }

    fn buffered_bytes(&self) -> usize {
        // At least one: nothing of a picture is logged before its end.
        1 + self.buffer.capacity() + self.content.capacity()
    }

    fn work(&mut self) {
        if let Err(error) = self.take() {
            self.writer = None;
            self.refusal = Some(not_kept(&error));
        }
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        if !std::mem::replace(&mut self.is_ended, true) && self.refusal.is_none() {
            return Ended::Paused(Pause::Work);
        }
        if let Some(response) = self.refusal.take() {
            return Ended::Done(response);
        }
        let Some(kept) = &self.kept else {
            return Ended::Done(answers::error(500, "The picture was not kept; nothing was stored"));
        };
        if !lane.push(&kept.record) {
            return Ended::Paused(Pause::Lane);
        }
        let response = answers::accepted(self.site.uuid, self.site.media);
        match self.kept.take() {
            Some(kept) => Ended::Holding(response, Box::new(kept.pin)),
            None => Ended::Done(response),
        }
    }
}

/// Returns the answer to a picture that the store did not take: nothing is logged.
fn not_kept(error: &io::Error) -> Response {
    if is_no_space(error) {
        answers::error(507, "No space left for the picture; nothing was stored")
    } else {
        answers::error(500, &format!("The picture can't be stored ({error}); nothing was stored"))
    }
}
