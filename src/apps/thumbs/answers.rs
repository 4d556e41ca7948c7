//! Answers, letter for letter as the original gives them: JSON with spaces.

use std::fmt::Write;

use serde_json::Value;
use uuid::Uuid;

use crate::app::answer::{JSON, json};
use crate::http::response::Response;

use super::item::{Item, Outcome};
use super::media::Media;

/// Seconds after which a client may ask again.
const RETRY_AFTER: &str = "1";

/// The names of the states.
pub const STATES: [&str; 3] = ["Processing", "Error", "Completed"];

/// Returns the state of an item, as one of [`STATES`].
#[must_use]
pub fn state_of(outcome: Option<&Outcome>) -> &'static str {
    STATES[match outcome {
        None => 0,
        Some(Outcome::Failed(_)) => 1,
        Some(Outcome::Done(_)) => 2,
    }]
}

/// Returns the five keys.
#[must_use]
pub fn five(uuid: [u8; 16], media: Media, outcome: Option<&Outcome>) -> String {
    let (message, service) = match outcome {
        None => ("Processing image, use `media_id` to check status", "webserver"),
        Some(Outcome::Done(_)) => ("Completed thumbnail creation", "worker"),
        Some(Outcome::Failed(reason)) => (&**reason, "worker"),
    };
    let mut text = String::with_capacity(220);
    let _ = write!(
        text,
        "{{\"media_id\": \"{}\", \"media_type\": \"{}\", \"message\": {}, \"service\": \"{service}\", \"state\": \"{}\"}}",
        Uuid::from_bytes(uuid),
        media.name(),
        Value::from(message),
        state_of(outcome),
    );
    text
}

/// Returns the answer to a picture that was taken.
#[must_use]
pub fn accepted(uuid: [u8; 16], media: Media) -> Response {
    let location = format!("/images/{}", Uuid::from_bytes(uuid));
    json(202, five(uuid, media, None)).with("Location", location)
}

/// Returns how a picture stands.
#[must_use]
pub fn status(item: &Item) -> Response {
    let outcome = item.progress.outcome.as_ref();
    let text = five(item.picture.uuid, item.picture.media, outcome);
    match outcome {
        None => json(202, text).with("Retry-After", RETRY_AFTER),
        Some(Outcome::Done(_)) => json(200, text),
        Some(Outcome::Failed(_)) => json(400, text),
    }
}

/// Returns an error: one sentence.
#[must_use]
pub fn error(status: u16, message: &str) -> Response {
    Response::new(status, JSON, format!("{{\"message\": {}}}", Value::from(message)))
}

/// Returns the answer to a name that no picture has, as the client wrote it.
#[must_use]
pub fn unknown(id: &str) -> Response {
    error(404, &format!("Resource with id `{id}` not found"))
}

/// Returns the answer when there is no thumbnail of this picture, or none yet.
#[must_use]
pub fn no_thumbnail(item: &Item) -> Response {
    let id = Uuid::from_bytes(item.picture.uuid);
    match &item.progress.outcome {
        Some(Outcome::Failed(reason)) => error(404, &format!("There is no thumbnail of `{id}`: {reason}")),
        _ => error(404, &format!("The thumbnail of `{id}` is not ready")).with("Retry-After", RETRY_AFTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::thumbs::record::Thumbnail;
    use crate::base::blob::BlobId;

    #[test]
    fn the_five_keys_letter_for_letter() {
        let uuid = [0x11; 16];
        assert_eq!(
            five(uuid, Media::Png, None),
            "{\"media_id\": \"11111111-1111-1111-1111-111111111111\", \"media_type\": \"image/png\", \"message\": \
             \"Processing image, use `media_id` to check status\", \"service\": \"webserver\", \"state\": \"Processing\"}"
        );
        let done = Outcome::Done(Thumbnail { blob: BlobId([0; 32]), bytes: 0 });
        assert_eq!(
            five(uuid, Media::Jpg, Some(&done)),
            "{\"media_id\": \"11111111-1111-1111-1111-111111111111\", \"media_type\": \"image/jpg\", \"message\": \
             \"Completed thumbnail creation\", \"service\": \"worker\", \"state\": \"Completed\"}"
        );
        let failed = Outcome::Failed("\"no\"".to_owned());
        assert!(
            five(uuid, Media::Gif, Some(&failed))
                .contains(r#""message": "\"no\"", "service": "worker", "state": "Error""#)
        );
    }

    #[test]
    fn what_a_client_wrote_is_escaped() {
        assert_eq!(
            &*unknown("a\"\n").body,
            br#"{"message": "Resource with id `a\"\n` not found"}"#.as_slice()
        );
    }
}
