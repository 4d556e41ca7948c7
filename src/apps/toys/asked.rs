//! What a request asks for, and whether there is room for it.

use crate::app::application::View;
use crate::http::query;
use crate::http::request::Head;
use crate::http::response::Response;

use super::html;
use super::state::ToysState;

/// What is said of an absent parameter, as the original does.
pub const ABSENT: &str = "None";

/// Returns a parameter of the query. One that stands there twice counts as it came first, as in the original.
#[must_use]
pub fn parameter(head: &Head<'_>, name: &str) -> Option<String> {
    query::first_parameter(head.query?, name).map(String::from)
}

/// Refuses what there is no room for. Requests that are under way at the same time may go over the bound together.
///
/// # Errors
/// Returns the answer to it: 507.
pub fn room_for(text: &str, view: &View<'_>) -> Result<(), Response> {
    if view.applied().state::<ToysState>().is_some_and(|shop| shop.has_room_for(text.len())) {
        return Ok(());
    }
    Err(html::error(507, "The shop is full: it takes no more toys and orders, and nothing was stored."))
}
