//! The shop's routes and what they do.

use std::sync::LazyLock;

use serde_json::json;
use uuid::{Builder, Uuid};

use crate::apps::app::{Action, App, Body, Request, Resume, Route, View, Wait};
use crate::apps::id;
use crate::apps::openapi;
use crate::apps::router::HOME_PATH;
use crate::apps::state::State;
use crate::apps::wait::News;
use crate::base::limits::{TOYS_BODY_BYTES_MAX, TOYS_LIST_BYTES_MAX, TOYS_LIST_MAX};
use crate::base::tag;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::{accept, query};

use super::body::{checked, text_in};
use super::html::{self, escape};
use super::orders::{Making, Taking};
use super::settings::ToysSettings;
use super::slow::Slow;
use super::state::ToysState;
use super::{orders, page, record};

/// The application.
#[derive(Debug)]
pub struct ToysApp {
    settings: ToysSettings,
    slow: Slow,
}

const PING: u8 = 0;
const TIME: u8 = 1;
const HEAVY: u8 = 2;
const PRODUCTS: u8 = 3;
const LAST: u8 = 4;
const PRODUCT: u8 = 5;
const POST_PRODUCT: u8 = 6;
const DO: u8 = 7;
const ORDER_STATE: u8 = 8;
const ORDERS: u8 = 9;
const POST_ORDER: u8 = 10;
const ORDER: u8 = 11;
const PAGE: u8 = 12;
const ROOT: u8 = 13;

/// What is said of an absent parameter, as the original does.
const ABSENT: &str = "None";

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let get = |path, endpoint, summary, operation| Route {
        operation,
        ..Route::new(Method::Get, path, endpoint, summary)
    };
    let writing = |route| Route { writes: true, ..route };
    let post = |path, endpoint, summary, operation| Route {
        body: Body::Whole(|_| TOYS_BODY_BYTES_MAX),
        operation,
        ..Route::new(Method::Post, path, endpoint, summary)
    };
    let own = [
        get(HOME_PATH, ROOT, "The toy shop's page, where it is the root", openapi::FILE),
        get("/toys", PAGE, "The toy shop's page", openapi::FILE),
        get("/api/ping", PING, "Says ping", ""),
        get("/api/misc/time", TIME, "Tells the time", ""),
        get(
            "/api/misc/heavy",
            HEAVY,
            "Takes its time, once for each name",
            include_str!("openapi/heavy.json"),
        ),
        writing(get(
            "/api/products",
            PRODUCTS,
            "Adds a toy, or lists them as JSON",
            include_str!("openapi/products.json"),
        )),
        get("/api/products/last", LAST, "Tells how many toys there are, and the last one", ""),
        get("/api/products/{id}", PRODUCT, "Names a toy", include_str!("openapi/product.json")),
        post("/api/products", POST_PRODUCT, "Adds a toy", include_str!("openapi/post_product.json")),
        writing(get("/api/orders/do", DO, "Orders a toy and waits for it", include_str!("openapi/do.json"))),
        get(
            "/api/orders/",
            ORDER_STATE,
            "Tells whether an order is done",
            include_str!("openapi/order_state.json"),
        ),
        get(
            "/api/orders",
            ORDERS,
            "Leads to /api/orders/",
            r#"{"responses":{"308":{"description":"There"}}}"#,
        ),
        post(
            "/api/orders",
            POST_ORDER,
            "Orders a toy, once for each key",
            include_str!("openapi/post_order.json"),
        ),
        get("/api/orders/{id}", ORDER, "Shows an order", include_str!("openapi/order.json")),
    ];
    own.into_iter().chain(page::routes()).collect()
});

impl ToysApp {
    /// A shop whose slow calls take as long as `settings` say.
    #[must_use]
    pub fn new(settings: ToysSettings) -> Self {
        Self { settings, slow: Slow::default() }
    }
}

impl App for ToysApp {
    fn name(&self) -> &'static str {
        "toys"
    }

    fn id(&self) -> u8 {
        tag::app::TOYS
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        let head = request.head;
        match endpoint {
            PING => Action::Respond(html::answer(200, "ping")),
            TIME => Action::Respond(html::answer(200, format!("misc: {}", html::time(view.now_us)))),
            HEAVY => {
                let name = parameter(head, "name").unwrap_or_else(|| ABSENT.to_owned());
                self.slow.heavy(&name, self.settings.heavy_ms, view)
            }
            LAST => self.slow.last(self.settings.db_ms, view),
            PRODUCTS => products(head, view).unwrap_or_else(Action::Respond),
            PRODUCT => Action::Respond(product(id::of_segment(request.captures.segments[0]), view)),
            POST_PRODUCT => post_product(request, view).unwrap_or_else(Action::Respond),
            DO => order_now(head, view, self.settings.order_ms).unwrap_or_else(Action::Respond),
            ORDER_STATE => Action::Respond(orders::state_of(parameter(head, "order_id").as_deref(), view)),
            ORDERS => Action::Respond(html::moved(&query::location("/api/orders/", head.query))),
            POST_ORDER => post_order(request, view, self.settings.order_ms).unwrap_or_else(Action::Respond),
            ORDER => Action::Respond(orders::show(&query::decode_path(request.captures.segments[0]), view)),
            PAGE | ROOT => Action::Respond(page::page(head)),
            _ => Action::Respond(page::file(endpoint, head).unwrap_or_else(html::not_found)),
        }
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(ToysState::default()))
    }

    fn not_found(&self) -> Response {
        html::not_found()
    }

    fn method_not_allowed(&self) -> Response {
        html::method_not_allowed()
    }

    fn options(&self, allow: &str) -> Response {
        html::preflight(allow)
    }

    fn too_large(&self, _endpoint: u8, most: usize) -> Response {
        html::error(413, &format!("The body may have {most} bytes, this one has more; nothing was stored."))
    }
}

fn parameter(head: &Head<'_>, name: &str) -> Option<String> {
    query::parameter(head.query?, name).map(String::from)
}

/// Refuses what there is no room for. Requests that are under way at the same time may go over the bound together.
fn room_for(text: &str, view: &View<'_>) -> Result<(), Response> {
    if view.applied().state::<ToysState>().is_some_and(|shop| shop.has_room_for(text.len())) {
        return Ok(());
    }
    Err(html::error(507, "The shop is full: it takes no more toys and orders, and nothing was stored."))
}

/// `GET /api/products`: the list for those who prefer JSON, else a new toy. HEAD adds none.
fn products(head: &Head<'_>, view: &View<'_>) -> Result<Action, Response> {
    let name = parameter(head, "product");
    let page = page_of(head)?;
    let accepted: Vec<_> = head.values("accept").collect();
    let choice = accept::choose(accepted.iter().copied(), &["text/html", "application/json"]);
    if name.is_none() && choice == Some(1) {
        return Ok(Action::Respond(list(page, view)?.with("Vary", "Accept")));
    }
    if name.as_deref() == Some("") {
        return Ok(Action::Respond(html::answer(200, "none")));
    }
    let name = name.unwrap_or_else(|| ABSENT.to_owned());
    let response = html::answer(200, escape(checked(&name)?).into_owned()).with("Vary", "Accept");
    if head.method == Method::Head {
        return Ok(Action::Respond(response));
    }
    room_for(&name, view)?;
    let mut records = Vec::new();
    record::Product { id: 0, name: &name }.push(&mut records);
    Ok(Action::Append { records, response })
}

/// Which page of the list is asked for: from behind the toy `after` on, at most `limit`.
struct ListPage {
    after: Option<u64>,
    limit: u64,
}

/// Looks at the parameters of the list, also where a toy is added: a client that sends a wrong one did not mean that.
fn page_of(head: &Head<'_>) -> Result<ListPage, Response> {
    let number = |name: &str, most: u64| match parameter(head, name) {
        None => Ok(None),
        Some(text) => match text.parse().ok().filter(|number| (1..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                Err(html::error(422, &format!("The parameter {name} must be a number from 1 to {most}.")))
            }
        },
    };
    let after = number("after", u64::MAX)?;
    let limit = number("limit", TOYS_LIST_MAX as u64)?.unwrap_or(TOYS_LIST_MAX as u64);
    Ok(ListPage { after, limit })
}

fn list(ListPage { after, limit }: ListPage, view: &View<'_>) -> Result<Response, Response> {
    let applied = view.applied();
    let Some(shop) = applied.state::<ToysState>() else { return Err(html::not_found()) };
    if after.is_some_and(|id| shop.product(id).is_none()) {
        return Err(html::error(404, "There is no toy with the number that the parameter after names."));
    }
    let mut rest = shop.products(after).peekable();
    let (mut found, mut bytes, mut last) = (Vec::new(), 0, None);
    while let Some(product) = rest.peek()
        && (found.len() as u64) < limit
        && (bytes == 0 || bytes + product.name.len() <= TOYS_LIST_BYTES_MAX)
    {
        bytes += product.name.len();
        last = Some(product.id);
        found.push(json!({"id": product.id, "name": &product.name}));
        rest.next();
    }
    let next = last.filter(|_| rest.peek().is_some());
    let total = shop.count();
    Ok(html::json(200, &json!({"total": total, "products": found, "next": next})))
}

/// `GET /api/products/{id}`.
fn product(id: Option<u64>, view: &View<'_>) -> Response {
    let applied = view.applied();
    let found = id.and_then(|id| applied.state::<ToysState>()?.product(id));
    found.map_or_else(html::not_found, |product| html::answer(200, escape(&product.name).into_owned()))
}

/// `POST /api/products`.
fn post_product(request: &Request<'_>, view: &View<'_>) -> Result<Action, Response> {
    let name = text_in(request.head.header_text("content-type"), request.body, &["name", "product"])?;
    room_for(&name, view)?;
    let mut record = Vec::new();
    record::Product { id: 0, name: &name }.push(&mut record);
    Ok(Action::Command { record, then: Box::new(Adding { name }) })
}

/// A toy that gets its number when it is logged.
struct Adding {
    name: String,
}

impl Resume for Adding {
    fn resume(self: Box<Self>, _view: &View<'_>, news: News) -> Action {
        let News::Applied(id) = news else { unreachable!("a command goes on when it is applied") };
        let response = html::json(201, &json!({"id": id, "name": self.name}));
        Action::Respond(response.with("Location", format!("/api/products/{id}")))
    }
}

/// `GET /api/orders/do`: the order is logged when it is done, so that no answer means no order. HEAD orders nothing.
fn order_now(head: &Head<'_>, view: &View<'_>, order_ms: u64) -> Result<Action, Response> {
    let product = parameter(head, "order").unwrap_or_else(|| ABSENT.to_owned());
    checked(&product)?;
    let making = Making { id: new_id(view), product };
    if head.method == Method::Head {
        return Ok(Action::Respond(making.response()));
    }
    room_for(&making.product, view)?;
    if order_ms == 0 {
        return Ok(making.append());
    }
    let until_us = Some(view.clock_us + order_ms * 1_000);
    Ok(Action::Wait(Wait { until_us, then: Box::new(making) }))
}

fn new_id(view: &View<'_>) -> Uuid {
    Builder::from_random_bytes((view.random)()).into_uuid()
}

/// `POST /api/orders`: logged at once, done after its time.
fn post_order(request: &Request<'_>, view: &View<'_>, order_ms: u64) -> Result<Action, Response> {
    let head = request.head;
    let key = orders::key_in(head)?;
    let product = text_in(head.header_text("content-type"), request.body, &["product", "order"])?;
    let taking = match key {
        Some(key) => Taking::once(view.cluster, &key, request.body, product),
        None => Taking::new(new_id(view), product),
    };
    if let Some(answer) = taking.answer_to_repetition(view) {
        return Ok(Action::Respond(answer));
    }
    room_for(&taking.product, view)?;
    // Configured to fit.
    let takes_ms = u32::try_from(order_ms).unwrap_or(u32::MAX);
    Ok(Action::Command { record: taking.record(takes_ms), then: Box::new(taking) })
}
