//! The shop's routes and what they do.

use std::sync::{Arc, LazyLock};

use uuid::{Builder, Uuid};

use crate::app::application::{Action, App, Body, Request, Route, View, Wait};
use crate::app::background::Background;
use crate::app::form_page::FormPage;
use crate::app::id;
use crate::app::openapi;
use crate::app::router::HOME_PATH;
use crate::app::state::State;
use crate::app::trimming::Trimmer;
use crate::apps::toys::limits::TOYS_BODY_BYTES_MAX;
use crate::apps::toys::tag;
use crate::http::method::Method;
use crate::http::query;
use crate::http::request::Head;
use crate::http::response::Response;

use super::asked::{ABSENT, parameter, room_for};
use super::body::{checked, text_in};
use super::html;
use super::orders::{Making, Taking};
use super::settings::ToysSettings;
use super::slow::Slow;
use super::state::ToysState;
use super::{once, orders, page, products};

/// The application.
pub struct ToysApp {
    settings: ToysSettings,
    slow: Arc<Slow>,
    trimmer: Arc<Trimmer<ToysState>>,
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

/// What is shown where a toy of a form is refused.
static NOT_ADDED: LazyLock<FormPage> = LazyLock::new(|| FormPage {
    title: "Not added",
    style: page::style(),
    way_back: "<a href=\"/toys\">the shop</a>",
});

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
        get(HOME_PATH, ROOT, "The toy shop's page, where it is the root", openapi::FILE).open(),
        get("/toys", PAGE, "The toy shop's page", openapi::FILE).open(),
        get("/api/ping", PING, "Says ping", ""),
        get("/api/misc/time", TIME, "Tells the time", ""),
        Route {
            waits: true,
            ..get(
                "/api/misc/heavy",
                HEAVY,
                "Takes its time, once for each name",
                include_str!("openapi/heavy.json"),
            )
        },
        Route {
            reads: products::is_list,
            ..writing(get(
                "/api/products",
                PRODUCTS,
                "Adds a toy, or lists them as JSON",
                include_str!("openapi/products.json"),
            ))
        },
        get("/api/products/last", LAST, "Tells how many toys there are, and the last one", ""),
        get("/api/products/{id}", PRODUCT, "Names a toy", include_str!("openapi/product.json")),
        Route {
            form: Some(&NOT_ADDED),
            ..post("/api/products", POST_PRODUCT, "Adds a toy", include_str!("openapi/post_product.json"))
        },
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
    /// Returns a shop whose slow calls take as long as `settings` say.
    #[must_use]
    pub fn new(settings: ToysSettings) -> Self {
        let trimmer = Arc::new(Trimmer::new("toys", tag::TOYS_CUT, settings.keep));
        Self { settings, slow: Arc::default(), trimmer }
    }
}

impl App for ToysApp {
    fn name(&self) -> &'static str {
        "toys"
    }

    fn id(&self) -> u8 {
        tag::APP
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
            PRODUCTS => products::products(head, view).unwrap_or_else(Action::Respond),
            PRODUCT => products::product(id::of_segment(request.captures.segments[0]), view),
            POST_PRODUCT => products::post(request, view).unwrap_or_else(Action::Respond),
            DO => order_now(head, view, self.settings.order_ms).unwrap_or_else(Action::Respond),
            ORDER_STATE => orders::state_of(parameter(head, "order_id").as_deref(), view),
            ORDERS => Action::Respond(html::moved(&query::location("/api/orders/", head.query))),
            POST_ORDER => post_order(request, view, self.settings.order_ms).unwrap_or_else(Action::Respond),
            ORDER => orders::show(&query::decode_path(request.captures.segments[0]), view),
            PAGE | ROOT => Action::Respond(page::page(head)),
            _ => Action::Respond(page::file(endpoint, head).unwrap_or_else(html::not_found)),
        }
    }

    fn card(&self) -> &'static str {
        include_str!("card.html")
    }

    fn backgrounds(&self) -> Vec<Arc<dyn Background>> {
        vec![self.trimmer.clone()]
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(ToysState::default()))
    }

    fn not_found(&self) -> Response {
        html::not_found()
    }

    fn is_for_every_site(&self) -> bool {
        true
    }

    fn refusal(&self, status: u16, sentence: &str) -> Response {
        html::error(status, &html::escape(sentence))
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

/// Answers `GET /api/orders/do`: the order is logged when it is done, so that no answer means no order. HEAD orders nothing.
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

/// Answers `POST /api/orders`: the order is logged at once and done after its time.
fn post_order(request: &Request<'_>, view: &View<'_>, order_ms: u64) -> Result<Action, Response> {
    let head = request.head;
    let key = orders::key_in(head)?;
    let product = text_in(head.header_text("content-type"), request.body, &["product", "order"])?;
    // Configured to fit.
    let takes_ms = u32::try_from(order_ms).unwrap_or(u32::MAX);
    let taking = match key {
        Some(key) => Taking::once(view.cluster, &key, request.body, product, takes_ms),
        None => Taking::new(new_id(view), product, takes_ms),
    };
    Ok(once::send(taking, view))
}
