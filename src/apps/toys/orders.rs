//! Orders: made while the client waits, or taken to be done later, once for each idempotency key.

use std::io;

use serde_json::json;
use uuid::Uuid;

use crate::app::application::{Action, Resume, View};
use crate::app::lookup::{Found, Lookup};
use crate::app::wait::News;
use crate::apps::toys::limits::TOYS_KEY_BYTES_MAX;
use crate::base::ids::ClusterId;
use crate::http::request::Head;
use crate::http::response::Response;

use super::html::{self, escape};
use super::idempotency::{self, KeyError, fingerprint, order_id};
use super::item::Order;
use super::named::Look;
use super::old::{OldToys, unread};
use super::once::{self, Moment, Once};
use super::place::Place;
use super::record::{self, Fingerprint};
use super::state::ToysState;

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
    product: String,
    /// How long it takes, milliseconds.
    takes_ms: u32,
}

impl Taking {
    /// Returns an order that no other request can mean.
    #[must_use]
    pub fn new(id: Uuid, product: String, takes_ms: u32) -> Self {
        Self { id, fingerprint: Fingerprint::default(), product, takes_ms }
    }

    /// Returns the order with this key, sent with this body.
    #[must_use]
    pub fn once(cluster: ClusterId, key: &str, body: &[u8], product: String, takes_ms: u32) -> Self {
        Self { id: order_id(cluster, key), fingerprint: fingerprint(body), product, takes_ms }
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

impl Once for Taking {
    type Standing = Order;

    fn look(&self, shop: &ToysState) -> Look<Order> {
        shop.look_at_order(self.id.as_bytes())
    }

    fn find(&self, old: &OldToys) -> io::Result<Option<Order>> {
        old.order(self.id.as_bytes())
    }

    fn revived(standing: Order, shop: &ToysState) -> Order {
        shop.revived(standing)
    }

    /// Gives the same answer as before, unless the order that stands is still being done (409), or was another one (422). `own` is the
    /// time of the own record's batch, so it tells whether that stands itself.
    fn beside(&self, standing: &Order, own: Option<u64>, moment: &Moment<'_>) -> Response {
        if own == Some(standing.place.time_us) {
            return self.accepted();
        }
        self.answer_beside(standing, rest_us(standing, moment))
    }

    fn first(&self, _: u64) -> Response {
        self.accepted()
    }

    fn record(&self) -> (Vec<u8>, &str) {
        let mut out = Vec::new();
        let (id, product, fingerprint) = (self.id.into_bytes(), &*self.product, self.fingerprint);
        record::Order { id, takes_ms: self.takes_ms, fingerprint, product }.push(&mut out);
        (out, product)
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
pub fn state_of(id: Option<&str>, view: &View<'_>) -> Action {
    let asked = escape(id.unwrap_or("None")).into_owned();
    let tell = move |order: Option<(&Order, u64)>| {
        let is_done = order.is_some_and(|(_, rest_us)| rest_us == 0);
        html::answer(200, format!("order \"{asked}\": {}", if is_done { "('Success',)" } else { "None" }))
    };
    find(id.and_then(|id| Uuid::try_parse(id).ok()), Box::new(tell), view)
}

/// Answers `GET /api/orders/{id}`.
#[must_use]
pub fn show(id: &str, view: &View<'_>) -> Action {
    let id = Uuid::try_parse(id).ok();
    let tell = move |order: Option<(&Order, u64)>| {
        let Some((order, rest_us)) = order else { return html::not_found() };
        let state = if rest_us == 0 { "Success" } else { "Processing" };
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        html::json(200, &json!({"id": id, "product": &order.product, "state": state}))
    };
    find(id, Box::new(tell), view)
}

/// Tells of an order, and of how long it still takes, microseconds; of none where there is none.
type Tell = Box<dyn FnOnce(Option<(&Order, u64)>) -> Response + Send>;

/// Finds an order, wherever it is, and answers.
fn find(id: Option<Uuid>, tell: Tell, view: &View<'_>) -> Action {
    let applied = view.applied();
    let Some((shop, id)) = applied.state::<ToysState>().zip(id) else { return Action::Respond(tell(None)) };
    match shop.look_at_order(id.as_bytes()) {
        Look::Known(order) => {
            let moment = Moment { heals: &applied.heals, now: once::now(view) };
            Action::Respond(tell(Some((&order, rest_us(&order, &moment)))))
        }
        Look::Free => Action::Respond(tell(None)),
        Look::Doubt => {
            drop(applied);
            let applied = view.applied.clone();
            let settle = move || {
                let is_open = |shop: &ToysState| matches!(shop.look_at_order(id.as_bytes()), Look::Doubt);
                once::settle(&applied, is_open)?;
                Ok(Found::Go(Box::new(Finding { id, tell })))
            };
            Action::Job(Lookup::new(settle, unread))
        }
        Look::Old => {
            let old = OldToys::of(shop, &applied.heals);
            drop(applied);
            let (applied, now) = (view.applied.clone(), once::now(view));
            let read = move || {
                let Some(order) = old.order(id.as_bytes())? else { return Ok(Found::Answer(tell(None))) };
                let applied = applied.read();
                let shop = applied.state::<ToysState>().ok_or(io::ErrorKind::NotFound)?;
                let order = shop.revived(order);
                let rest_us = rest_us(&order, &Moment { heals: &applied.heals, now });
                Ok(Found::Answer(tell(Some((&order, rest_us)))))
            };
            Action::Job(Lookup::new(read, unread))
        }
    }
}

/// A question for an order that goes on when it is known which one stands.
struct Finding {
    id: Uuid,
    tell: Tell,
}

impl Resume for Finding {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        find(Some(self.id), self.tell, view)
    }
}

/// Returns how long an order in memory still takes, or one that was read, microseconds.
fn rest_us(order: &Order, moment: &Moment<'_>) -> u64 {
    let Place { time_us, origin, seq } = order.place;
    order.rest_us(moment.heals.time_us(origin, seq, time_us), moment.now)
}
