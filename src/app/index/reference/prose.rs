//! Text of descriptions as HTML.

use serde_json::Value;

/// Returns a description as HTML: what stands between backticks is code.
pub fn prose(text: &Value) -> String {
    let escaped = escaped(text.as_str().unwrap_or_default());
    let mut parts = escaped.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        html.push_str(if at % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(part);
    }
    html
}

/// Returns text that means itself in HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_are_code_and_text_stays_text() {
        assert_eq!(prose(&Value::from("a `b<c` & d")), "a <code>b&lt;c</code> &amp; d");
        assert_eq!(prose(&Value::Null), "");
    }
}
