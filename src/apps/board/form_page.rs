//! Posts of a form without a script: the browser that sent it shows the answer, so the answer is a page.
//!
//! A post that is kept leads back to the board (303), so that loading that page again posts nothing.

use serde_json::Value;

use crate::app::answer;
use crate::app::upload::{Ended, Fed, Upload};
use crate::http::accept;
use crate::http::refusal::Refusal;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::status;
use crate::log::lane::Producer;

/// Where a post leads that is kept; the page says there that it was.
const POSTED: &str = "/board#posted";

/// Returns whether a client asks for a page rather than for JSON: browsers say so for forms, scripts and programs don't.
#[must_use]
pub fn is_wanted(head: &Head<'_>) -> bool {
    let accepted: Vec<_> = head.values("accept").collect();
    accept::choose(accepted.into_iter(), &["application/json", "text/html"]) == Some(1)
}

/// A post whose answer becomes a page.
pub struct FormPage {
    upload: Box<dyn Upload>,
}

impl FormPage {
    /// Answers with a page instead of the JSON that `upload` answers with.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>) -> Self {
        Self { upload }
    }
}

impl Upload for FormPage {
    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed {
        self.upload.feed(bytes, lane)
    }

    fn kinds(&self) -> &'static [u8] {
        self.upload.kinds()
    }

    fn buffered_bytes(&self) -> usize {
        self.upload.buffered_bytes()
    }

    fn work(&mut self) {
        self.upload.work();
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        match self.upload.end(lane) {
            Ended::Done(response) => Ended::Done(page(&response)),
            Ended::Holding(response, hold) => Ended::Holding(page(&response), hold),
            paused @ Ended::Paused(_) => paused,
        }
    }

    fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        let said = self.upload.stopped(reason);
        let sentence = || format!("Stopped: {}; nothing was stored", reason.reason);
        Some(page(&said.unwrap_or_else(|| answer::detail(reason.status, &sentence()))))
    }
}

/// Makes a page of an answer in JSON.
fn page(response: &Response) -> Response {
    if response.status == 200 {
        return Response::new(303, "", "").with("Location", POSTED);
    }
    let (status, phrase) = (response.status, status::phrase(response.status));
    let sentence = escaped(&sentence(&response.body));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Not posted</title>\n<link rel=\"stylesheet\" href=\"/static/board.css\">\n<main>\n<h1>Not posted</h1>\n\
         <p>{sentence}</p>\n<p>{status} {phrase}. Go back to correct the form, or to <a href=\"/board\">the board</a>.</p>\n\
         </main>\n</html>\n"
    );
    Response::new(status, "text/html; charset=utf-8", html)
        .with("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
        .with("X-Content-Type-Options", "nosniff")
}

/// Returns what an error in JSON says, in words: `{"detail":"..."}` or `{"detail":[{"loc":[...],"msg":"..."}]}`.
fn sentence(body: &[u8]) -> String {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
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
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

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
    fn errors_are_pages_with_their_sentence_and_status() {
        let text = |response: &Response| String::from_utf8(response.body.to_vec()).unwrap();
        let refused = page(&answer::detail(415, "The file <b> & is no picture"));
        assert_eq!((refused.status, refused.content_type), (415, "text/html; charset=utf-8"));
        assert!(
            text(&refused).contains("<p>The file &lt;b&gt; &amp; is no picture</p>"),
            "{}",
            text(&refused)
        );
        let faults = r#"{"detail":[{"loc":["body","file"],"msg":"Field required"},{"loc":["body","message"],"msg":"Too long"}]}"#;
        let refused = page(&answer::json(422, faults));
        assert!(
            text(&refused).contains("<p>file: Field required; message: Too long</p>"),
            "{}",
            text(&refused)
        );
        let posted = page(&answer::json(200, "{}"));
        assert_eq!((posted.status, posted.body.len()), (303, 0));
    }
}
