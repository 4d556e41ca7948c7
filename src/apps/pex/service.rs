//! The Fibonacci service's routes and what they do.

use std::sync::Arc;

use crate::app::application::{Action, App, Request, Resume, Route, View};
use crate::app::state::State;
use crate::app::wait::News;
use crate::apps::pex::tag;
use crate::http::caching::Caching;
use crate::http::method::Method;
use crate::http::query;
use crate::http::response::Response;

use super::answer;
use super::asked::Asked;
use super::numbers::Numbers;
use super::record::Wish;
use super::settings::PexSettings;
use super::state::{AT_END, PexState};

/// The application.
pub struct PexApp {
    settings: PexSettings,
    numbers: Arc<Numbers>,
}

const CURRENT: u8 = 0;
const NEXT: u8 = 1;
const PREVIOUS: u8 = 2;
const RESET: u8 = 3;
const STATE: u8 = 4;
const FIB: u8 = 5;
const ROOT: u8 = 6;

const NUMBER: &str = r#"{"responses":{"200":{"description":"The number in decimal and a line end",
    "content":{"text/plain; charset=utf-8":{"example":"34\n"}}}}}"#;
const STEP: &str = r#"{"responses":{"200":{"description":"The number there in decimal and a line end",
    "content":{"text/plain; charset=utf-8":{"example":"55\n"}}},
    "409":{"description":"The last position is reached"}}}"#;
const RESET_SAYS: &str =
    r#"{"responses":{"200":{"description":"A JSON string with JSON in it, and a line end"}}}"#;
const STATE_SAYS: &str = r#"{"responses":{"200":{"description":"How many steps and resets were counted, the position, and the number of digits there",
    "content":{"application/json":{"example":{"hits":10,"position":9,"digits":2}}}}}}"#;
const FIB_SAYS: &str = r#"{"parameters":[{"name":"n","in":"path","schema":{"type":"integer","minimum":0}}],"responses":{"200":{"description":"F(n) in decimal and a line end"},
    "400":{"description":"n is no whole number"},"409":{"description":"n is beyond pex.max_position"}}}"#;

const fn route(
    method: Method,
    path: &'static str,
    endpoint: u8,
    summary: &'static str,
    says: &'static str,
) -> Route {
    Route { operation: says, ..Route::new(method, path, endpoint, summary) }
}

const fn step(
    method: Method,
    path: &'static str,
    endpoint: u8,
    summary: &'static str,
    says: &'static str,
) -> Route {
    Route { writes: true, ..route(method, path, endpoint, summary, says) }
}

static ROUTES: [Route; 10] = [
    route(Method::Get, "/", ROOT, "Names the four paths", "").open(),
    route(Method::Get, "/current", CURRENT, "Tells the Fibonacci number where we stand", NUMBER),
    step(Method::Get, "/next", NEXT, "Makes a step on and tells the number there", STEP),
    step(Method::Get, "/previous", PREVIOUS, "Makes a step back and tells the number there", NUMBER),
    step(Method::Get, "/reset", RESET, "Goes back to the beginning", RESET_SAYS),
    route(Method::Post, "/next", NEXT, "The same as GET", STEP),
    route(Method::Post, "/previous", PREVIOUS, "The same as GET", NUMBER),
    route(Method::Post, "/reset", RESET, "The same as GET", RESET_SAYS),
    route(Method::Get, "/state", STATE, "Tells where we stand", STATE_SAYS),
    route(Method::Get, "/fib/{n}", FIB, "Tells any Fibonacci number, exactly", FIB_SAYS),
];

impl PexApp {
    /// Returns the service under these settings.
    #[must_use]
    pub fn new(settings: PexSettings) -> Self {
        Self { settings, numbers: Arc::default() }
    }

    fn asked(&self, n: u64, request: &Request<'_>) -> Asked {
        let head_only = is_head(request);
        // A number that a step led to is not the same the next time.
        Asked { numbers: self.numbers.clone(), n, caching: Caching::NoStore, head_only, stored: false }
    }

    /// Moves the position. A HEAD request moves nothing: it gets the head of the answer that GET would have.
    fn step(&self, wish: Wish, request: &Request<'_>, view: &View<'_>) -> Action {
        let last = self.settings.max_position;
        let (hits, position) = standing(view);
        if matches!(wish, Wish::Next { .. }) && position >= last {
            return Action::Respond(answer::at_end(last));
        }
        if !is_head(request) {
            let then = Stepped { wish, asked: self.asked(position, request), last };
            return Action::Command { record: wish.encode(), then: Box::new(then) };
        }
        match wish {
            Wish::Next { .. } => self.asked(position + 1, request).answer(view),
            Wish::Previous => self.asked(position.saturating_sub(1), request).answer(view),
            Wish::Reset | Wish::Import { .. } => Action::Respond(answer::reset(hits + 1)),
        }
    }

    fn fib(&self, request: &Request<'_>, view: &View<'_>) -> Action {
        let last = self.settings.max_position;
        let text = query::decode_path(request.captures.segments[0]);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Action::Respond(answer::no_number(last));
        }
        match text.parse() {
            // F(n) never changes.
            Ok(n) if n <= last => {
                Asked { caching: Caching::Immutable, ..self.asked(n, request) }.answer(view)
            }
            _ => Action::Respond(answer::beyond(last)),
        }
    }
}

/// A step on its way: what it came to says how to answer.
struct Stepped {
    wish: Wish,
    asked: Asked,
    last: u64,
}

impl Resume for Stepped {
    fn resume(self: Box<Self>, view: &View<'_>, news: News) -> Action {
        let News::Applied(outcome) = news else {
            unreachable!("a command goes on when it is applied");
        };
        match self.wish {
            Wish::Reset => Action::Respond(answer::reset(outcome)),
            _ if outcome == AT_END => Action::Respond(answer::at_end(self.last)),
            _ => Asked { n: outcome, stored: true, ..self.asked }.answer(view),
        }
    }
}

fn is_head(request: &Request<'_>) -> bool {
    request.head.method == Method::Head
}

/// Hits and position.
fn standing(view: &View<'_>) -> (u64, u64) {
    view.applied().state::<PexState>().map_or((0, 0), |state| (state.hits(), state.position()))
}

impl App for PexApp {
    fn name(&self) -> &'static str {
        "pex"
    }

    fn id(&self) -> u8 {
        tag::APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        match endpoint {
            CURRENT => self.asked(standing(view).1, request).answer(view),
            NEXT => self.step(Wish::Next { last: self.settings.max_position }, request, view),
            PREVIOUS => self.step(Wish::Previous, request, view),
            RESET => self.step(Wish::Reset, request, view),
            STATE => {
                let (hits, position) = standing(view);
                Action::Respond(answer::state(hits, position))
            }
            FIB => self.fib(request, view),
            ROOT => Action::Respond(answer::root()),
            _ => Action::Respond(self.not_found()),
        }
    }

    fn card(&self) -> &'static str {
        include_str!("card.html")
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(PexState::default()))
    }

    fn not_found(&self) -> Response {
        answer::not_found()
    }

    fn refusal(&self, status: u16, sentence: &str) -> Response {
        answer::refusal(status, sentence)
    }

    fn method_not_allowed(&self) -> Response {
        answer::method_not_allowed()
    }
}
