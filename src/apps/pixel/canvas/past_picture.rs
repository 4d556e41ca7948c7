//! `GET /canvas.png?at=`: a picture of the past, drawn from the journal on a job thread, one at a time.

use std::sync::{Arc, TryLockError};

use serde_json::json;

use crate::app::answer;
use crate::app::application::{Action, Job, JobStep, Start, View};
use crate::app::heal::Heals;
use crate::base::ids::{NodeId, Position};
use crate::http::caching::Caching;
use crate::http::conditional;
use crate::http::date::rfc3339;
use crate::http::moment;
use crate::http::response::Response;
use crate::log::read::reader::Reader;

use super::super::detail::Fault;
use super::super::list;
use super::cursor::Cursor;
use super::past::{At, NotDrawn, Source};
use super::pictures::Picture;
use super::raster::Raster;
use super::shape::Asked;
use super::view::Canvas;

/// Reads the parameter `at`: gives the moment, and the host whose cursor it is.
///
/// # Errors
/// Returns what is wrong with it.
pub fn read(value: &str) -> Result<(At, Option<NodeId>), Fault<'static>> {
    if let Some(cursor) = Cursor::decode(value) {
        return Ok((At::Place(cursor.position), Some(cursor.node)));
    }
    moment::read_us(value).map(|time_us| (At::Time(time_us), None)).ok_or(Fault::NoMoment)
}

/// Answers the request for a picture as of a moment.
#[must_use]
pub fn answer(
    canvas: &Arc<Canvas>,
    asked: Asked,
    (at, node): (At, Option<NodeId>),
    known: Vec<Vec<u8>>,
    view: &View<'_>,
) -> Action {
    if node.is_some_and(|node| node != view.node) {
        return Action::Respond(list::gone());
    }
    let applied = view.applied();
    let (end, heals) = (applied.position, applied.heals.clone());
    drop(applied);
    let (canvas, reader) = (canvas.clone(), view.reader.clone());
    Action::Job(Box::new(Drawing { canvas, reader, asked, at, known, end, heals, trouble: None }))
}

struct Drawing {
    canvas: Arc<Canvas>,
    reader: Arc<Reader>,
    asked: Asked,
    at: At,
    known: Vec<Vec<u8>>,
    end: Position,
    heals: Heals,
    trouble: Option<String>,
}

impl Drawing {
    fn draw(&mut self) -> Response {
        let canvas = self.canvas.clone();
        let _only = match canvas.past.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let sentence = "Another picture of the past is being drawn; try again";
                return answer::detail(503, sentence).with("Retry-After", "1");
            }
            // It holds nothing that a panic could leave half done.
            other => other,
        };
        let memory_bytes = canvas.memory_bytes();
        let source = Source { reader: &self.reader, end: self.end, heals: &self.heals, memory_bytes };
        let tiles = match source.draw(self.at, self.asked.area()) {
            Ok(tiles) => tiles,
            Err(NotDrawn::Gone(earliest_us)) => return gone(earliest_us),
            Err(NotDrawn::TooLarge) => {
                return answer::detail(
                    422,
                    "The picture as of then has no room in canvas.memory: ask for a part of it with x, y, w and h",
                );
            }
            Err(error @ NotDrawn::Unreadable(_)) => return self.fail(&error.to_string()),
        };
        let shape = self.asked.within(tiles.bounds());
        if let Some(sentence) = shape.fault() {
            return answer::detail(422, &sentence);
        }
        let painted = Raster::paint(&tiles, &shape).map_err(|error| error.to_string());
        match painted.and_then(|raster| raster.png().map_err(|error| error.to_string())) {
            Ok(png) => self.shown(&Picture::new(png, self.end, self.end, 1.0, 0), shape.text()),
            Err(why) => self.fail(&why),
        }
    }

    fn shown(&self, picture: &Picture, bounds: String) -> Response {
        let response = if conditional::is_named(self.known.iter().map(Vec::as_slice), &picture.etag) {
            Response::new(304, "", "")
        } else {
            Response::shared(200, "image/png", picture.png.clone())
        };
        let response = response.kept_by(Caching::Revalidated).with("ETag", picture.etag.clone());
        response.with("Pixeld-Bounds", bounds)
    }

    fn fail(&mut self, why: &str) -> Response {
        self.trouble = Some(format!("a picture of the past can't be made: {why}"));
        answer::detail(503, "The picture can't be made at the moment").with("Retry-After", "1")
    }
}

/// Returns the answer about a moment before the journal's reach.
fn gone(earliest_us: u64) -> Response {
    let earliest = rfc3339(earliest_us);
    let sentence =
        format!("What was listed then has been removed; the earliest picture is that of {earliest}");
    answer::json(410, json!({ "detail": sentence, "earliest": earliest }).to_string())
}

impl Job for Drawing {
    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn start(&mut self) -> Start {
        Start::Whole(self.draw())
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}
