//! The pixel service's routes and what they do.

use std::sync::Arc;

use crate::app::answer;
use crate::app::application::{Action, App, Body, Express, Front, Request, Route, View};
use crate::app::background::Background;
use crate::app::keep::Keep;
use crate::app::openapi;
use crate::app::state::State;
use crate::app::upload::Upload;
use crate::app::view::LogView;
use crate::apps::pixel::tag;
use crate::base::ids::NodeId;
use crate::base::limits::{ORIGINS_ALARM, ORIGINS_MAX};
use crate::base::setting::Values;
use crate::http::accept;
use crate::http::caching::Caching;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::Response;

use super::batch::array::{Array, unparsable};
use super::batch::binary::Binary;
use super::batch::lines::Lines;
use super::canvas::view::Canvas;
use super::canvas::{cell, requests};
use super::cutter::Cutter;
use super::list::{self, List, Moment};
use super::record::Record;
use super::render::Format;
use super::settings::{BATCH_BODY, CANVAS_MEMORY, KEEP, PIXEL_BODY};
use super::state::PixelState;
use super::validate::{self, Refusal};
use super::{before, body, film, front, query};

/// The application.
pub struct PixelApp {
    cutter: Arc<Cutter>,
    /// Nothing where it is off.
    canvas: Option<Arc<Canvas>>,
}

impl PixelApp {
    /// Makes it with these values of its settings.
    #[must_use]
    pub fn new(values: &Values) -> Self {
        let keep = Keep::of(values.get(&KEEP).elements());
        let memory = usize::try_from(values.number(&CANVAS_MEMORY)).unwrap_or(usize::MAX);
        let canvas = (memory > 0).then(|| Arc::new(Canvas::new(memory)));
        Self { cutter: Arc::new(Cutter::new(keep)), canvas }
    }

    fn of_canvas(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        let Some(canvas) = &self.canvas else { return Action::Respond(requests::off()) };
        match endpoint {
            GET_CANVAS_JSON => requests::facts(canvas, view),
            GET_CANVAS_PNG => requests::picture(canvas, request, view),
            GET_CANVAS_PIXEL => cell::cell(canvas, request, view),
            GET_CANVAS_PAST => film::requests::past(canvas, view),
            GET_CANVAS_LIVE => requests::live(canvas, request, view),
            _ => requests::events(canvas, request, view),
        }
    }
}

const POST_PIXEL: u8 = 0;
const POST_PIXELS: u8 = 1;
const GET_PIXELS: u8 = 2;
const DELETE_PIXELS: u8 = 3;
const GET_COUNT: u8 = 4;
const GET_HEALTH: u8 = 5;
const GET_CANVAS_JSON: u8 = 6;
const GET_CANVAS_PNG: u8 = 7;
const GET_CANVAS_LIVE: u8 = 8;
const GET_CANVAS_PIXEL: u8 = 9;
const GET_CANVAS_PAST: u8 = 10;
const GET_EVENTS: u8 = 11;
const GET_FRONT: u8 = 64;

const STATUS_OK: &str = r#"{"status":"ok"}"#;

static ROUTES: [Route; 13] = [
    Route {
        body: Body::Whole(|limits| limits.apps.size(&PIXEL_BODY)),
        operation: include_str!("openapi/post_pixel.json"),
        express: Some(Express { admits, scan, body: STATUS_OK }),
        ..Route::new(Method::Post, "/pixel", POST_PIXEL, "Keeps one pixel")
    },
    Route {
        body: Body::Stream(|limits| limits.apps.size(&BATCH_BODY)),
        operation: include_str!("openapi/post_pixels.json"),
        ..Route::new(Method::Post, "/pixels", POST_PIXELS, "Keeps many pixels")
    },
    Route {
        operation: include_str!("openapi/get_pixels.json"),
        ..Route::new(Method::Get, "/pixels", GET_PIXELS, "Lists pixels in the order in which they were kept")
    },
    Route {
        operation: include_str!("openapi/delete_pixels.json"),
        frees_space: true,
        ..Route::new(
            Method::Delete,
            "/pixels",
            DELETE_PIXELS,
            "Clears the list of pixels, or what was kept before a moment",
        )
    },
    Route {
        operation: include_str!("openapi/get_count.json"),
        ..Route::new(Method::Get, "/pixels/count", GET_COUNT, "Counts the pixels")
    },
    Route {
        operation: include_str!("openapi/get_health.json"),
        ..Route::new(
            Method::Get,
            "/health",
            GET_HEALTH,
            "Tells that the service is up, and how much it keeps",
        )
        .always()
        .open()
    },
    Route {
        operation: include_str!("openapi/get_canvas_json.json"),
        ..Route::new(Method::Get, "/canvas.json", GET_CANVAS_JSON, "Tells the bounds of the canvas")
    },
    Route {
        operation: include_str!("openapi/get_canvas_png.json"),
        ..Route::new(Method::Get, "/canvas.png", GET_CANVAS_PNG, "Shows the canvas as a picture")
    },
    Route {
        operation: include_str!("openapi/get_canvas_pixel.json"),
        ..Route::new(Method::Get, "/canvas/pixel", GET_CANVAS_PIXEL, "Tells a cell, and who set it when")
    },
    Route {
        operation: include_str!("openapi/get_canvas_past.json"),
        ..Route::new(
            Method::Get,
            "/canvas/past",
            GET_CANVAS_PAST,
            "Tells from when on the canvas can be shown",
        )
    },
    Route {
        operation: include_str!("openapi/get_canvas_live.json"),
        waits: true,
        ..Route::new(
            Method::Get,
            "/canvas/live",
            GET_CANVAS_LIVE,
            "Streams what changes on the canvas, in frames",
        )
    },
    Route {
        operation: include_str!("openapi/get_events.json"),
        waits: true,
        ..Route::new(
            Method::Get,
            "/events",
            GET_EVENTS,
            "Streams what changes on the canvas, as server-sent events",
        )
    },
    Route {
        operation: openapi::FILE,
        ..Route::new(Method::Get, front::FILES, GET_FRONT, "Files of the canvas on the index page").open()
    },
];

impl App for PixelApp {
    fn name(&self) -> &'static str {
        "pixel"
    }

    fn id(&self) -> u8 {
        tag::APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn schemas(&self) -> &'static str {
        include_str!("schemas.json")
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        match endpoint {
            POST_PIXEL => post_pixel(request.head.header_text("content-type"), request.body),
            GET_PIXELS => get_pixels(request, view),
            DELETE_PIXELS => before::delete(request.head.query.unwrap_or_default(), &self.cutter, view),
            GET_COUNT => respond(200, format!("{{\"total\":{}}}", total(view))),
            GET_HEALTH if !view.shows_host => respond(200, r#"{"status":"healthy"}"#.to_owned()),
            GET_HEALTH => {
                let (pid, total) = (view.pid, total(view));
                let peer = view.peer.peer_json().map_or(String::new(), |peer| format!(",{peer}"));
                let members =
                    view.peer.members_json().map_or(String::new(), |of| format!(",\"members\":{of}"));
                let (waits_for, named) = (view.peer.folds_wait_for(), view.applied().vector.len());
                let starts = many_starts(named, waits_for);
                let refused = view.peer.writes_refused();
                let refused = refused.map_or(String::new(), |why| {
                    format!(",\"writes_refused\":{}", serde_json::Value::String(why))
                });
                let disk = view.peer.prospect_json().map_or(String::new(), |of| format!(",\"disk\":{of}"));
                let joining =
                    view.peer.joining_json().map_or(String::new(), |of| format!(",\"joining\":{of}"));
                respond(
                    200,
                    format!(
                        "{{\"status\":\"healthy\",\"pid\":{pid},\"store_size\":{total}{refused}{joining}{disk}{peer}{members}{starts}}}"
                    ),
                )
            }
            GET_CANVAS_JSON..=GET_EVENTS => self.of_canvas(endpoint, request, view),
            GET_FRONT => {
                let found = front::file(request.captures.segments[0], request.head);
                Action::Respond(found.unwrap_or_else(|| self.not_found()))
            }
            _ => Action::Respond(self.not_found()),
        }
    }

    fn upload(&self, _: u8, head: &Head<'_>, view: &View<'_>) -> Result<Box<dyn Upload>, Response> {
        let content_type = head.header_text("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let pixel_bytes_max = view.limits.apps.size(&PIXEL_BODY);
        if body::is_json(content_type) {
            Ok(Box::new(Array::new(pixel_bytes_max)))
        } else if media_type.eq_ignore_ascii_case("application/x-ndjson") {
            Ok(Box::new(Lines::new(pixel_bytes_max)))
        } else if media_type.eq_ignore_ascii_case("application/vnd.pixeld") {
            Ok(Box::new(Binary::default()))
        } else {
            Err(answer::detail(
                415,
                "A batch is application/json, application/x-ndjson or application/vnd.pixeld",
            ))
        }
    }

    fn front(&self) -> Option<Front> {
        self.canvas.as_ref().map(|_| front::FRONT)
    }

    fn card(&self) -> &'static str {
        include_str!("card.html")
    }

    fn short_records(&self) -> Option<(&'static str, &'static str)> {
        Some(("pixeld_ingest_pixels_total", "Pixels committed, single ones and those of batches."))
    }

    fn backgrounds(&self) -> Vec<Arc<dyn Background>> {
        vec![self.cutter.clone()]
    }

    fn views(&self) -> Vec<Arc<dyn LogView>> {
        self.canvas.iter().map(|canvas| canvas.clone() as Arc<dyn LogView>).collect()
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(PixelState::default()))
    }

    fn too_large(&self, endpoint: u8, most: usize) -> Response {
        let sentence = format!("The body is larger than {most} bytes; nothing was stored");
        match endpoint {
            POST_PIXELS => answer::json(413, format!("{{\"detail\":\"{sentence}\",\"accepted\":0}}")),
            _ => answer::detail(413, &sentence),
        }
    }
}

fn respond(status: u16, body: impl Into<Vec<u8>>) -> Action {
    Action::Respond(answer::json(status, body))
}

/// Returns whether the body is to be read as JSON: a type is required, as FastAPI does by default, so that no form on a
/// foreign page can write here.
fn admits(head: &Head<'_>) -> bool {
    head.header_text("content-type").is_some_and(body::is_json)
}

fn scan(text: &[u8]) -> Option<Record> {
    body::read_usual(text).map(|pixel| pixel.encode())
}

/// Returns what `POST /pixel` does about a body of this Content-Type.
#[must_use]
pub fn post_pixel(content_type: Option<&str>, text: &[u8]) -> Action {
    let is_json = content_type.is_some_and(body::is_json);
    match if is_json { body::read(text) } else { Err(validate::refuse_type(text)) } {
        Ok(pixel) => {
            // The same answer as that of the express lane.
            let response = answer::json(200, STATUS_OK).kept_by(Caching::Unsaid);
            Action::Append { records: pixel.encode().to_vec(), response }
        }
        Err(Refusal::Malformed(details) | Refusal::Invalid(details)) => respond(422, details.body()),
        Err(Refusal::NotUtf8) => Action::Respond(unparsable()),
    }
}

fn get_pixels(request: &Request<'_>, view: &View<'_>) -> Action {
    let query = match query::read(request.head.query.unwrap_or_default()) {
        Ok(query) => query,
        Err(details) => return respond(422, details.body()),
    };
    if query.after.is_some_and(|after| after.node != view.node) {
        return Action::Respond(list::gone());
    }
    // As the original: a client that accepts none of the forms gets JSON all the same.
    let accepted: Vec<_> = request.head.values("accept").collect();
    let choice = accept::choose(accepted.iter().copied(), &Format::MEDIA_TYPES).unwrap_or(0);
    let moment = {
        let applied = view.applied();
        let state = applied.state::<PixelState>();
        Moment {
            node: view.node,
            end: applied.position,
            floors: state.map(PixelState::floors).unwrap_or_default(),
            total: state.map_or(0, PixelState::total),
        }
    };
    Action::Job(Box::new(List::new(view.reader, query, Format::ALL[choice], moment)))
}

/// Returns the warning of /health about the bound on starts, from 80 % of it on.
fn many_starts(starts: usize, peer: Option<NodeId>) -> String {
    if starts < ORIGINS_ALARM {
        return String::new();
    }
    let peer = peer.map_or("null".to_owned(), |node| format!("\"{node}\""));
    format!(
        ",\"starts\":{{\"known\":{starts},\"most\":{ORIGINS_MAX},\"waits_for\":{peer},\"why\":\"no start is possible beyond it. \
         Earlier starts are folded once the host named here has said that it has them: connect it, or, if it is lost for good, \
         stop this host and run `pixeld forget-host`, of two hosts `pixeld forget-peer`\"}}"
    )
}

fn total(view: &View<'_>) -> u64 {
    view.applied().state::<PixelState>().map_or(0, PixelState::total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_tells_of_many_starts_before_there_are_too_many() {
        assert_eq!(many_starts(ORIGINS_ALARM - 1, None), "");
        let told = format!("{{{}}}", many_starts(ORIGINS_ALARM, Some(NodeId(0xA1))).trim_start_matches(','));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["starts"]["known"], &told["starts"]["most"]), (&25_600.into(), &32_000.into()));
        assert_eq!(told["starts"]["waits_for"], "00000000000000a1");
        assert!(told["starts"]["why"].as_str().unwrap().contains("pixeld forget-peer"));
    }
}
