//! Reads wait until the canvas has what was applied before they came, for a moment at most.

use std::sync::Arc;

use crate::app::application::{Action, Resume, View, Wait};
use crate::app::view::LogView;
use crate::app::wait::News;
use crate::base::ids::Position;
use crate::http::response::Response;

use super::limits::BEHIND_US;
use super::view::Canvas;

/// What a read may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// What was applied when it came.
    pub needed: Position,
    /// Records of that which the canvas does not have.
    pub behind: u64,
}

/// How a read goes on.
pub type Then = Box<dyn FnOnce(&View<'_>, Covered) -> Action + Send>;

/// Has a read go on when the canvas has everything that is applied now, or its time is up.
#[must_use]
pub fn when_covered(canvas: &Arc<Canvas>, view: &View<'_>, then: Then) -> Action {
    let needed = view.applied().position;
    let until_us = view.clock_us + BEHIND_US;
    let waiting = Waiting { canvas: canvas.clone(), needed, until_us, then };
    // While it is made from the journal it has everything only seconds from now.
    if canvas.standing().position() >= needed || canvas.drawn() < 1.0 {
        return waiting.go_on(view);
    }
    waiting.wait(view)
}

struct Waiting {
    canvas: Arc<Canvas>,
    needed: Position,
    until_us: u64,
    then: Then,
}

impl Waiting {
    fn wait(self, view: &View<'_>) -> Action {
        self.canvas.standing().await_position(self.needed, view.ticket);
        view.waker.call_views();
        Action::Wait(Wait { until_us: Some(self.until_us), then: Box::new(self) })
    }

    fn go_on(self, view: &View<'_>) -> Action {
        let is_there = self.canvas.standing().position() >= self.needed;
        let behind = if is_there { 0 } else { self.canvas.standing().behind(&view.applied().vector).max(1) };
        (self.then)(view, Covered { needed: self.needed, behind })
    }
}

impl Resume for Waiting {
    fn resume(self: Box<Self>, view: &View<'_>, news: News) -> Action {
        let is_there = self.canvas.standing().position() >= self.needed;
        if is_there || news != News::Woken || view.clock_us >= self.until_us {
            self.go_on(view)
        } else {
            self.wait(view)
        }
    }
}

/// Returns an answer that says how far the canvas lags behind, if it does.
#[must_use]
pub fn say_behind(response: Response, behind: u64) -> Response {
    match behind {
        0 => response,
        behind => response.with("Pixeld-Behind", behind.to_string()),
    }
}

/// Returns an answer that says how much of the canvas is drawn, 0 to 1, while that is not all of it.
#[must_use]
pub fn say_drawn(response: Response, drawn: f64) -> Response {
    if drawn < 1.0 { response.with("Pixeld-Drawn", rounded(drawn).to_string()) } else { response }
}

/// Returns how much is drawn with two digits, and 1 only if all of it is.
#[must_use]
pub fn rounded(drawn: f64) -> f64 {
    if drawn < 1.0 { (drawn * 100.0).floor() / 100.0 } else { 1.0 }
}
