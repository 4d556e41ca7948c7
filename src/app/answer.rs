//! Answers that several applications give.

use crate::http::response::Response;

/// Content-Type of JSON.
pub const JSON: &str = "application/json";

/// Returns an answer in JSON.
#[must_use]
pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response::new(status, JSON, body)
}

/// Returns an error in FastAPI's form, with one sentence: `{"detail":"..."}`.
#[must_use]
pub fn detail(status: u16, sentence: &str) -> Response {
    json(status, serde_json::json!({ "detail": sentence }).to_string())
}
