//! The board's routes and what they do.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::apps::answer;
use crate::apps::app::{Action, App, Body, Request, Route, View};
use crate::apps::id;
use crate::apps::openapi;
use crate::apps::pictures::kind::Kind;
use crate::apps::state::State;
use crate::apps::upload::{Unwanted, Upload};
use crate::base::limits::{
    BOARD_ID_MAX, BOARD_LIST_MAX, BOARD_MESSAGES_MAX, BOARD_TEXT_BYTES_MAX, Limits,
    MULTIPART_FRAMING_BYTES_MAX,
};
use crate::base::tag;
use crate::http::method::Method;
use crate::http::multipart::{BoundaryError, boundary};
use crate::http::query::{decode_path, location, parameter};
use crate::http::request::Head;
use crate::http::response::Response;

use super::media::{self, Media};
use super::news::{self, Announcement, Question, Visitors};
use super::page::{Page, Part};
use super::record::delete_record;
use super::settings::BoardSettings;
use super::state::BoardState;
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
    file("/board", PAGE, "The message board's page"),
    file("/", PAGE, "The message board's page"),
    file("/static/board.css", STYLE, "The board's style sheet"),
    file("/static/board.js", SCRIPT, "The board's script"),
    Route {
        body: Body::Stream(form_bytes),
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
        operation: include_str!("openapi/events.json"),
        ..Route::new(Method::Get, "/board/events", EVENTS, "New messages as they come (server-sent events)")
    },
];

const fn file(path: &'static str, endpoint: u8, summary: &'static str) -> Route {
    Route { operation: openapi::FILE, ..Route::new(Method::Get, path, endpoint, summary) }
}

/// Bytes that a form may have.
fn form_bytes(limits: &Limits) -> usize {
    limits.board_max_picture.saturating_add(MULTIPART_FRAMING_BYTES_MAX)
}

/// The application.
pub struct BoardApp {
    keep_metadata: bool,
    public_base: Arc<str>,
    page: Page,
    visitors: Arc<Visitors>,
    /// Tells this start of the process from others.
    start: OnceLock<u64>,
}

impl Default for BoardApp {
    fn default() -> Self {
        Self::new(&BoardSettings::default())
    }
}

impl BoardApp {
    /// The board with these settings.
    #[must_use]
    pub fn new(settings: &BoardSettings) -> Self {
        Self {
            keep_metadata: settings.keep_metadata,
            public_base: settings.public_base.as_str().into(),
            page: Page::new(&settings.public_base),
            visitors: Arc::default(),
            start: OnceLock::new(),
        }
    }

    fn list(&self, view: &View<'_>, before: u64, limit: usize) -> (Vec<Value>, Option<u64>) {
        let applied = view.applied();
        let Some(state) = applied.state::<BoardState>() else { return (Vec::new(), None) };
        let found: Vec<_> = state.newest(before).take(limit + 1).collect();
        let next = found.get(limit).and_then(|_| found.get(limit - 1)).map(|(key, _)| key.id);
        let shown = found.iter().take(limit);
        (shown.map(|(key, message)| json::message(key, message, &self.public_base)).collect(), next)
    }

    fn messages(&self, query: &str, view: &View<'_>) -> Action {
        let number = |name: &str, most: u64, default: u64| match parameter(query, name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
                let msg = format!("Input should be a whole number from 1 to {most}");
                let (kind, loc) = ("int_parsing", ["query", name]);
                answer::json(
                    422,
                    json!({"detail": [{"type": kind, "loc": loc, "msg": msg, "input": text}]}).to_string(),
                )
            }),
        };
        let limit = number("limit", BOARD_LIST_MAX as u64, LISTED as u64);
        let before = number("before", BOARD_ID_MAX, u64::MAX);
        match (limit, before) {
            (Ok(limit), Ok(before)) => {
                let (messages, next) = self.list(view, before, limit as usize);
                respond(200, &json!({ "messages": messages, "next": next }))
            }
            (Err(response), _) | (_, Err(response)) => Action::Respond(response),
        }
    }

    fn message(&self, id: &str, view: &View<'_>) -> Action {
        let applied = view.applied();
        let found =
            applied.state::<BoardState>().zip(id::of_segment(id)).and_then(|(state, id)| state.message(id));
        match found {
            Some((key, message)) => respond(200, &json::message(key, message, &self.public_base)),
            None => Action::Respond(no_message()),
        }
    }

    /// Whether the request is on time is decided by the state: of two deletes at once both are told that it is gone.
    fn delete(id: &str, view: &View<'_>) -> Action {
        let applied = view.applied();
        let found =
            applied.state::<BoardState>().zip(id::of_segment(id)).and_then(|(state, id)| state.message(id));
        match found {
            Some((key, _)) => Action::Append {
                records: delete_record(key.origin, key.seq),
                response: Response::new(204, "", ""),
            },
            None => Action::Respond(no_message()),
        }
    }

    fn media(&self, request: &Request<'_>, view: &View<'_>) -> Action {
        let stored = decode_path(request.captures.segments[0]);
        let found = name::split(&stored).and_then(|(uuid, name)| {
            let applied = view.applied();
            let post = &applied.state::<BoardState>()?.picture(uuid, name)?.post;
            Some((post.blob, post.size_bytes, post.kind))
        });
        match found {
            Some((blob, size_bytes, kind)) => {
                let media = Media { blob, size_bytes, content_type: Kind::media_type(kind) };
                media::answer(request.head, media, view.blobs)
            }
            None => Action::Respond(self.not_found()),
        }
    }

    fn events(&self, request: &Request<'_>, view: &View<'_>) -> Action {
        let start = *self.start.get_or_init(|| u64::from_le_bytes(first_eight((view.random)())));
        let last = request.head.header_text("last-event-id").unwrap_or_default();
        let newest = view.applied().state::<BoardState>().map_or(0, BoardState::arrived);
        // One who comes for the first time has read the list. One who was told by another start of the process may
        // have missed something, and is told all that is remembered.
        let arrived = match news::last_event(last, start) {
            Some(arrived) => arrived.min(newest),
            None if last.is_empty() => newest,
            None => 0,
        };
        let question = Question {
            start,
            arrived,
            until_us: news::until_us(view.clock_us),
            public_base: self.public_base.clone(),
            visitors: self.visitors.clone(),
        };
        Box::new(question).ask(view)
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
            picture_bytes_max: view.limits.board_max_picture,
            keep_metadata: self.keep_metadata,
            announcement: Announcement { visitors: self.visitors.clone(), waker: view.waker.clone() },
        };
        Box::new(PostUpload::new(&boundary, site))
    }
}

impl App for BoardApp {
    fn name(&self) -> &'static str {
        "board"
    }

    fn id(&self) -> u8 {
        tag::app::BOARD
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
            READ_MESSAGES => respond(200, &Value::from(self.list(view, u64::MAX, NEWEST).0)),
            MESSAGES => self.messages(request.head.query.unwrap_or_default(), view),
            MESSAGE => self.message(capture, view),
            DELETE => Self::delete(capture, view),
            MEDIA => self.media(request, view),
            EVENTS => self.events(request, view),
            UPLOAD_ELSEWHERE => {
                let place = location("/upload/", request.head.query);
                Action::Respond(Response::new(307, "", "").with("Location", place))
            }
            _ => Action::Respond(self.not_found()),
        }
    }

    fn upload(&self, _endpoint: u8, head: &Head<'_>, view: &View<'_>) -> Result<Box<dyn Upload>, Response> {
        Ok(self.post(head, view))
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(BoardState::default()))
    }
}

fn respond(status: u16, value: &Value) -> Action {
    Action::Respond(answer::json(status, value.to_string()))
}

fn no_message() -> Response {
    answer::detail(404, "Message not found")
}

fn first_eight(bytes: [u8; 16]) -> [u8; 8] {
    std::array::from_fn(|at| bytes[at])
}
