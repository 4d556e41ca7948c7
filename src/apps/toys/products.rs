//! Toys: added, listed, named, once for each idempotency key.

use std::io;

use serde_json::json;

use crate::app::application::{Action, Request, Resume, View};
use crate::app::applied_lock::AppliedLock;
use crate::app::lookup::{Found, Lookup};
use crate::app::wait::News;
use crate::apps::toys::limits::{TOYS_LIST_BYTES_MAX, TOYS_LIST_MAX};
use crate::http::accept;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::Response;

use super::asked::{ABSENT, parameter, room_for};
use super::body::{checked, is_form, text_in, text_in_form};
use super::claims::Claim;
use super::html::{self, escape};
use super::idempotency::{fingerprint, key_id};
use super::item::Product;
use super::named::Look;
use super::old::{OldToys, unread};
use super::once::{self, Moment, Once};
use super::orders;
use super::place::Place;
use super::record::{self, Fingerprint, KeyId, KeyedProduct};
use super::state::ToysState;

/// Returns whether `GET /api/products` means the list and adds nothing. The original has no list: who prefers JSON, or asks for a part of it,
/// means the list, unless a toy is named.
pub fn is_list(head: &Head<'_>) -> bool {
    let has = |name| parameter(head, name).is_some();
    let accepted: Vec<_> = head.values("accept").collect();
    let prefers_json =
        || accept::choose(accepted.iter().copied(), &["text/html", "application/json"]) == Some(1);
    !has("product") && (has("after") || has("limit") || prefers_json())
}

/// Answers `GET /api/products`: the list for those who prefer JSON or name a part of it, else a new toy. HEAD adds none.
///
/// # Errors
/// Returns the answer to what is refused.
pub fn products(head: &Head<'_>, view: &View<'_>) -> Result<Action, Response> {
    let name = parameter(head, "product");
    let page = page_of(head)?;
    if is_list(head) {
        return list(page, view);
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
    let limit = number("limit", TOYS_LIST_MAX as u64)?;
    Ok(ListPage { after, limit: limit.unwrap_or(TOYS_LIST_MAX as u64) })
}

/// Answers with a page of the list: at once if all of it is in memory, else by a job.
fn list(page: ListPage, view: &View<'_>) -> Result<Action, Response> {
    let applied = view.applied();
    let Some(shop) = applied.state::<ToysState>() else { return Err(html::not_found()) };
    if let Some(id) = page.after.filter(|id| shop.is_number_in_doubt(*id)) {
        drop(applied);
        return Ok(settle_number(id, Listing(page), view));
    }
    let old = OldToys::of(shop, &applied.heals);
    if page.after.is_none_or(|id| !old.may_have(id)) {
        if page.after.is_some_and(|id| shop.product(id).is_none()) {
            return Err(no_such_place());
        }
        let start = page.after.and_then(|id| shop.place(id));
        if !old.reach_behind(start) {
            let young = shop.products(start).map(|(_, product)| product);
            let shown = show(page.limit, shop.count(), &mut young.cloned().map(Ok));
            return shown.map(Action::Respond).map_err(|error| unread(&error));
        }
    }
    drop(applied);
    let applied = view.applied.clone();
    let find = move || Ok(Found::Answer(list_with_old(&applied, &page)?.unwrap_or_else(|response| response)));
    Ok(Action::Job(Lookup::new(find, unread)))
}

/// A question for a page of the list that goes on when it is known which toy its number means.
struct Listing(ListPage);

impl Resume for Listing {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        list(self.0, view).unwrap_or_else(Action::Respond)
    }
}

/// Has a request go on once it is known whether the toy with a number stands.
fn settle_number(id: u64, then: impl Resume + 'static, view: &View<'_>) -> Action {
    let applied = view.applied.clone();
    let find = move || {
        once::settle(&applied, |shop| shop.is_number_in_doubt(id))?;
        Ok(Found::Go(Box::new(then)))
    };
    Action::Job(Lookup::new(find, unread))
}

/// Makes a page of toys in memory and on the disk. Looks at the shop twice, and reads in between and afterwards.
fn list_with_old(applied: &AppliedLock, page: &ListPage) -> io::Result<Result<Response, Response>> {
    let look = |start: Option<Place>| {
        let applied = applied.read();
        let shop = applied.state::<ToysState>()?;
        let behind = shop.products(start).take(page.limit as usize + 1);
        let mut bytes = 0;
        let is_enough = |(_, product): &(&Place, &Product)| {
            let is_missing = bytes <= TOYS_LIST_BYTES_MAX;
            bytes += product.name.len();
            is_missing
        };
        let young: Vec<_> =
            behind.take_while(is_enough).map(|(at, product)| (*at, product.clone())).collect();
        let of_number = page.after.and_then(|id| shop.place(id).filter(|_| shop.product(id).is_some()));
        Some((young, of_number, OldToys::of(shop, &applied.heals), shop.count()))
    };
    let Some((mut young, of_number, mut old, mut count)) = look(None) else {
        return Ok(Err(html::not_found()));
    };
    let mut start = None;
    if let Some(id) = page.after {
        let found = old.numbered(id)?.map(|(place, _)| place);
        start = [found, of_number].into_iter().flatten().min();
        match look(start).filter(|_| start.is_some()) {
            Some(behind) => (young, _, old, count) = behind,
            None => return Ok(Err(no_such_place())),
        }
    }
    let mut row = old.behind(start, page.limit as usize + 1)?;
    let mut young = young.into_iter().peekable();
    let mut merged = std::iter::from_fn(|| match (row.peek(), young.peek()) {
        (Some(old), Some((place, _))) if *place < old => young.next().map(|(_, product)| Ok(product)),
        (Some(_), _) => row.step().transpose(),
        (None, _) => young.next().map(|(_, product)| Ok(product)),
    });
    show(page.limit, count, &mut merged).map(Ok)
}

/// Makes the answer of the toys behind a place, of which there are `count` in all.
fn show(
    limit: u64,
    count: usize,
    toys: &mut dyn Iterator<Item = io::Result<Product>>,
) -> io::Result<Response> {
    let (mut found, mut bytes, mut last, mut next) = (Vec::new(), 0, None, None);
    for product in toys {
        let Product { id, name } = product?;
        if found.len() as u64 >= limit || (bytes > 0 && bytes + name.len() > TOYS_LIST_BYTES_MAX) {
            next = last;
            break;
        }
        bytes += name.len();
        last = Some(id);
        found.push(json!({"id": id, "name": name}));
    }
    let list = json!({"total": count, "products": found, "next": next});
    Ok(html::json(200, &list).with("Vary", "Accept"))
}

fn no_such_place() -> Response {
    html::error(404, "There is no toy with the number that the parameter after names.")
}

/// Answers `GET /api/products/{id}`.
#[must_use]
pub fn product(id: Option<u64>, view: &View<'_>) -> Action {
    let applied = view.applied();
    let Some((shop, id)) = applied.state::<ToysState>().zip(id) else {
        return Action::Respond(html::not_found());
    };
    if shop.is_number_in_doubt(id) {
        drop(applied);
        return settle_number(id, Naming(id), view);
    }
    let named = |product: Option<Product>| {
        product.map_or_else(html::not_found, |product| html::answer(200, escape(&product.name).into_owned()))
    };
    let (young, place) = (shop.product(id).cloned(), shop.place(id));
    let old = OldToys::of(shop, &applied.heals);
    drop(applied);
    if !old.may_have(id) {
        return Action::Respond(named(young));
    }
    let find = move || {
        // Two hosts may have given one number while they had no peer: the earlier one is meant.
        let earlier = old.numbered(id)?.filter(|(at, _)| place.is_none_or(|place| *at < place));
        Ok(Found::Answer(named(earlier.map(|(_, product)| product).or(young))))
    };
    Action::Job(Lookup::new(find, unread))
}

/// A question for a toy that goes on when it is known whether that stands.
struct Naming(u64);

impl Resume for Naming {
    fn resume(self: Box<Self>, view: &View<'_>, _: News) -> Action {
        product(Some(self.0), view)
    }
}

/// Answers `POST /api/products`, as JSON or as a form; an empty name adds no toy, as with GET.
///
/// # Errors
/// Returns the answer to what is refused.
pub fn post(request: &Request<'_>, view: &View<'_>) -> Result<Action, Response> {
    let (head, body) = (request.head, request.body);
    let key = orders::key_in(head)?;
    let content_type = head.header_text("content-type");
    let is_form = content_type.is_some_and(is_form);
    let name = if is_form { text_in_form(body, &NAMES)? } else { text_in(content_type, body, &NAMES)? };
    if name.is_empty() {
        return Err(html::error(422, "A toy must have a name; nothing was stored."));
    }
    let Some(key) = key else {
        room_for(&name, view)?;
        let mut record = Vec::new();
        record::Product { id: 0, name: &name }.push(&mut record);
        return Ok(Action::Command { record, then: Box::new(Adding { name, is_form }) });
    };
    let (key, fingerprint) = (key_id(view.cluster, &key), fingerprint(body));
    Ok(once::send(AddingOnce { adding: Adding { name, is_form }, key, fingerprint }, view))
}

/// The members under which a body names the toy.
const NAMES: [&str; 2] = ["name", "product"];

/// A toy that gets its number when it is logged.
struct Adding {
    name: String,
    /// It came from a form, so a browser shows the answer.
    is_form: bool,
}

impl Adding {
    fn created(&self, id: u64) -> Response {
        let location = format!("/api/products/{id}");
        if self.is_form {
            return html::answer(303, "").with("Location", location);
        }
        html::json(201, &json!({"id": id, "name": self.name})).with("Location", location)
    }
}

impl Resume for Adding {
    fn resume(self: Box<Self>, _view: &View<'_>, news: News) -> Action {
        let News::Applied(id) = news else { unreachable!("a command goes on when it is applied") };
        Action::Respond(self.created(id))
    }
}

/// The toy with this key, sent with this body: it is added once, on whichever host.
struct AddingOnce {
    adding: Adding,
    key: KeyId,
    fingerprint: Fingerprint,
}

impl Once for AddingOnce {
    type Standing = Claim;

    fn look(&self, shop: &ToysState) -> Look<Claim> {
        shop.look_at_key(&self.key)
    }

    fn find(&self, old: &OldToys) -> io::Result<Option<Claim>> {
        old.claim(&self.key)
    }

    /// Gives the same answer as before, unless it was another toy (422).
    fn beside(&self, standing: &Claim, _: Option<u64>, _: &Moment<'_>) -> Response {
        if standing.fingerprint == self.fingerprint {
            return self.adding.created(standing.id);
        }
        html::error(422, "This Idempotency-Key was used for another body. Take a new key for a new toy.")
    }

    fn first(&self, own: u64) -> Response {
        self.adding.created(own)
    }

    fn record(&self) -> (Vec<u8>, &str) {
        let mut record = Vec::new();
        let product = record::Product { id: 0, name: &self.adding.name };
        KeyedProduct { product, key: self.key, fingerprint: self.fingerprint }.push(&mut record);
        (record, &self.adding.name)
    }
}
