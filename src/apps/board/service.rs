//! The board's routes and what they do.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::app::answer;
use crate::app::application::{Action, App, Body, Request, Resume, Route, View};
use crate::app::background::Background;
use crate::app::form_page;
use crate::app::id;
use crate::app::lookup::{Found, Lookup};
use crate::app::openapi;
use crate::app::state::State;
use crate::app::trimming::Trimmer;
use crate::app::upload::{Unwanted, Upload};
use crate::app::wait::News;
use crate::apps::board::limits::{
    BOARD_ID_MAX, BOARD_LIST_MAX, BOARD_MESSAGES_MAX, BOARD_NEWS_HOLD_MS, BOARD_TEXT_BYTES_MAX,
};
use crate::apps::board::tag;
use crate::base::limits::{Limits, MULTIPART_FRAMING_BYTES_MAX};
use crate::http::method::Method;
use crate::http::multipart::{BoundaryError, boundary};
use crate::http::query::{decode_path, location, parameter, unknown};
use crate::http::request::{Head, HeaderSlots, parse_head};
use crate::http::response::Response;

use super::form_post::{FormPost, REFUSED};
use super::key::Key;
use super::media;
use super::news::{self, Announcement, Question, Visitors};
use super::old::{OldMessages, OldPicture, media_of, unread};
use super::page::{Page, Part};
use super::record::delete_record;
use super::settings::{BoardSettings, MAX_PICTURE};
use super::state::{BoardState, Message};
use super::upload::{PostUpload, Site, nothing_sent, unparsable};
use super::{json, name};

const PAGE: u8 = 0;
const STYLE: u8 = 1;
const SCRIPT: u8 = 2;
const UPLOAD: u8 = 3;
const UPLOAD_ELSEWHERE: u8 = 4;
const READ_MESSAGES: u8 = 5;
const MESSAGES: u8 = 6;
const MESSAGE: u8 = 7;
const DELETE: u8 = 8;
const MEDIA: u8 = 9;
const EVENTS: u8 = 10;

/// Messages that `/readMessages` gives.
const NEWEST: usize = 5;
/// Messages in a list that is asked for without a limit.
const LISTED: usize = 20;

static ROUTES: [Route; 12] = [
    file("/board", PAGE, "The message board's page").open(),
    file("/", PAGE, "The message board's page").open(),
    file("/static/board.css", STYLE, "The board's style sheet").open(),
    file("/static/board.js", SCRIPT, "The board's script").open(),
    Route {
        body: Body::Stream(form_bytes),
        form: Some(&REFUSED),
        operation: include_str!("openapi/post_upload.json"),
        ..Route::new(Method::Post, "/upload/", UPLOAD, "Posts a message with a picture")
    },
    // Of no use here: the answer is the same however long the body is.
    Route {
        operation: include_str!("openapi/post_upload_elsewhere.json"),
        ..Route::new(Method::Post, "/upload", UPLOAD_ELSEWHERE, "Leads to /upload/")
    },
    Route::new(Method::Get, "/readMessages", READ_MESSAGES, "The five newest messages"),
    Route {
        operation: include_str!("openapi/get_messages.json"),
        ..Route::new(Method::Get, "/messages", MESSAGES, "Lists messages, the newest first")
    },
    Route {
        operation: include_str!("openapi/get_message.json"),
        ..Route::new(Method::Get, "/messages/{id}", MESSAGE, "One message")
    },
    Route {
        frees_space: true,
        operation: include_str!("openapi/delete_message.json"),
        ..Route::new(Method::Delete, "/messages/{id}", DELETE, "Takes a message off the board")
    },
    file("/media/{name}", MEDIA, "A message's picture"),
    Route {
        waits: true,
        operation: include_str!("openapi/events.json"),
        ..Route::new(
            Method::Get,
            "/board/events",
            EVENTS,
            "Posts and deletes as they come (server-sent events)",
        )
    },
];

const fn file(path: &'static str, endpoint: u8, summary: &'static str) -> Route {
    Route { operation: openapi::FILE, ..Route::new(Method::Get, path, endpoint, summary) }
}

/// Returns bytes that a form may have.
fn form_bytes(limits: &Limits) -> usize {
    limits.apps.size(&MAX_PICTURE).saturating_add(MULTIPART_FRAMING_BYTES_MAX)
}

/// The application.
pub struct BoardApp {
    keep_metadata: bool,
    keep_unclean: bool,
    public_base: Arc<str>,
    page: Page,
    visitors: Arc<Visitors>,
    trimmer: Arc<Trimmer<BoardState>>,
    /// Tells this start of the process from others.
    start: OnceLock<u64>,
}

impl Default for BoardApp {
    fn default() -> Self {
        Self::new(&BoardSettings::default())
    }
}

impl BoardApp {
    /// Returns the board with these settings.
    #[must_use]
    pub fn new(settings: &BoardSettings) -> Self {
        Self {
            keep_metadata: settings.keep_metadata,
            keep_unclean: settings.keep_unclean,
            public_base: settings.public_base.as_str().into(),
            page: Page::new(&settings.public_base),
            visitors: Arc::default(),
            trimmer: Arc::new(Trimmer::new("board", tag::BOARD_CUT, settings.keep)),
            start: OnceLock::new(),
        }
    }

    /// Returns a number that tells this start of the process from others.
    fn start(&self, view: &View<'_>) -> u64 {
        *self.start.get_or_init(|| u64::from_le_bytes(first_eight((view.random)())))
    }

    /// Answers with messages below the number `before`, the newest first; with the array alone, or as a page with a cursor.
    /// The list's end is a field and no member: the list itself is the same on both hosts, and after a restart.
    fn list(&self, view: &View<'_>, before: u64, limit: usize, is_page: bool) -> Action {
        let start = self.start(view);
        let (base, applied) = (self.public_base.clone(), view.applied());
        let Some(state) = applied.state::<BoardState>() else { return Action::Respond(self.not_found()) };
        let young: Vec<_> =
            state.newest(before).take(limit + 1).map(|(key, one)| (*key, one.clone())).collect();
        let place = news::place(start, state.recent().count());
        let old = OldMessages::of(state, &applied.heals);
        drop(applied);
        let respond = move |found: &[(Key, Message)]| {
            let next = found.get(limit).and_then(|_| found.get(limit - 1)).map(|(key, _)| key.id);
            let shown = found.iter().take(limit).map(|(key, message)| json::message(key, message, &base));
            let shown = Value::from(shown.collect::<Vec<_>>());
            let list = if is_page { json!({ "messages": shown, "next": next }) } else { shown };
            answer::json(200, list.to_string()).with(news::LAST_EVENT_ID, place)
        };
        if !old.reach_above(young.get(limit).map(|(key, _)| key)) {
            return Action::Respond(respond(&young));
        }
        let find = move || {
            let mut found = young;
            found.extend(old.newest(before, limit + 1)?);
            found.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
            found.truncate(limit + 1);
            Ok(Found::Answer(respond(&found)))
        };
        Action::Job(Lookup::new(find, unread))
    }

    fn messages(&self, query: &str, view: &View<'_>) -> Result<Action, Response> {
        let limit = number(query, "limit", 1..=BOARD_LIST_MAX as u64)?.unwrap_or(LISTED as u64);
        let before = number(query, "before", 1..=BOARD_ID_MAX)?.unwrap_or(u64::MAX);
        Ok(self.list(view, before, limit as usize, true))
    }

    /// Finds the message with a number: in memory, or by a job; `then` makes the answer of it, or says how to go on.
    fn find(
        &self,
        id: &str,
        view: &View<'_>,
        then: impl FnOnce(&Key, &Message) -> Found + Send + 'static,
    ) -> Action {
        let applied = view.applied();
        let Some((state, id)) = applied.state::<BoardState>().zip(id::of_segment(id)) else {
            return Action::Respond(no_message());
        };
        let young = state.message(id).map(|(key, message)| (*key, message.clone()));
        let old = OldMessages::of(state, &applied.heals);
        drop(applied);
        // Two hosts may have given one number while they had no peer: the later one is meant.
        let is_sure = !old.reach_above(young.as_ref().map(|(key, _)| key));
        let find = move || {
            let mut found = young;
            if !is_sure && let Some(before) = id.checked_add(1) {
                found = old
                    .newest(before, 1)?
                    .into_iter()
                    .chain(found)
                    .filter(|(key, _)| key.id == id)
                    .max_by_key(|(key, _)| *key);
            }
            Ok(found.map_or_else(|| Found::Answer(no_message()), |(key, message)| then(&key, &message)))
        };
        if !is_sure {
            return Action::Job(Lookup::new(find, unread));
        }
        match find() {
            Ok(Found::Answer(response)) => Action::Respond(response),
            Ok(Found::Go(then)) => then.resume(view, News::Woken),
            Err(_) => Action::Respond(no_message()),
        }
    }

    fn message(&self, id: &str, view: &View<'_>) -> Action {
        let base = self.public_base.clone();
        self.find(id, view, move |key, message| {
            Found::Answer(answer::json(200, json::message(key, message, &base).to_string()))
        })
    }

    /// Logs a delete. The state decides whether it came in time: of two deletes at once both are answered that the message is
    /// gone.
    fn delete(&self, id: &str, view: &View<'_>) -> Action {
        let announcement = self.announcement(view);
        self.find(id, view, move |key, _| {
            let record = delete_record(key.origin, key.seq);
            Found::Go(Box::new(Deleting { record, then: Deleted { _announcement: announcement } }))
        })
    }

    fn media(&self, request: &Request<'_>, view: &View<'_>) -> Action {
        let stored = decode_path(request.captures.segments[0]);
        let Some((uuid, name)) = name::split(&stored) else { return Action::Respond(self.not_found()) };
        let applied = view.applied();
        let Some(state) = applied.state::<BoardState>() else { return Action::Respond(self.not_found()) };
        if let Some(message) = state.picture(uuid, name) {
            let media = media_of(message);
            drop(applied);
            return media::answer(request.head, media, view.blobs);
        }
        let old = OldMessages::of(state, &applied.heals);
        drop(applied);
        if !old.may_have_picture(&uuid) {
            return Action::Respond(self.not_found());
        }
        let (head, limits, blobs) = (request.head.bytes().to_vec(), view.limits.clone(), view.blobs.clone());
        let (name, not_found) = (name.to_owned(), self.not_found());
        Action::Job(OldPicture::new(move || {
            let Some(message) = old.picture(&uuid, &name)? else { return Ok(Err(not_found)) };
            let mut slots = HeaderSlots::new();
            // It was read before; should limits have changed since, they refuse it now.
            let head = match parse_head(&head, &mut slots, &limits) {
                Ok(head) => head,
                Err(refusal) => return Ok(Err(refusal.into())),
            };
            Ok(media::begin(&head, media_of(&message), &blobs))
        }))
    }

    fn announcement(&self, view: &View<'_>) -> Announcement {
        Announcement { visitors: self.visitors.clone(), waker: view.waker.clone() }
    }

    /// Answers with the events behind the visitor's place, or holds the question until there is one. The place is the id of the
    /// visitor's last event, or before that the end of its list; a visitor that names neither gets what comes from now on.
    fn events(&self, request: &Request<'_>, view: &View<'_>) -> Result<Action, Response> {
        let (head, start) = (request.head, self.start(view));
        let query = head.query.unwrap_or_default();
        let hold_ms =
            number(query, "wait", 0..=BOARD_NEWS_HOLD_MS / 1_000)?.map_or(BOARD_NEWS_HOLD_MS, |s| s * 1_000);
        let last = head.header_text(news::LAST_EVENT_ID).filter(|last| !last.is_empty()).map(Cow::Borrowed);
        let place = last.or_else(|| parameter(query, "after"));
        let newest = view.applied().state::<BoardState>().map_or(0, |state| state.recent().count());
        let seen = place.as_deref().map_or(Some(newest), |place| news::count_at(place, start));
        let question = Question {
            start,
            // The place of another start of the process means nothing here: all that is remembered is sent.
            seen: seen.unwrap_or(0).min(newest),
            is_lost: seen.is_none(),
            until_us: view.clock_us + hold_ms * 1_000,
            public_base: self.public_base.clone(),
            visitors: self.visitors.clone(),
        };
        Ok(Box::new(question).ask(view))
    }

    fn post(&self, head: &Head<'_>, view: &View<'_>) -> Box<dyn Upload> {
        let boundary = match boundary(head.header_text("content-type").unwrap_or_default()) {
            Ok(boundary) => boundary,
            Err(BoundaryError::OtherType) => return Box::new(Unwanted::new(nothing_sent())),
            Err(BoundaryError::Missing) => {
                return Box::new(Unwanted::new(answer::detail(400, "Missing boundary in multipart.")));
            }
            Err(BoundaryError::Invalid) => return Box::new(Unwanted::new(unparsable())),
        };
        let (messages, text_bytes) = view.applied().state::<BoardState>().map_or((0, 0), BoardState::size);
        if messages >= BOARD_MESSAGES_MAX || text_bytes >= BOARD_TEXT_BYTES_MAX {
            let sentence = "The board is full; delete messages before new ones are posted";
            return Box::new(Unwanted::new(answer::detail(507, sentence)));
        }
        let site = Site {
            blobs: view.blobs.clone(),
            uuid: uuid::Builder::from_random_bytes((view.random)()).into_uuid().into_bytes(),
            picture_bytes_max: view.limits.apps.size(&MAX_PICTURE),
            keep_metadata: self.keep_metadata,
            keep_unclean: self.keep_unclean,
            announcement: self.announcement(view),
        };
        Box::new(PostUpload::new(&boundary, site))
    }
}

impl App for BoardApp {
    fn name(&self) -> &'static str {
        "board"
    }

    fn id(&self) -> u8 {
        tag::APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        let page = |part| Action::Respond(self.page.answer(part, request.head));
        let capture = request.captures.segments[0];
        match endpoint {
            PAGE => page(Part::Document),
            STYLE => page(Part::Style),
            SCRIPT => page(Part::Script),
            READ_MESSAGES => self.list(view, u64::MAX, NEWEST, false),
            MESSAGES => {
                self.messages(request.head.query.unwrap_or_default(), view).unwrap_or_else(Action::Respond)
            }
            MESSAGE => self.message(capture, view),
            DELETE => match unknown(request.head.query.unwrap_or_default(), &[]) {
                Some(name) => Action::Respond(not_permitted(&name)),
                None => self.delete(capture, view),
            },
            MEDIA => self.media(request, view),
            EVENTS => self.events(request, view).unwrap_or_else(Action::Respond),
            UPLOAD_ELSEWHERE => {
                let place = location("/upload/", request.head.query);
                Action::Respond(Response::new(307, "", "").with("Location", place))
            }
            _ => Action::Respond(self.not_found()),
        }
    }

    fn upload(&self, _endpoint: u8, head: &Head<'_>, view: &View<'_>) -> Result<Box<dyn Upload>, Response> {
        let upload = self.post(head, view);
        Ok(if form_page::is_wanted(head) { Box::new(FormPost::new(upload)) } else { upload })
    }

    fn card(&self) -> &'static str {
        include_str!("card.html")
    }

    fn backgrounds(&self) -> Vec<Arc<dyn Background>> {
        vec![self.trimmer.clone()]
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(BoardState::default()))
    }
}

/// A delete whose message was found.
struct Deleting {
    record: Vec<u8>,
    then: Deleted,
}

impl Resume for Deleting {
    fn resume(self: Box<Self>, _view: &View<'_>, _news: News) -> Action {
        Action::Command { record: self.record, then: Box::new(self.then) }
    }
}

/// A delete on its way: those who wait for news are woken when it is applied.
struct Deleted {
    _announcement: Announcement,
}

impl Resume for Deleted {
    fn resume(self: Box<Self>, _view: &View<'_>, _news: News) -> Action {
        Action::Respond(Response::new(204, "", ""))
    }
}

/// Reads a parameter; nothing if it is absent.
///
/// # Errors
/// Returns the answer to one that is no number in `range`: 422.
fn number(query: &str, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Response> {
    let Some(text) = parameter(query, name) else { return Ok(None) };
    if let Some(number) = text.parse().ok().filter(|number| range.contains(number)) {
        return Ok(Some(number));
    }
    let msg = format!("Input should be a whole number from {} to {}", range.start(), range.end());
    let (kind, loc) = ("int_parsing", ["query", name]);
    let detail = json!({"detail": [{"type": kind, "loc": loc, "msg": msg, "input": text}]});
    Err(answer::json(422, detail.to_string()))
}

/// Returns the answer to a parameter that there is not, where something would be removed.
fn not_permitted(name: &str) -> Response {
    let msg = "Extra inputs are not permitted";
    let detail = json!({"detail": [{"type": "extra_forbidden", "loc": ["query", name], "msg": msg}]});
    answer::json(422, detail.to_string())
}

fn no_message() -> Response {
    answer::detail(404, "Message not found")
}

fn first_eight(bytes: [u8; 16]) -> [u8; 8] {
    std::array::from_fn(|at| bytes[at])
}
