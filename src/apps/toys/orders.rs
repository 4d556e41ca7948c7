//! Orders: made while the client waits, or taken to be done later, once for each idempotency key.

use serde_json::json;
use uuid::Uuid;

use crate::app::application::{Action, Resume, View};
use crate::app::applied::Applied;
use crate::app::wait::News;
use crate::apps::toys::limits::TOYS_KEY_BYTES_MAX;
use crate::base::ids::ClusterId;
use crate::http::request::Head;
use crate::http::response::Response;

use super::html::{self, escape};
use super::idempotency::{self, KeyError, fingerprint, order_id};
use super::place::Place;
use super::record::{self, Fingerprint};
use super::state::{Now, Order, ToysState};

/// An order that is logged when its time is over.
#[derive(Debug)]
pub struct Making {
    /// Its id.
    pub id: Uuid,
    /// What was ordered.
    pub product: String,
}

impl Making {
    /// Returns the answer to the order.
    #[must_use]
    pub fn response(&self) -> Response {
        let (id, product) = (self.id, escape(&self.product));
        html::answer(200, format!("Your process {id} has been created with this product : {product}"))
    }

    /// Logs the order, which is done then.
    #[must_use]
    pub fn append(&self) -> Action {
        let mut records = Vec::new();
        let (id, product) = (self.id.into_bytes(), &self.product);
        record::Order { id, takes_ms: 0, fingerprint: Fingerprint::default(), product }.push(&mut records);
        Action::Append { records, response: self.response() }
    }
}

/// When the server ends before the time is up, it is done early: so it is neither lost nor waited for.
impl Resume for Making {
    fn resume(self: Box<Self>, _view: &View<'_>, _news: News) -> Action {
        self.append()
    }
}

/// An order that is taken to be done later.
#[derive(Debug)]
pub struct Taking {
    id: Uuid,
    fingerprint: Fingerprint,
    /// What is ordered.
    pub product: String,
}

impl Taking {
    /// Returns an order that no other request can mean.
    #[must_use]
    pub fn new(id: Uuid, product: String) -> Self {
        Self { id, fingerprint: Fingerprint::default(), product }
    }

    /// Returns the order with this key, sent with this body.
    #[must_use]
    pub fn once(cluster: ClusterId, key: &str, body: &[u8], product: String) -> Self {
        Self { id: order_id(cluster, key), fingerprint: fingerprint(body), product }
    }

    /// Returns its record.
    #[must_use]
    pub fn record(&self, takes_ms: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let (id, product) = (self.id.into_bytes(), &self.product);
        record::Order { id, takes_ms, fingerprint: self.fingerprint, product }.push(&mut out);
        out
    }

    /// Returns the answer if there is an order with this id already: the same as before, unless it is still being done (409),
    /// or was another one (422).
    #[must_use]
    pub fn answer_to_repetition(&self, view: &View<'_>) -> Option<Response> {
        let applied = view.applied();
        let standing = applied.state::<ToysState>()?.order(self.id.as_bytes())?;
        Some(self.answer_beside(standing, rest_us(standing, &applied, view)))
    }

    fn answer_beside(&self, standing: &Order, rest_us: u64) -> Response {
        if standing.fingerprint != self.fingerprint {
            return html::error(
                422,
                "This Idempotency-Key was used for another body. Take a new key for a new order.",
            );
        }
        if rest_us == 0 {
            return self.accepted();
        }
        let rest_s = rest_us.div_ceil(1_000_000);
        html::error(409, "The order with this Idempotency-Key is still being done. Ask again later.")
            .with("Retry-After", rest_s.to_string())
            .with("Location", self.location())
    }

    fn accepted(&self) -> Response {
        let body = json!({"id": self.id.to_string(), "product": self.product});
        html::json(202, &body).with("Location", self.location())
    }

    fn location(&self) -> String {
        format!("/api/orders/{}", self.id)
    }
}

impl Resume for Taking {
    /// Answers by what applying gave: 1 if this order stands, 0 if one with its key was there before.
    fn resume(self: Box<Self>, view: &View<'_>, news: News) -> Action {
        let repetition = if news == News::Applied(1) { None } else { self.answer_to_repetition(view) };
        Action::Respond(repetition.unwrap_or_else(|| self.accepted()))
    }
}

/// Returns the request's idempotency key.
///
/// # Errors
/// Returns the answer 400 to an invalid field.
pub fn key_in(head: &Head<'_>) -> Result<Option<String>, Response> {
    idempotency::key_of(head).map_err(|error| match error {
        KeyError::Malformed => {
            html::error(400, "The Idempotency-Key must stand there once, as a string of printable ASCII.")
        }
        KeyError::Long => {
            html::error(400, &format!("The Idempotency-Key may have {TOYS_KEY_BYTES_MAX} characters."))
        }
    })
}

/// Answers `GET /api/orders/?order_id=`: whether it is done, in the original's words.
#[must_use]
pub fn state_of(id: Option<&str>, view: &View<'_>) -> Response {
    let applied = view.applied();
    let order = id.and_then(|id| find(applied.state::<ToysState>()?, id));
    let found =
        if order.is_some_and(|order| rest_us(order, &applied, view) == 0) { "('Success',)" } else { "None" };
    html::answer(200, format!("order \"{}\": {found}", escape(id.unwrap_or("None"))))
}

/// Answers `GET /api/orders/{id}`.
#[must_use]
pub fn show(id: &str, view: &View<'_>) -> Response {
    let applied = view.applied();
    let Some(order) = applied.state::<ToysState>().and_then(|shop| find(shop, id)) else {
        return html::not_found();
    };
    let state = if rest_us(order, &applied, view) == 0 { "Success" } else { "Processing" };
    let id = Uuid::try_parse(id).map(|id| id.to_string()).unwrap_or_default();
    html::json(200, &json!({"id": id, "product": &order.product, "state": state}))
}

/// Returns how long an order still takes, microseconds.
fn rest_us(order: &Order, applied: &Applied, view: &View<'_>) -> u64 {
    let Place { time_us, origin, seq } = order.place;
    let now = Now { wall_us: view.now_us, clock_us: view.clock_us };
    order.rest_us(applied.heals.time_us(origin, seq, time_us), now)
}

fn find<'a>(shop: &'a ToysState, id: &str) -> Option<&'a Order> {
    shop.order(Uuid::try_parse(id).ok()?.as_bytes())
}
