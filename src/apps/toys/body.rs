//! The bodies that name a toy: JSON, and forms.

use serde_json::Value;

use crate::apps::toys::limits::TOYS_NAME_BYTES_MAX;
use crate::http::query;
use crate::http::response::Response;

use super::html;

/// Returns the text that a body gives under one of `members`; the first one that is there counts, all others are passed over.
///
/// # Errors
/// Returns the answer to a body that gives none: 415, 400 or 422.
pub fn text_in(content_type: Option<&str>, body: &[u8], members: &[&str]) -> Result<String, Response> {
    if !content_type.is_some_and(is_json) {
        return Err(html::error(415, "Send the body as application/json."));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| html::error(400, &html::escape(&format!("The body is no JSON: {error}."))))?;
    let needed = members.iter().map(|member| format!("\"{member}\"")).collect::<Vec<_>>().join(" or ");
    match members.iter().find_map(|member| value.get(member)) {
        Some(Value::String(text)) => checked(text.as_str()).map(str::to_owned),
        Some(_) => Err(html::error(422, &format!("The member {needed} must be a string."))),
        None => Err(html::error(422, &format!("The body must be an object with the member {needed}."))),
    }
}

/// Returns the text that a form gives under one of `members`, as a query would.
///
/// # Errors
/// Returns the answer to a form that gives none: 400 or 422.
pub fn text_in_form(body: &[u8], members: &[&str]) -> Result<String, Response> {
    let form = std::str::from_utf8(body).map_err(|_| html::error(400, "The form is no text."))?;
    match members.iter().find_map(|member| query::first_parameter(form, member)) {
        Some(text) => checked(&text).map(str::to_owned),
        None => Err(html::error(422, &format!("The form must have a field {}.", members.join(" or ")))),
    }
}

/// Returns whether a body is a form in a query's coding.
#[must_use]
pub fn is_form(content_type: &str) -> bool {
    media_type(content_type) == "application/x-www-form-urlencoded"
}

/// Returns the text, if it is not too long.
///
/// # Errors
/// Returns the answer to a text that is: 422.
pub fn checked(text: &str) -> Result<&str, Response> {
    if text.len() <= TOYS_NAME_BYTES_MAX {
        return Ok(text);
    }
    let sentence =
        format!("A name may have {TOYS_NAME_BYTES_MAX} bytes in UTF-8, this one has {}.", text.len());
    Err(html::error(422, &sentence))
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(content_type: &str) -> bool {
    let media_type = media_type(content_type);
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(content_type: Option<&str>, body: &[u8]) -> Result<String, u16> {
        text_in(content_type, body, &["name", "product"]).map_err(|response| response.status)
    }

    #[test]
    fn texts_of_any_kind_are_taken() {
        let json = Some("application/json; charset=utf-8");
        assert_eq!(
            status(json, br#"{"product":"a","name":"\"<\u0000\ud83d\ude82"}"#),
            Ok("\"<\0🚂".to_owned())
        );
        assert_eq!(status(Some("application/vnd.shop+JSON"), br#"{"product":""}"#), Ok(String::new()));
        let longest = "x".repeat(TOYS_NAME_BYTES_MAX);
        assert_eq!(status(json, format!("{{\"name\":\"{longest}\"}}").as_bytes()), Ok(longest.clone()));
        assert_eq!(status(json, format!("{{\"name\":\"{longest}x\"}}").as_bytes()), Err(422));
    }

    #[test]
    fn forms_are_read_as_queries_are() {
        let text = |body: &[u8]| text_in_form(body, &["name", "product"]).map_err(|response| response.status);
        assert_eq!(text(b"product=a&name=K%C3%A9+1&name=b"), Ok("K\u{e9} 1".to_owned()));
        assert_eq!((text(b"product="), text(b"other=1"), text(b"")), (Ok(String::new()), Err(422), Err(422)));
        assert_eq!(text(b"name=\xff"), Err(400));
        let long = format!("name={}", "x".repeat(TOYS_NAME_BYTES_MAX + 1));
        assert_eq!(text(long.as_bytes()), Err(422));
        assert!(is_form("Application/x-www-form-urlencoded; charset=UTF-8") && !is_form("text/plain"));
    }

    #[test]
    fn what_gives_no_text_is_refused() {
        let json = Some("application/json");
        for body in [&b"{}"[..], b"[]", b"null", b"\"name\"", br#"{"name":1}"#, br#"{"name":null}"#] {
            assert_eq!(status(json, body), Err(422), "{}", String::from_utf8_lossy(body));
        }
        for body in [&b""[..], b"{", b"{\"name\":\"\xff\"}", br#"{"name":"\ud83d"}"#, br#"{"name":"a"} x"#] {
            assert_eq!(status(json, body), Err(400), "{}", String::from_utf8_lossy(body));
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            assert_eq!(status(content_type, br#"{"name":"a"}"#), Err(415));
        }
    }
}
