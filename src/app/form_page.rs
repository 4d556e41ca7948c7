//! Refusals of forms that a browser sent without a script: it shows the answer, so the answer is a page with the way back.

use serde_json::Value;

use crate::http::accept;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::status;

/// The page of a refused form.
#[derive(Debug, PartialEq, Eq)]
pub struct FormPage {
    /// What did not happen, as its heading.
    pub title: &'static str,
    /// The address of its style sheet, on this host.
    pub style: &'static str,
    /// The way back in HTML, to be read behind "go to".
    pub way_back: &'static str,
}

/// Returns whether a client asks for a page rather than for JSON: browsers say so for forms, scripts and programs don't.
#[must_use]
pub fn is_wanted(head: &Head<'_>) -> bool {
    let accepted: Vec<_> = head.values("accept").collect();
    accept::choose(accepted.into_iter(), &["application/json", "text/html"]) == Some(1)
}

impl FormPage {
    /// Makes a page of a refusal in text, in JSON or in HTML of one paragraph: of the same status, with the same fields. What was
    /// answered 504 may be stored, so its page does not say that it is not.
    #[must_use]
    pub fn of(&self, refusal: &Response) -> Response {
        let Self { title, style, way_back } = self;
        let (status, phrase) = (refusal.status, status::phrase(refusal.status));
        let sentence = sentence(refusal);
        let (title, step) =
            if status == 504 { (&"Not known yet", "Go") } else { (title, "Go back to the form, or go") };
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"{style}\">\n<main>\n<h1>{title}</h1>\n\
             <p>{sentence}</p>\n<p>{status} {phrase}. {step} to {way_back}.</p>\n</main>\n</html>\n"
        );
        let mut page = Response::new(status, "text/html; charset=utf-8", html);
        page.headers.clone_from(&refusal.headers);
        page.headers.retain(|(name, _)| *name != "X-Content-Type-Options");
        page.with("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
            .with("X-Content-Type-Options", "nosniff")
    }
}

/// Returns what a refusal says, as HTML.
fn sentence(refusal: &Response) -> String {
    let text = String::from_utf8_lossy(&refusal.body);
    let kind = refusal.content_type;
    if kind.starts_with("text/html") {
        let paragraph = text.split_once("<p>").and_then(|(_, rest)| rest.split_once("</p>"));
        return paragraph.map_or_else(String::new, |(sentence, _)| sentence.to_owned());
    }
    if kind.starts_with("text/plain") { escaped(text.trim_end()) } else { escaped(&detail(&text)) }
}

/// Returns what an error in JSON says, in words: `{"detail":"..."}` or `{"detail":[{"loc":[...],"msg":"..."}]}`.
fn detail(body: &str) -> String {
    let error: Value = serde_json::from_str(body).unwrap_or_default();
    match &error["detail"] {
        Value::String(text) => text.clone(),
        Value::Array(faults) => {
            let said = faults.iter().map(|fault| {
                let field = fault["loc"].as_array().and_then(|loc| loc.last()?.as_str()).unwrap_or_default();
                format!("{field}: {}", fault["msg"].as_str().unwrap_or_default())
            });
            said.collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

/// Returns a text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::answer;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    static PAGE: FormPage =
        FormPage { title: "Not sent", style: "/static/a.css", way_back: "<a href=\"/a\">the list</a>" };

    #[test]
    fn browsers_forms_want_a_page_and_programs_do_not() {
        let wanted = |accept: &str| {
            let text = format!("POST /upload/ HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
            let mut slots = HeaderSlots::new();
            is_wanted(&parse_head(text.as_bytes(), &mut slots, &Limits::default()).unwrap())
        };
        for accept in [
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n",
            "Accept: text/html\r\n",
            "Accept: application/json;q=0.5\r\nAccept: text/*\r\n",
        ] {
            assert!(wanted(accept), "{accept}");
        }
        for accept in
            ["", "Accept: */*\r\n", "Accept: application/json, text/html\r\n", "Accept: image/png\r\n"]
        {
            assert!(!wanted(accept), "{accept}");
        }
    }

    #[test]
    fn refusals_of_every_form_are_pages_with_their_sentence_status_and_fields() {
        let faults = r#"{"detail":[{"loc":["body","file"],"msg":"Field required"},{"loc":["body","message"],"msg":"Too long"}]}"#;
        let html = "<!doctype html>\n<h1>Content Too Large</h1>\n<p>At most &lt;9&gt; bytes.</p>\n";
        for (refusal, sentence) in [
            (answer::detail(415, "The file <b> & is no picture"), "The file &lt;b&gt; &amp; is no picture"),
            (answer::json(422, faults), "file: Field required; message: Too long"),
            (Response::new(503, "text/plain; charset=utf-8", "Wait <here>.\n"), "Wait &lt;here&gt;."),
            (Response::new(413, "text/html; charset=utf-8", html), "At most &lt;9&gt; bytes."),
        ] {
            let page = PAGE.of(&refusal.clone().with("Retry-After", "1"));
            let text = String::from_utf8(page.body.to_vec()).unwrap();
            assert_eq!((page.status, page.content_type), (refusal.status, "text/html; charset=utf-8"));
            assert!(text.contains(&format!("<p>{sentence}</p>")), "{text}");
            assert!(text.contains("<a href=\"/a\">the list</a>") && text.contains("<title>Not sent</title>"));
            assert!(page.headers.contains(&("Retry-After", "1".to_owned())));
        }
        let late = PAGE.of(&Response::new(504, "text/plain; charset=utf-8", "It may have been stored."));
        assert!(!String::from_utf8(late.body.to_vec()).unwrap().contains("Not sent"));
    }
}
