//! The thumbnail service's routes and what they do.

use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::app::answer;
use crate::app::application::{Action, App, Body, Request, Resume, Route, View};
use crate::app::background::Background;
use crate::app::lookup::{Found, Lookup};
use crate::app::state::State;
use crate::app::trimming::Trimmer;
use crate::app::upload::{Unwanted, Upload};
use crate::app::wait::News;
use crate::apps::declaration::Tools;
use crate::apps::pictures::size::Fit;
use crate::apps::thumbs::limits::{THUMBS_COUNT_MAX, THUMBS_OPEN_MAX};
use crate::apps::thumbs::tag;
use crate::http::method::Method;
use crate::http::query::{decode_path, parameter, unknown};
use crate::http::request::{Head, HeaderSlots, parse_head};
use crate::http::response::Response;

use super::base64::Decoder;
use super::item::Item;
use super::media::{Frame, Media, Style};
use super::old::{OldPictures, unread};
use super::record::{Change, Place, Thumbnail};
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
        let texts = self.texts.clone();
        // A picture on the disk is looked up by a job, which the head does not outlive.
        let bytes = head.bytes().to_vec();
        find(id, view, move |_, item| {
            let Some(thumbnail) = item.progress.thumbnail() else {
                return Found::Answer(answers::no_thumbnail(item));
            };
            let media_type = item.picture.style.media_type(item.picture.media);
            Found::Go(Box::new(Showing { head: bytes, media_type, thumbnail, is_binary, texts }))
        })
    }
}

/// Shows a thumbnail that was found.
struct Showing {
    head: Vec<u8>,
    media_type: &'static str,
    thumbnail: Thumbnail,
    is_binary: bool,
    texts: Arc<Texts>,
}

impl Resume for Showing {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        let mut slots = HeaderSlots::new();
        // It was read before; should limits have changed since, they refuse it now.
        match parse_head(&self.head, &mut slots, view.limits) {
            Ok(head) => {
                let found = (self.media_type, self.thumbnail);
                thumbnail::answer(&head, found, self.is_binary, &self.texts, view.blobs)
            }
            Err(refusal) => Action::Respond(refusal.into()),
        }
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
    let is_full =
        |state: &ThumbsState| state.count() >= THUMBS_COUNT_MAX || state.open_count() >= THUMBS_OPEN_MAX;
    if view.applied().state::<ThumbsState>().is_some_and(is_full) {
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

/// Finds a picture by its name: in memory, or by a job; `then` makes the answer of it, or says how to go on.
fn find(
    id: &str,
    view: &View<'_>,
    then: impl FnOnce(Place, &Item) -> Found + Send + 'static,
) -> Result<Action, Response> {
    let uuid = uuid_of(id).ok_or_else(|| answers::unknown(id))?;
    let applied = view.applied();
    let state = applied.state::<ThumbsState>().ok_or_else(|| answers::unknown(id))?;
    let young = state.find(uuid).map(|(key, item)| (key.place, item.clone()));
    let old = OldPictures::of(state, &applied.heals);
    drop(applied);
    if let Some((place, item)) = young {
        return Ok(match then(place, &item) {
            Found::Answer(response) => Action::Respond(response),
            Found::Go(then) => then.resume(view, News::Woken),
        });
    }
    if !old.may_have(&uuid) {
        return Err(answers::unknown(id));
    }
    let id = id.to_owned();
    let look = move || {
        let found = old.find(&uuid)?;
        Ok(found.map_or_else(|| Found::Answer(answers::unknown(&id)), |(place, item)| then(place, &item)))
    };
    Ok(Action::Job(Lookup::new(look, unread)))
}

fn delete(id: &str, query: &str, view: &View<'_>) -> Result<Action, Response> {
    if let Some(name) = unknown(query, &[]) {
        let sentence = format!("There is no parameter `{name}`; nothing was removed");
        return Err(answers::error(422, &sentence));
    }
    find(id, view, |place, _| Found::Go(Box::new(Deleting(place))))
}

/// Logs the delete of a picture that was found.
struct Deleting(Place);

impl Resume for Deleting {
    fn resume(self: Box<Self>, _: &View<'_>, _: News) -> Action {
        let records = Change::Delete(self.0).record();
        Action::Append { records, response: Response::new(204, "", "") }
    }
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
            LIST => list::answer(query, view),
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
