//! Where a request goes, how its body is taken, and the engine's own refusals.

use crate::app::answer;
use crate::app::application::{App, Body, Captures, Route};
use crate::app::form_page::{self, FormPage};
use crate::app::router::{Match, Root, Router};
use crate::base::durability::Durability;
use crate::base::limits::Limits;
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::engine::shared::refused::Refused;
use crate::engine::shared::understanding::TooOld;
use crate::http::connection::Plan;
use crate::http::refusal::Refusal;
use crate::http::request::Head;
use crate::http::response::Response;

/// The row of requests that no route took, in the count of requests.
pub const NO_ROUTE: usize = usize::MAX;

/// What a worker remembers with the head of a usual write.
#[derive(Clone, Copy)]
pub struct Known {
    /// Makes the record of a usual body.
    pub scan: fn(&[u8]) -> Option<[u8; SHORT_RECORD_BYTES]>,
    /// The row of the route in the count of requests.
    pub route: u16,
}

/// What answers a request.
pub enum Target<'r, 'p> {
    /// A route's application.
    Route {
        /// The application.
        app: &'r dyn App,
        /// The route.
        route: &'static Route,
        /// Its place among all routes.
        place: usize,
        /// What its pattern captured.
        captures: Captures<'p>,
    },
    /// Nobody: this answer is given.
    Nobody(Response),
}

/// Looks a request up.
pub fn target<'r, 'p>(router: &'r Router, root: Root, head: &Head<'p>) -> Target<'r, 'p> {
    match router.find(root, head.method, head.path) {
        Match::Found { app, route, place, captures } => {
            Target::Route { app: router.app(app), route, place, captures }
        }
        Match::Options { allow, owner: Some(owner) } => Target::Nobody(router.app(owner).options(&allow)),
        Match::Options { allow, owner: None } => {
            Target::Nobody(Response::new(204, "", "").with("Allow", allow))
        }
        Match::NotFound { owner } => Target::Nobody(router.app(owner).not_found()),
        Match::MethodNotAllowed { allow, owner } => {
            Target::Nobody(router.app(owner).method_not_allowed().with("Allow", allow))
        }
    }
}

/// Returns how the body of a request with this head is taken. That of a request whose answer does not depend on it is read too, up
/// to `limits.unused_body_bytes`, so that the connection can go on; a longer one is not.
///
/// With it comes what is known of the request then.
pub fn plan(router: &Router, root: Root, head: &Head<'_>, limits: &Limits) -> (Plan, Option<Meant>) {
    if root == Root::REDIRECT {
        return (Plan::Unwanted { max_bytes: limits.unused_body_bytes }, None);
    }
    match router.find(root, head.method, head.path) {
        Match::Found { route, place, .. } => {
            let plan = match route.body {
                Body::None => unwanted(limits),
                Body::Whole(max_bytes) => Plan::Whole { max_bytes: max_bytes(limits) },
                Body::Stream(max_bytes) => Plan::Stream { max_bytes: max_bytes(limits) },
            };
            (plan, Some(Meant { place, form: form_of(route, head) }))
        }
        _ => (unwanted(limits), None),
    }
}

/// Returns how the body of a request is taken whose answer does not depend on it.
pub fn unwanted(limits: &Limits) -> Plan {
    Plan::Unwanted { max_bytes: limits.unused_body_bytes }
}

/// What the head of a request says of the one who sent it.
#[derive(Clone, Copy)]
pub struct Meant {
    /// The place of its route among all routes.
    pub place: usize,
    /// The page of what refuses it, if a browser's form sent it.
    pub form: Option<&'static FormPage>,
}

/// Returns the page of what refuses a request to this route, if a browser's form sent it.
pub fn form_of(route: &Route, head: &Head<'_>) -> Option<&'static FormPage> {
    route.form.filter(|_| form_page::is_wanted(head))
}

fn text(status: u16, sentence: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

/// Returns the answer to a write on a full disk: nothing was logged.
pub fn no_space() -> Response {
    text(507, "No space left above the reserve on this host's disk; nothing was stored. Reads go on.")
}

/// Returns the answer to a write that is refused for the reason given: nothing was logged.
pub fn refused(refused: &Refused) -> Response {
    let reason = &refused.reason;
    let response = text(
        refused.status(),
        &format!("This host takes no writes ({reason}); nothing was stored. Reads go on."),
    );
    if refused.status() == 503 { response.with("Retry-After", "1") } else { response }
}

/// Returns the answer to a write whose batch the disk has no room for. The batch is kept and may be stored yet, so a client must
/// look before it sends the write again.
pub fn overdue() -> Response {
    text(
        504,
        "The disk has no room at the moment and the write waits for it; it may have been stored. Look before you send it again.",
    )
}

/// Returns the answer of a host that does not have everything of the first host of its cluster yet: nothing was read or logged.
pub fn joining() -> Response {
    text(503, "This host is joining another one and answers nothing before it has everything of that one; nothing was stored. Send again later.")
        .with("Retry-After", "1")
}

/// Returns the answer when the lane stayed full: nothing was logged.
pub fn lane_full() -> Response {
    text(503, "The server is behind with its writes; nothing was stored. Send again later.")
        .with("Retry-After", "1")
}

/// Returns the answer when too many requests wait: nothing was logged.
pub fn busy() -> Response {
    text(503, "Too many requests are waiting; nothing was stored. Send again later.").with("Retry-After", "1")
}

/// Returns the answer to a command that was logged and of which its application made nothing: the fault is in the program.
pub fn not_applied() -> Response {
    text(500, "The request was stored, but nothing is known of what it came to. Please report this.")
}

/// Returns the answer to a request whose `Durability` names no level: nothing was logged.
pub fn no_level() -> Response {
    answer::detail(400, "The header Durability may be memory, disk, both or cluster; nothing was stored")
}

/// Returns the answer when the peer does not know a kind of the records: nothing was logged.
pub fn too_old(too_old: &TooOld) -> Response {
    answer::detail(409, &too_old.to_string())
}

/// Returns the answer to a write that is kept while too many requests wait for its real answer to be made.
pub fn busy_later() -> Response {
    text(
        504,
        "This is stored, do not send it again; too many requests are waiting for the answer to be made.",
    )
}

/// Returns the answer to `both` of a server without a peer and to `cluster` of one without a log: nothing was logged.
pub fn out_of_reach(level: Durability) -> Response {
    let (who, flag) = (others_of(level), if level == Durability::Cluster { "--log" } else { "--peer" });
    let sentence = format!(
        "This server has no {who} ({flag}), so `Durability: {level}` can't be reached; nothing was stored."
    );
    text(503, &sentence).with("Retry-After", "60")
}

/// Returns the answer when too many writes at this level, `both` or `cluster`, wait: nothing was logged.
pub fn peer_behind(level: Durability) -> Response {
    let who = others_of(level);
    let sentence = format!(
        "Too many writes at `Durability: {level}` wait for the {who}; nothing was stored. Send again later."
    );
    text(503, &sentence).with("Retry-After", "1")
}

/// Returns the answer to a write at this level, `both` or `cluster`, that was not confirmed in time. It is logged, so it must not be
/// sent again; what it has `made` is in the answer, or its client could not ask for it.
pub fn peer_late(level: Durability, made: Option<&Response>) -> Response {
    let who = others_of(level);
    let sentence = format!(
        "The write is stored on this host, but the {who} did not confirm it in time. It will be replicated; do not send \
         it again."
    );
    let detail = serde_json::Value::from(sentence);
    let stored = made.filter(|made| made.content_type.starts_with("application/json"));
    let stored = stored.and_then(|made| std::str::from_utf8(&made.body).ok()).map(str::trim_end);
    let late = match stored.filter(|stored| !stored.is_empty()) {
        Some(stored) => answer::json(504, format!("{{\"detail\":{detail},\"stored\":{stored}}}")),
        None => answer::json(504, format!("{{\"detail\":{detail}}}")),
    };
    let place = made.and_then(|made| made.headers.iter().find(|(name, _)| *name == "Location"));
    match place {
        Some((name, place)) => late.with(name, place.clone()),
        None => late,
    }
}

/// Returns what a level that this host can't give alone waits for.
fn others_of(level: Durability) -> &'static str {
    if level == Durability::Cluster { "log" } else { "peer" }
}

/// The disk is full, for a body of which something is logged.
pub const NO_ROOM: Refusal = Refusal::new(507, "no space is left above the reserve on this host's disk");

/// The disk takes no more for another reason, for a body of which something is logged: 503 would say that nothing is.
pub const NO_MORE: Refusal = Refusal::new(507, "this host takes no writes any more, as /health tells");

/// A client that doesn't speak TLS at a listener that does.
pub const NOT_TLS: Refusal =
    Refusal::new(400, "the plain HTTP request was sent to a port of HTTPS; ask again with https://");

/// The server ends before a body does of which nothing is logged.
pub const ENDING: Refusal = Refusal::new(503, "the server ends before the body has come");

/// The same for one of which something is: 503 would say that nothing is.
pub const ENDING_HALF_WAY: Refusal =
    Refusal::new(408, "the server ends before the rest of the body has come");

/// The sender's token was taken away while a body came of which something is logged.
pub const REVOKED: Refusal =
    Refusal::new(401, "the token was taken away before the rest of the body has come");

/// It lost its scope meanwhile.
pub const NARROWED: Refusal =
    Refusal::new(403, "the token lost the scope before the rest of the body has come");

/// Too many connections, as the protocol refuses.
pub const CROWDED: Refusal = Refusal::new(503, "too many connections; come back later");

/// Too many connections of one address.
pub const CROWDED_BY_ONE: Refusal =
    Refusal::new(503, "too many connections from this address; close some, or come back later");

/// Too many bodies in memory: nothing of this one was logged.
pub const TOO_MUCH: Refusal =
    Refusal::new(503, "too many bodies are in memory; nothing was stored, send again later");
