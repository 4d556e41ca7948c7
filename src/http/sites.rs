//! Which site a browser's page is of that sends a request: pages of other sites may neither change anything here nor see answers,
//! unless their origin is named.

use super::method::Method;
use super::request::Head;
use super::response::Response;

/// Returns whether a browser sends this request for a page of another site. Programs say nothing of sites, and are not meant.
///
/// Browsers that are asked by https, or on this machine, say it in `Sec-Fetch-Site` (W3C Fetch Metadata); others send the page's
/// `Origin` with what may change something (WHATWG Fetch, section 3.2), which is compared with `Host`.
#[must_use]
pub fn is_elsewhere(head: &Head<'_>) -> bool {
    if let Some(site) = head.header("sec-fetch-site") {
        return !matches!(site, b"same-origin" | b"none");
    }
    let Some(origin) = head.header_text("origin") else { return head.header("origin").is_some() };
    let host = head.host().unwrap_or_default();
    // `null` is the origin of a page that has none, such as a file.
    let named = origin.split_once("://").map_or("", |(_, named)| named);
    named.is_empty() || !named.eq_ignore_ascii_case(host)
}

/// Says which pages may see an answer.
pub const ALLOWED_ORIGIN: &str = "Access-Control-Allow-Origin";
const METHODS: &str = "Access-Control-Allow-Methods";
const FIELDS: &str = "Access-Control-Allow-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";

/// Fields of answers that pages may read beside those that every page may (WHATWG Fetch, section 3.3.3).
const EXPOSED: &str = "Content-Range, Durability, ETag, Last-Event-ID, Location, Pixeld-Behind, Pixeld-Bounds, Pixeld-Cursor, \
                       Pixeld-Drawn, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate";

/// Seconds that a browser may keep the answer to its question.
const MAX_AGE_S: &str = "600";

/// Returns the answer to OPTIONS with what a browser asks before it sends something for a page whose origin is allowed (WHATWG
/// Fetch, section 3.3); that to anything else as it is.
#[must_use]
pub fn preflight(response: Response, head: &Head<'_>, is_allowed: bool) -> Response {
    let allow = response.headers.iter().find(|(name, _)| *name == "Allow").map(|(_, allow)| allow.clone());
    match allow {
        Some(allow) if is_allowed && head.method == Method::Options => without_permissions(response)
            .with(METHODS, allow)
            .with(FIELDS, "Authorization, Content-Type, Durability, Idempotency-Key")
            .with(MAX_AGE, MAX_AGE_S),
        _ => response,
    }
}

/// Takes away what an application permits to every page: one whose origin is named may do more, and a field that stands twice permits
/// nothing.
fn without_permissions(mut response: Response) -> Response {
    response.headers.retain(|(name, _)| ![METHODS, FIELDS, MAX_AGE].contains(name));
    response
}

/// Appends to an answer's fields that a page of this origin may see it, unless they say already who may.
pub fn show_to(origin: &str, headers: &mut Vec<(&'static str, String)>) {
    if headers.iter().any(|(name, _)| *name == ALLOWED_ORIGIN) {
        return;
    }
    headers.push((ALLOWED_ORIGIN, origin.to_owned()));
    headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
    vary_by_origin(headers);
}

/// Appends to an answer's fields that a page of another origin may get other ones, for caches that keep it: also to an answer that shows
/// nothing to pages (WHATWG Fetch, section 3.3.5). Not to one that every page may see.
pub fn vary_by_origin(headers: &mut Vec<(&'static str, String)>) {
    let is_for_all = |(name, value): &(&str, String)| *name == ALLOWED_ORIGIN && value == "*";
    if !headers.iter().any(is_for_all) {
        headers.push(("Vary", "Origin".to_owned()));
    }
}

/// Returns the name by which the client asked, without its port.
#[must_use]
pub fn host_name<'h>(head: &Head<'h>) -> &'h str {
    let host = head.host().unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    fn with<T>(fields: &str, look: impl Fn(&Head<'_>) -> T) -> T {
        let text = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let mut slots = HeaderSlots::new();
        look(&parse_head(text.as_bytes(), &mut slots, &Limits::default()).expect("a head"))
    }

    #[test]
    fn browsers_say_of_which_site_their_page_is() {
        for (fields, elsewhere) in [
            ("", false),
            ("Sec-Fetch-Site: same-origin\r\n", false),
            ("Sec-Fetch-Site: none\r\n", false),
            ("Sec-Fetch-Site: same-site\r\n", true),
            ("Sec-Fetch-Site: cross-site\r\n", true),
            // A proxy may have asked by another name: what the browser says of the site counts.
            ("Sec-Fetch-Site: same-origin\r\nOrigin: https://b\r\n", false),
            ("Origin: http://a:8000\r\n", false),
            ("Origin: HTTPS://A:8000\r\n", false),
            ("Origin: http://a\r\n", true),
            ("Origin: http://a:8000.evil\r\n", true),
            ("Origin: http://evil\r\n", true),
            ("Origin: null\r\n", true),
            ("Origin: \r\n", true),
            ("Origin: \u{e9}\r\n", true),
        ] {
            assert_eq!(with(&format!("Host: a:8000\r\n{fields}"), is_elsewhere), elsewhere, "{fields}");
        }
    }

    #[test]
    fn a_host_is_named_without_its_port() {
        for (host, name) in [
            ("example.org", "example.org"),
            ("example.org:8000", "example.org"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:", "a"),
        ] {
            assert_eq!(with(&format!("Host: {host}\r\n"), |head| host_name(head).to_owned()), name);
        }
    }
}
