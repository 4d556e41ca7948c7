//! The engine's own endpoints, as an application beside the others: is it alive, is it ready, what does it count.

use std::sync::{Arc, OnceLock};

use super::exposition;
use crate::app::access::Access;
use crate::app::application::{Action, App, Request, Route, View};
use crate::app::router::Router;
use crate::app::state::State;
use crate::base::{tag, version};
use crate::engine::shared::Shared;
use crate::engine::shared::life::Phase;
use crate::http::method::Method;
use crate::http::response::Response;

const LIVE: u8 = 0;
const READY: u8 = 1;
const VERSION: u8 = 2;
const METRICS: u8 = 3;

static ROUTES: [Route; 4] = [
    Route::new(Method::Get, "/livez", LIVE, "200 while the process serves").always().open(),
    Route::new(
        Method::Get,
        "/readyz",
        READY,
        "200 while new requests are welcome, whether or not the peer is there; 503 while joining one, while the disk fails, or draining",
    )
    .always()
    .open(),
    Route::new(Method::Get, "/version", VERSION, "What is running").always(),
    Route {
        access: Access::Admin,
        ..Route::new(Method::Get, "/metrics", METRICS, "Counters for Prometheus").always()
    },
];

/// The engine's endpoints. They know the server they are part of, once it is there.
#[derive(Default)]
pub struct Service {
    server: OnceLock<(Arc<Shared>, Arc<Router>)>,
}

impl Service {
    /// Tells the endpoints which server they speak for.
    pub fn attach(&self, shared: Arc<Shared>, router: Arc<Router>) {
        let first = self.server.set((shared, router)).is_ok();
        debug_assert!(first, "a service belongs to one server");
    }

    fn respond(&self, endpoint: u8, shared: &Shared, router: &Router) -> Response {
        match endpoint {
            LIVE => text(200, "live\n"),
            READY => match shared.life.phase() {
                Phase::Ready if shared.space.is_joining() => text(
                    503,
                    "joining: no requests before everything of the first host is here; /health says how far it is\n",
                ),
                Phase::Ready => match shared.space.refused() {
                    None => text(200, "ready\n"),
                    Some(refused) if refused.is_unready() => text(503, &format!("{}\n", refused.reason)),
                    Some(refused) => text(200, &format!("ready, reads only: {}\n", refused.reason)),
                },
                Phase::Starting => text(503, "starting\n"),
                Phase::Draining => text(503, "draining\n"),
            },
            VERSION => Response::new(200, "application/json", version()),
            METRICS => Response::new(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                exposition::render(shared, router),
            ),
            _ => Response::new(200, "application/json", String::new()),
        }
    }
}

impl App for Service {
    fn name(&self) -> &'static str {
        "service"
    }

    fn id(&self) -> u8 {
        tag::app::ENGINE
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, _request: &Request<'_>, _view: &View<'_>) -> Action {
        let response = match self.server.get() {
            Some((shared, router)) => self.respond(endpoint, shared, router),
            None => text(503, "starting\n"),
        };
        Action::Respond(response)
    }

    fn refusal(&self, status: u16, sentence: &str) -> Response {
        text(status, &format!("{sentence}\n"))
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        None
    }
}

fn version() -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (version, commit) = (version::VERSION, version::COMMIT);
    format!(r#"{{"name":"pixeld","version":"{version}","commit":"{commit}","build":"{build}"}}"#)
}

fn text(status: u16, line: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", line)
}
