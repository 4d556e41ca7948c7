//! Reason phrases of status codes.

/// Every status that this server sends, with its phrase (RFC 9110, section 15; RFC 6585; RFC 4918 for 207 and 507).
pub const STATUSES: [(u16, &str); 39] = [
    (100, "Continue"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Content"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
];

/// Returns the phrase that follows `status` in a status line; a general one for codes that this server does not send.
#[must_use]
pub fn phrase(status: u16) -> &'static str {
    let known = STATUSES.iter().find(|(known, _)| *known == status);
    known.map_or_else(|| general(status), |(_, phrase)| phrase)
}

fn general(status: u16) -> &'static str {
    match status / 100 {
        1 => "Informational",
        2 => "Success",
        3 => "Redirection",
        4 => "Client Error",
        _ => "Server Error",
    }
}

/// Returns whether an answer with this status never has content, so that it carries no length either (RFC 9110, section 6.4.1).
#[must_use]
pub fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_phrase() {
        assert_eq!(phrase(413), "Content Too Large");
        assert_eq!(phrase(499), "Client Error");
        assert!(STATUSES.is_sorted_by_key(|(status, _)| *status));
        assert!((100..600).all(|status| !phrase(status).is_empty()));
        assert!(is_bodiless(100) && is_bodiless(204) && is_bodiless(304) && !is_bodiless(200));
    }
}
