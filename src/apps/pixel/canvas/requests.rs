//! The canvas' requests: its bounds, its picture, its cells, and what changes of it.

use std::sync::Arc;

use crate::app::answer;
use crate::app::application::{Action, Job, JobStep, Request, Start as Head, View, Watch};
use crate::app::application::{Resume, Wait};
use crate::app::feed::Feed;
use crate::app::wait::News;
use crate::base::ids::{NodeId, Position};
use crate::http::caching::Caching;
use crate::http::conditional;
use crate::http::query;
use crate::http::response::{Response, StreamHead};

use super::super::detail::{Details, Input, Location};
use super::covering::{Covered, rounded, say_behind, say_drawn, when_covered};
use super::cursor::Cursor;
use super::past_picture;
use super::pictures::{Found, Picture};
use super::raster::Raster;
use super::shape::{Asked, Shape};
use super::view::Canvas;

/// Content-Type of the stream of frames.
const LIVE: &str = "application/vnd.pixeld.live";
/// The field in which a client of events says what it was told last (HTML, section 9.2.4).
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Returns the answer where the canvas is off.
#[must_use]
pub fn off() -> Response {
    answer::detail(404, "The canvas is off: canvas.memory is 0")
}

/// Answers `GET /canvas.json`.
#[must_use]
pub fn facts(canvas: &Arc<Canvas>, view: &View<'_>) -> Action {
    canvas.note_interest(view.clock_us);
    let of = canvas.clone();
    when_covered(canvas, view, Box::new(move |view, covered| Action::Respond(facts_now(&of, view, covered))))
}

fn facts_now(canvas: &Canvas, view: &View<'_>, covered: Covered) -> Response {
    let facts = canvas.facts();
    let bounds = facts.bounds.map(|bounds| {
        serde_json::json!({
            "x_min": bounds.x_min, "x_max": bounds.x_max, "y_min": bounds.y_min, "y_max": bounds.y_max,
        })
    });
    let cursor = Cursor { node: view.node, position: canvas.live().told() }.encode();
    let body = serde_json::json!({
        "bounds": bounds, "pixels": facts.pixels, "cells": facts.cells, "cursor": cursor,
        "drawn": rounded(canvas.drawn()),
    });
    say_behind(answer::json(200, body.to_string()), covered.behind)
}

/// Answers `GET /canvas.png`.
#[must_use]
pub fn picture(canvas: &Arc<Canvas>, request: &Request<'_>, view: &View<'_>) -> Action {
    let mut details = Details::default();
    let text = request.head.query.unwrap_or_default();
    let asked = Asked::read(text, &mut details);
    let at = query::parameter(text, "at");
    let moment = at.as_deref().map(past_picture::read);
    if let (Some(Err(fault)), Some(at)) = (&moment, &at) {
        details.add(fault, Location::Query("at"), Input::Text(at));
    }
    if !details.is_empty() {
        return Action::Respond(answer::json(422, details.body()));
    }
    let known = request.head.values("if-none-match").map(<[u8]>::to_vec).collect();
    if let Some(Ok(moment)) = moment {
        return past_picture::answer(canvas, asked, moment, known, view);
    }
    canvas.note_interest(view.clock_us);
    let of = canvas.clone();
    let then = move |view: &View<'_>, covered| {
        let shape = asked.within(of.facts().bounds);
        if let Some(sentence) = shape.fault() {
            return Action::Respond(answer::detail(422, &sentence));
        }
        Box::new(Wish { canvas: of, shape, known, covered, node: view.node }).look(view)
    };
    when_covered(canvas, view, Box::new(then))
}

/// A picture that is wished for.
struct Wish {
    canvas: Arc<Canvas>,
    shape: Shape,
    /// The fields in which the client says what it has.
    known: Vec<Vec<u8>>,
    covered: Covered,
    node: NodeId,
}

impl Wish {
    fn look(self: Box<Self>, view: &View<'_>) -> Action {
        match self.canvas.pictures.find(&self.shape, self.needed(), view.clock_us) {
            Found::Made(picture) => Action::Respond(self.answer(&picture)),
            Found::Later(at_us) => Action::Wait(Wait { until_us: Some(at_us), then: self }),
            Found::Unmade(slot) => {
                let clock_us = view.clock_us;
                Action::Job(Box::new(Rendering { wish: self, slot, clock_us, trouble: None }))
            }
        }
    }

    /// Returns what the picture has to show: what is not there yet can't be waited for any longer.
    fn needed(&self) -> Position {
        if self.covered.behind > 0 { Position(0) } else { self.covered.needed }
    }

    fn answer(&self, picture: &Picture) -> Response {
        let cursor = Cursor { node: self.node, position: picture.told };
        let is_final = self.covered.behind == 0 && picture.drawn >= 1.0;
        let is_known = conditional::is_named(self.known.iter().map(Vec::as_slice), &picture.etag);
        let mut response = if is_final && is_known {
            Response::new(304, "", "")
        } else {
            Response::shared(200, "image/png", picture.png.clone())
        };
        if is_final {
            response = response.kept_by(Caching::Revalidated).with("ETag", picture.etag.clone());
        }
        let response = say_drawn(response, picture.drawn).with("Pixeld-Cursor", cursor.encode());
        say_behind(response.with("Pixeld-Bounds", self.shape.text()), self.covered.behind)
    }
}

impl Resume for Wish {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        self.look(view)
    }
}

/// Makes a picture, on a job thread.
struct Rendering {
    wish: Box<Wish>,
    slot: Arc<std::sync::Mutex<Option<Picture>>>,
    /// When it was ordered, microseconds of the process's clock.
    clock_us: u64,
    trouble: Option<String>,
}

impl Job for Rendering {
    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn start(&mut self) -> Head {
        let Self { wish, slot, clock_us, .. } = self;
        let canvas = &wish.canvas;
        let make = || -> Result<Picture, String> {
            let told = canvas.live().told();
            let painted = canvas.look(|drawing| {
                // How much is drawn is asked under the same lock: a drawing that is made anew meanwhile has its end's position
                // and only a part of its cells.
                let drawn = canvas.drawn();
                let raster = Raster::paint(&drawing.tiles, &wish.shape)?;
                Ok::<_, std::io::Error>((raster, drawing.moment().start.position, drawn))
            });
            let (raster, position, drawn) = painted
                .ok_or_else(|| "the canvas is not drawn yet".to_owned())?
                .map_err(|error| error.to_string())?;
            let png = raster.png().map_err(|error| error.to_string())?;
            Ok(Picture::new(png, position, told, drawn, *clock_us))
        };
        Head::Whole(match canvas.pictures.make(slot, wish.needed(), make) {
            Ok(picture) => wish.answer(&picture),
            Err(why) => {
                let sentence = format!("The picture can't be made: {why}");
                answer::detail(503, &sentence).with("Retry-After", "1")
            }
        })
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}

/// Answers `GET /canvas/live`.
#[must_use]
pub fn live(canvas: &Arc<Canvas>, request: &Request<'_>, view: &View<'_>) -> Action {
    canvas.note_interest(view.clock_us);
    let after = query::parameter(request.head.query.unwrap_or_default(), "after");
    let feed = canvas.live();
    let (first, place) = match after {
        None => {
            let (welcome, place) = feed.enter();
            (welcome.bytes().to_vec(), place)
        }
        Some(word) => match place_behind(feed, &word, view.node) {
            Some(place) => (Vec::new(), place),
            None => {
                let (reload, place) = feed.lost();
                (reload.bytes().to_vec(), place)
            }
        },
    };
    watch(feed, LIVE, first, place)
}

/// Answers `GET /events`.
#[must_use]
pub fn events(canvas: &Arc<Canvas>, request: &Request<'_>, view: &View<'_>) -> Action {
    canvas.note_interest(view.clock_us);
    let after = query::parameter(request.head.query.unwrap_or_default(), "after");
    // A browser that comes back by itself has the address that it began with.
    let last = request.head.header_text(LAST_EVENT_ID).map(|id| id.trim().to_owned());
    let feed = canvas.events();
    let (welcome, place) = feed.enter();
    let (first, place) = match last.or(after.map(std::borrow::Cow::into_owned)) {
        None => (welcome.bytes().to_vec(), place),
        Some(word) => match place_behind(feed, &word, view.node) {
            Some(place) => (super::frames::retry(), place),
            None => {
                let (reload, place) = feed.lost();
                ([&super::frames::retry()[..], reload.bytes()].concat(), place)
            }
        },
    };
    watch(feed, "text/event-stream; charset=utf-8", first, place)
}

fn place_behind(feed: &Feed, word: &str, node: NodeId) -> Option<u64> {
    let cursor = Cursor::decode(word).filter(|cursor| cursor.node == node)?;
    feed.place_behind(cursor.position)
}

fn watch(feed: &Arc<Feed>, content_type: &'static str, first: Vec<u8>, place: u64) -> Action {
    let head = StreamHead {
        status: 200,
        content_type,
        // nginx would gather it.
        headers: vec![("X-Accel-Buffering", "no".to_owned())],
        caching: Caching::NoStore,
        length: None,
    };
    Action::Watch(Watch { head, feed: feed.clone(), first, place })
}
