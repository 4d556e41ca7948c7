//! Posts of a form without a script: one that is kept leads back to the board (303), so that loading that page again posts
//! nothing.

use crate::app::form_page::FormPage;
use crate::app::upload::{Ended, Fed, Upload};
use crate::http::refusal::Refusal;
use crate::http::response::Response;
use crate::log::lane::Producer;

/// What is shown where it is refused.
pub static REFUSED: FormPage = FormPage {
    title: "Not posted",
    style: "/static/board.css",
    way_back: "<a href=\"/board\">the board</a>",
};

/// Where a post leads that is kept; the page says there that it was.
const POSTED: &str = "/board#posted";

/// A post by a form.
pub struct FormPost {
    upload: Box<dyn Upload>,
}

impl FormPost {
    /// Leads back to the board where `upload` answers that the post is kept.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>) -> Self {
        Self { upload }
    }
}

impl Upload for FormPost {
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
            Ended::Holding(_, hold) => {
                Ended::Holding(Response::new(303, "", "").with("Location", POSTED), hold)
            }
            other => other,
        }
    }

    fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        self.upload.stopped(reason)
    }
}
