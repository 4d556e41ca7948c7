//! Text of the shop's answers: escaping, times, and errors as the original writes them.

use std::borrow::Cow;

use crate::http::date::Civil;
use crate::http::response::Response;
use crate::http::status;

const HTML: &str = "text/html; charset=utf-8";

/// Returns `text` with the five characters replaced that mean something in HTML; all others stay, the zero byte too.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 32);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// Returns a time as the original writes it, in UTC: `2025-01-01 12:00:00.123456`.
#[must_use]
pub fn time(unix_us: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(unix_us / 1_000_000);
    let micros = unix_us % 1_000_000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// Returns an answer in HTML.
#[must_use]
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    with_fields(Response::new(status, HTML, body))
}

/// Returns an answer in JSON.
#[must_use]
pub fn json(status: u16, value: &serde_json::Value) -> Response {
    with_fields(Response::new(status, crate::app::answer::JSON, value.to_string()))
}

/// Returns an error, with a sentence that may hold markup.
#[must_use]
pub fn error(status: u16, sentence: &str) -> Response {
    let phrase = status::phrase(status);
    answer(
        status,
        format!(
            "<!doctype html>\n<html lang=en>\n<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n<p>{sentence}</p>\n"
        ),
    )
}

/// Returns the answer to an unknown path or thing.
#[must_use]
pub fn not_found() -> Response {
    error(
        404,
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling \
         and try again.",
    )
}

/// Returns the answer to a method that the path does not have.
#[must_use]
pub fn method_not_allowed() -> Response {
    error(405, "The method is not allowed for the requested URL.")
}

/// Returns the answer to OPTIONS, which is a browser's question before it sends what a form could not (Fetch, section 3.3).
#[must_use]
pub fn preflight(allow: &str) -> Response {
    Response::new(204, "", "")
        .with("Allow", allow)
        .with("Access-Control-Allow-Origin", "*")
        .with("Access-Control-Allow-Methods", allow)
        .with("Access-Control-Allow-Headers", "Content-Type, Durability, Idempotency-Key")
        .with("Access-Control-Max-Age", "600")
}

/// Returns the answer that sends a client for good to another path of this host.
#[must_use]
pub fn moved(location: &str) -> Response {
    let shown = escape(location);
    let body = format!(
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be \
         redirected automatically to the target URL: <a href=\"{shown}\">{shown}</a>. If not, click the link.\n"
    );
    answer(308, body).with("Location", location)
}

fn with_fields(response: Response) -> Response {
    response.with("Access-Control-Allow-Origin", "*").with("X-Content-Type-Options", "nosniff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape("<b a='1'>\"&\"</b>"), "&lt;b a=&#39;1&#39;&gt;&#34;&amp;&#34;&lt;/b&gt;");
        assert!(matches!(escape("Joli train 🚂\0"), Cow::Borrowed("Joli train 🚂\0")));
    }

    #[test]
    fn times_have_six_decimals() {
        assert_eq!(time(1_735_732_800_123_456), "2025-01-01 12:00:00.123456");
        assert_eq!(time(0), "1970-01-01 00:00:00.000000");
    }

    #[test]
    fn errors_are_pages() {
        let response = error(409, "Why &amp; how.");
        assert_eq!((response.status, response.content_type), (409, HTML));
        assert_eq!(
            std::str::from_utf8(&response.body).unwrap(),
            "<!doctype html>\n<html lang=en>\n<title>409 Conflict</title>\n<h1>Conflict</h1>\n<p>Why &amp; how.</p>\n"
        );
        let body = moved("/api/orders/?a=<").body.to_vec();
        assert!(String::from_utf8(body).unwrap().contains("<a href=\"/api/orders/?a=&lt;\">"));
    }
}
