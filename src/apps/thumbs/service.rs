//! The thumbnail service's routes and what they do.

use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::app::answer;
use crate::app::application::{Action, App, Body, Request, Route, View};
use crate::app::background::Background;
use crate::app::state::State;
use crate::app::trimming::Trimmer;
use crate::app::upload::{Unwanted, Upload};
use crate::apps::declaration::Tools;
use crate::apps::pictures::size::Fit;
use crate::apps::thumbs::limits::THUMBS_COUNT_MAX;
use crate::apps::thumbs::tag;
use crate::http::method::Method;
use crate::http::query::{decode_path, parameter, unknown};
use crate::http::request::Head;
use crate::http::response::Response;

use super::base64::Decoder;
use super::item::Item;
use super::media::{Frame, Media, Style};
use super::record::Change;
use super::runner::Runner;
use super::settings::{MAX_BODY, ThumbsSettings};
use super::state::ThumbsState;
use super::thumbnail::{self, Texts};
use super::upload::{ImageUpload, Site};
use super::wait::Question;
use super::{answers, list};

const HOME: u8 = 0;
const POST: u8 = 1;
const LIST: u8 = 2;
const STATUS: u8 = 3;
const DELETE: u8 = 4;
const THUMBNAIL: u8 = 5;

static ROUTES: [Route; 6] = [
    Route::new(Method::Get, "/", HOME, "What the thumbnail service takes").open(),
    Route {
        body: Body::Stream(|limits| limits.apps.size(&MAX_BODY)),
        operation: include_str!("openapi/post_image.json"),
        ..Route::new(Method::Post, "/images", POST, "Takes a picture, to make a thumbnail of it")
    },
    Route {
        operation: include_str!("openapi/get_images.json"),
        ..Route::new(Method::Get, "/images", LIST, "Lists pictures, the oldest first")
    },
    Route {
        operation: include_str!("openapi/get_image.json"),
        ..Route::new(Method::Get, "/images/{id}", STATUS, "How far a picture is; waits for its end")
    },
    Route {
        frees_space: true,
        operation: include_str!("openapi/delete_image.json"),
        ..Route::new(Method::Delete, "/images/{id}", DELETE, "Takes a picture and its thumbnail away")
    },
    Route {
        operation: include_str!("openapi/get_thumbnail.json"),
        ..Route::new(Method::Get, "/images/{id}/thumbnail", THUMBNAIL, "A picture's thumbnail")
    },
];

const HOME_TEXT: &str = "{\"service\": \"thumbs\", \"calls\": [\"POST /images\", \"GET /images\", \
    \"GET /images/{id}\", \"GET /images/{id}/thumbnail\", \"DELETE /images/{id}\"]}";

/// The application.
pub struct ThumbsApp {
    settings: ThumbsSettings,
    runner: Arc<Runner>,
    texts: Arc<Texts>,
    trimmer: Arc<Trimmer<ThumbsState>>,
}

impl ThumbsApp {
    /// Returns the service with these settings.
    #[must_use]
    pub fn new(settings: ThumbsSettings, tools: Tools) -> Self {
        Self {
            settings,
            runner: Arc::new(Runner::new(settings, tools)),
            texts: Arc::default(),
            trimmer: Arc::new(Trimmer::new("thumbs", tag::THUMBS_CUT, settings.keep)),
        }
    }

    fn status(&self, id: &str, query: &str, view: &View<'_>) -> Result<Action, Response> {
        let uuid = uuid_of(id).ok_or_else(|| answers::unknown(id))?;
        let hold_us = self.settings.status_hold.as_micros() as u64;
        let wait_us = match parameter(query, "wait") {
            None => hold_us,
            Some(text) => {
                let seconds: Option<u64> = text.parse().ok();
                let wrong = || answers::error(400, "Parameter `wait` must be a number of seconds");
                seconds.ok_or_else(wrong)?.saturating_mul(1_000_000).min(hold_us)
            }
        };
        let question = Question { uuid, id: id.to_owned(), until_us: view.clock_us + wait_us };
        Ok(Box::new(question).ask(view))
    }

    fn thumbnail(&self, id: &str, head: &Head<'_>, view: &View<'_>) -> Result<Action, Response> {
        let is_binary = is_binary(head.query.unwrap_or_default())?;
        let of_item = |item: &Item| match item.progress.outcome.as_ref().and_then(|end| end.thumbnail()) {
            Some(thumbnail) => Ok((item.picture.style.media_type(item.picture.media), thumbnail)),
            None => Err(answers::no_thumbnail(item)),
        };
        let found = look(id, view, of_item)??;
        Ok(thumbnail::answer(head, found, is_binary, &self.texts, view.blobs))
    }
}

/// Takes a picture, unless its head is wrong.
fn post(head: &Head<'_>, view: &View<'_>) -> Result<ImageUpload, Response> {
    let sent = head.header_text("content-type").unwrap_or_default();
    let media = media_in(sent)?;
    let query = head.query.unwrap_or_default();
    let decoder = if is_binary(query)? { None } else { Some(Decoder::default()) };
    let frame = match parameter(query, "size") {
        None => Frame::USUAL,
        Some(text) => Frame::parse(&text).ok_or_else(|| {
            let most = crate::apps::thumbs::limits::THUMBS_SIDE_MAX;
            answers::error(400, &format!("Parameter `size` must be WIDTHxHEIGHT, each from 1 to {most}"))
        })?,
    };
    let style = style_in(query, media)?;
    if view.applied().state::<ThumbsState>().is_some_and(|state| state.count() >= THUMBS_COUNT_MAX) {
        let sentence = "There is no room for more pictures; delete some before new ones are sent";
        return Err(answers::error(507, sentence));
    }
    let uuid = Builder::from_random_bytes((view.random)()).into_uuid().into_bytes();
    let (blobs, applied) = (view.blobs.clone(), view.applied.clone());
    Ok(ImageUpload::new(Site { blobs, applied, uuid, media, frame, style, decoder }))
}

fn media_in(content_type: &str) -> Result<Media, Response> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.is_empty() {
        return Err(answers::error(400, "Missing header Content-Type"));
    }
    let is_image = essence.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("image/"));
    if !is_image {
        return Err(answers::error(415, "Only support Content-Type ['image']"));
    }
    let known = Media::ALL.map(|media| format!("'{}'", media.name())).join(", ");
    Media::named(essence).ok_or_else(|| answers::error(415, &format!("Only support Content-Type [{known}]")))
}

/// Returns how the thumbnail of a picture that is sent as `media` is to be.
fn style_in(query: &str, media: Media) -> Result<Style, Response> {
    let mut style = Style::usual(media);
    if let Some(name) = parameter(query, "format") {
        let known = Style::KINDS.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        let wrong = || answers::error(400, "Parameter `format` must be png, jpeg, gif or webp");
        style.kind = known.ok_or_else(wrong)?.1;
    }
    style.fit = match parameter(query, "fit").as_deref() {
        None | Some("contain") => Fit::Contain,
        Some("cover") => Fit::Cover,
        Some(_) => return Err(answers::error(400, "Parameter `fit` must be contain or cover")),
    };
    Ok(style)
}

fn is_binary(query: &str) -> Result<bool, Response> {
    match parameter(query, "encoding").as_deref() {
        None | Some("base64") => Ok(false),
        Some("binary") => Ok(true),
        Some(_) => Err(answers::error(400, "Parameter `encoding` must be base64 or binary")),
    }
}

/// Returns the name of a picture in its usual form, in any case.
fn uuid_of(id: &str) -> Option<[u8; 16]> {
    let is_usual = id.len() == 36;
    is_usual.then(|| Uuid::try_parse(id).ok().map(Uuid::into_bytes))?
}

/// Looks at a picture.
fn look<T>(id: &str, view: &View<'_>, at: impl FnOnce(&Item) -> T) -> Result<T, Response> {
    let applied = view.applied();
    let found = uuid_of(id).and_then(|uuid| applied.state::<ThumbsState>()?.find(uuid));
    found.map(|(_, item)| at(item)).ok_or_else(|| answers::unknown(id))
}

fn delete(id: &str, query: &str, view: &View<'_>) -> Result<Action, Response> {
    if let Some(name) = unknown(query, &[]) {
        let sentence = format!("There is no parameter `{name}`; nothing was removed");
        return Err(answers::error(422, &sentence));
    }
    let applied = view.applied();
    let found = uuid_of(id).and_then(|uuid| applied.state::<ThumbsState>()?.find(uuid));
    let (key, _) = found.ok_or_else(|| answers::unknown(id))?;
    let records = Change::Delete(key.place).record();
    Ok(Action::Append { records, response: Response::new(204, "", "") })
}

impl App for ThumbsApp {
    fn name(&self) -> &'static str {
        "thumbs"
    }

    fn id(&self) -> u8 {
        tag::APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        let query = request.head.query.unwrap_or_default();
        let id = decode_path(request.captures.segments[0]);
        match endpoint {
            HOME => Action::Respond(answer::json(200, HOME_TEXT)),
            LIST => Action::Respond(list::answer(query, view)),
            STATUS => self.status(&id, query, view).unwrap_or_else(Action::Respond),
            DELETE => delete(&id, query, view).unwrap_or_else(Action::Respond),
            THUMBNAIL => self.thumbnail(&id, request.head, view).unwrap_or_else(Action::Respond),
            _ => Action::Respond(self.not_found()),
        }
    }

    fn upload(&self, _endpoint: u8, head: &Head<'_>, view: &View<'_>) -> Result<Box<dyn Upload>, Response> {
        Ok(match post(head, view) {
            Ok(upload) => Box::new(upload),
            Err(response) => Box::new(Unwanted::new(response)),
        })
    }

    fn card(&self) -> &'static str {
        include_str!("card.html")
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(ThumbsState::default()))
    }

    fn backgrounds(&self) -> Vec<Arc<dyn Background>> {
        vec![self.runner.clone(), self.trimmer.clone()]
    }

    fn not_found(&self) -> Response {
        answers::error(404, "Not Found")
    }

    fn refusal(&self, status: u16, sentence: &str) -> Response {
        answers::error(status, sentence)
    }

    fn method_not_allowed(&self) -> Response {
        answers::error(405, "Method Not Allowed")
    }

    fn too_large(&self, _endpoint: u8, most: usize) -> Response {
        let sentence = format!("The body is larger than {most} bytes, which is what thumbs.max_body allows");
        answers::error(413, &sentence)
    }
}
