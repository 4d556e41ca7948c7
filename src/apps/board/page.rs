//! The board's page and its files.

use crate::app::files::File;
use crate::http::caching::Caching;
use crate::http::request::Head;
use crate::http::response::Response;

/// The files, compressed once.
#[derive(Debug)]
pub struct Page {
    page: File,
    style: File,
    script: File,
    policy: String,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The document.
    Document,
    /// Its style sheet.
    Style,
    /// Its script.
    Script,
}

impl Page {
    /// Returns the page; pictures may come from `public_base`.
    #[must_use]
    pub fn new(public_base: &str) -> Self {
        let file =
            |content_type, text: &'static str| File::new(content_type, text.as_bytes(), Caching::Revalidated);
        // A base without a scheme is a path of this host.
        let pictures = if public_base.contains("://") { public_base } else { "" };
        Self {
            page: file("text/html; charset=utf-8", include_str!("page/board.html")),
            style: file("text/css; charset=utf-8", include_str!("page/board.css")),
            script: file("text/javascript; charset=utf-8", include_str!("page/board.js")),
            policy: format!(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data: \
                 {pictures}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
        }
    }

    /// Answers a request for one of the files.
    #[must_use]
    pub fn answer(&self, part: Part, head: &Head<'_>) -> Response {
        match part {
            Part::Document => {
                let response = self.page.answer(head).with("Content-Security-Policy", self.policy.as_str());
                response.with("Referrer-Policy", "no-referrer")
            }
            Part::Style => self.style.answer(head),
            Part::Script => self.script.answer(head),
        }
    }
}
