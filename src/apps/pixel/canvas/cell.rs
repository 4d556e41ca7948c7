//! One cell: `GET /canvas/pixel`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::answer;
use crate::app::application::{Action, Job, JobStep, Request, Start, View};
use crate::http::date::rfc3339;
use crate::http::query;
use crate::http::response::Response;

use super::super::cursor::Cursor;
use super::super::detail::{Details, Fault, Input, Location};
use super::super::list;
use super::super::state::PixelState;
use super::covering::{say_behind, say_drawn, when_covered};
use super::history::Sources;
use super::shape::coordinate;
use super::view::Canvas;

/// The names of the channels, in their order.
const CHANNELS: [&str; 3] = ["R", "G", "B"];

/// What was asked for.
struct Asked {
    x: i32,
    y: i32,
    /// With its history; before a place of it, if there is one.
    history: Option<Option<Cursor>>,
}

/// Answers `GET /canvas/pixel`.
#[must_use]
pub fn cell(canvas: &Arc<Canvas>, request: &Request<'_>, view: &View<'_>) -> Action {
    let asked = match read(request.head.query.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(details) => return Action::Respond(answer::json(422, details.body())),
    };
    if asked.history.flatten().is_some_and(|before| before.node != view.node) {
        return Action::Respond(list::gone());
    }
    let of = canvas.clone();
    let then = move |view: &View<'_>, covered: super::covering::Covered| {
        let sources = asked.history.map(|before| sources(before, view));
        let Asked { x, y, .. } = asked;
        Action::Job(Box::new(Look { canvas: of, x, y, sources, behind: covered.behind }))
    };
    when_covered(canvas, view, Box::new(then))
}

fn read(text: &str) -> Result<Asked, Details> {
    let mut details = Details::default();
    let mut place = |name: &'static str| {
        let value = query::parameter(text, name);
        let read = value.as_deref().map_or(Err(Fault::Missing), coordinate);
        read.unwrap_or_else(|fault| {
            details.add(&fault, Location::Query(name), Input::Text(value.as_deref().unwrap_or_default()));
            0
        })
    };
    let (x, y) = (place("x"), place("y"));
    let before = query::parameter(text, "before");
    let cursor = before.as_deref().and_then(Cursor::decode);
    if let Some(before) = before.as_deref().filter(|_| cursor.is_none()) {
        details.add(&Fault::NoCursor, Location::Query("before"), Input::Text(before));
    }
    let is_wished = query::parameter(text, "history").is_some_and(|value| !["0", "false"].contains(&&*value));
    let history = (is_wished || cursor.is_some()).then_some(cursor);
    if details.is_empty() { Ok(Asked { x, y, history }) } else { Err(details) }
}

fn sources(before: Option<Cursor>, view: &View<'_>) -> Sources {
    let applied = view.applied();
    let end = applied.position;
    Sources {
        reader: view.reader.clone(),
        end,
        before: before.unwrap_or(Cursor { node: view.node, batch: end, index: 0, is_filtered: true }),
        floors: applied.state::<PixelState>().map(PixelState::floors).unwrap_or_default(),
        heals: applied.heals.clone(),
    }
}

/// Looks at the cell, on a job thread.
struct Look {
    canvas: Arc<Canvas>,
    x: i32,
    y: i32,
    sources: Option<Sources>,
    behind: u64,
}

impl Look {
    fn answer(&self) -> Result<Response, String> {
        let (x, y) = (self.x, self.y);
        // How much is drawn is asked under the same lock: the drawing may be made anew at any other moment.
        let seen =
            self.canvas.look(|drawing| drawing.tiles.look(x, y).map(|cell| (cell, self.canvas.drawn())));
        let ((colour, times), drawn) =
            seen.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
        let text = |time_us: Option<u64>| time_us.map_or(Value::Null, |time_us| rfc3339(time_us).into());
        let channels: Map<String, Value> =
            CHANNELS.iter().zip(times).map(|(name, time_us)| ((*name).to_owned(), text(time_us))).collect();
        let mut body = json!({
            "x": x, "y": y, "set": colour[3] > 0, "r": colour[0], "g": colour[1], "b": colour[2],
            "time": text(times.iter().flatten().copied().max()), "channels": channels,
        });
        if let Some(sources) = &self.sources {
            let history = sources.read(x, y).map_err(|error| error.to_string())?;
            body["history"] = history.entries.into();
            body["next"] = history.next.map_or(Value::Null, |next| next.encode().into());
        }
        let response = say_drawn(answer::json(200, body.to_string()), drawn);
        Ok(say_behind(response, self.behind))
    }
}

impl Job for Look {
    fn start(&mut self) -> Start {
        Start::Whole(self.answer().unwrap_or_else(|why| {
            answer::detail(503, &format!("The cell can't be looked at: {why}")).with("Retry-After", "1")
        }))
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}
