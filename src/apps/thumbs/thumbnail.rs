//! Thumbnails out of the store: as base64 text, which is kept for the next who asks, or as they are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

use crate::app::application::{Action, Job, JobStep, Start};
use crate::apps::thumbs::limits::{THUMBS_TEXT_BYTES_MAX, THUMBS_TEXTS_BYTES_MAX};
use crate::base::blob::BlobId;
use crate::http::caching::Caching;
use crate::http::conditional::{self, Selection, Validators};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::log::blobs::Blobs;

use super::answers;
use super::record::Thumbnail;

/// Texts of thumbnails, the latest.
#[derive(Default)]
pub struct Texts {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_blob: BTreeMap<BlobId, Arc<Vec<u8>>>,
    order: VecDeque<BlobId>,
    bytes: usize,
}

impl Texts {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, blob: &BlobId) -> Option<Arc<Vec<u8>>> {
        self.kept().by_blob.get(blob).cloned()
    }

    fn keep(&self, blob: BlobId, text: &Arc<Vec<u8>>) {
        if text.len() > THUMBS_TEXT_BYTES_MAX {
            return;
        }
        let mut kept = self.kept();
        if kept.by_blob.insert(blob, text.clone()).is_none() {
            kept.order.push_back(blob);
            kept.bytes += text.len();
        }
        while kept.bytes > THUMBS_TEXTS_BYTES_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.bytes -= kept.by_blob.remove(&oldest).map_or(0, |text| text.len());
        }
    }
}

/// Answers a request for a thumbnail. Its content never changes under the picture's name.
pub fn answer(
    head: &Head<'_>,
    (media_type, thumbnail): (&'static str, Thumbnail),
    is_binary: bool,
    texts: &Arc<Texts>,
    blobs: &Arc<Blobs>,
) -> Action {
    let etag =
        if is_binary { format!("\"{}\"", thumbnail.blob) } else { format!("\"{}-64\"", thumbnail.blob) };
    // Without a range: a thumbnail is small, and a part of a text no picture.
    match conditional::judge(head, Validators { etag: &etag, modified_s: None }, 0) {
        Selection::NotModified => return Action::Respond(with_fields(Response::new(304, "", ""), etag)),
        Selection::Failed => return Action::Respond(answers::error(412, "This is another version")),
        Selection::Whole | Selection::Part(_) | Selection::Unsatisfiable => {}
    }
    if !is_binary && let Some(text) = texts.find(&thumbnail.blob) {
        return Action::Respond(with_fields(Response::shared(200, media_type, text), etag));
    }
    let texts = (!is_binary).then(|| texts.clone());
    Action::Job(Box::new(Reading { blobs: blobs.clone(), media_type, blob: thumbnail.blob, etag, texts }))
}

fn with_fields(response: Response, etag: String) -> Response {
    // Its picture may be deleted, so it is not kept for good.
    response.with("ETag", etag).with("X-Content-Type-Options", "nosniff").kept_by(Caching::Revalidated)
}

/// Reads a thumbnail.
struct Reading {
    blobs: Arc<Blobs>,
    media_type: &'static str,
    blob: BlobId,
    etag: String,
    /// Where its text is kept; nothing if it is asked for as it is.
    texts: Option<Arc<Texts>>,
}

impl Job for Reading {
    fn start(&mut self) -> Start {
        // The thumbnail may have gone with its picture since, or a peer has it.
        let Ok(content) = self.blobs.read(&self.blob) else {
            return Start::Whole(answers::error(404, "This thumbnail is not on this host"));
        };
        let media = self.media_type;
        let response = match &self.texts {
            Some(texts) => {
                let text = Arc::new(text_of(&content));
                texts.keep(self.blob, &text);
                Response::shared(200, media, text)
            }
            None => Response::new(200, media, content),
        };
        Start::Whole(with_fields(response, std::mem::take(&mut self.etag)))
    }

    fn next(&mut self, _out: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}

/// Returns a content as base64.
fn text_of(content: &[u8]) -> Vec<u8> {
    let mut text = vec![0; content.len().div_ceil(3) * 4];
    let written = STANDARD.encode_slice(content, &mut text);
    debug_assert_eq!(written, Ok(text.len()), "four letters for three bytes");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_texts_are_kept_within_their_bound() {
        let texts = Texts::default();
        let blob = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            BlobId(id)
        };
        let text = Arc::new(vec![b'a'; THUMBS_TEXT_BYTES_MAX]);
        let fit = (THUMBS_TEXTS_BYTES_MAX / text.len()) as u32;
        for number in 0..fit + 2 {
            texts.keep(blob(number), &text);
            texts.keep(blob(number), &text);
        }
        assert_eq!(texts.kept().bytes, fit as usize * text.len());
        assert!(texts.find(&blob(1)).is_none() && texts.find(&blob(2)).is_some());
        texts.keep(blob(99), &Arc::new(vec![b'a'; THUMBS_TEXT_BYTES_MAX + 1]));
        assert!(texts.find(&blob(99)).is_none());
    }
}
