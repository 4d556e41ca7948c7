//! `GET /canvas/past`: from when on the journal shows the canvas, and how large it was, for those who are going to ask for pictures
//! of the past.

use std::sync::{Arc, TryLockError};

use serde_json::{Value, json};

use crate::app::answer;
use crate::app::application::{Action, Job, JobStep, Start, View};
use crate::app::heal::Heals;
use crate::base::ids::Position;
use crate::http::date::rfc3339;
use crate::http::response::Response;
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;

use super::super::canvas::journal::as_applied;
use super::super::canvas::view::Canvas;
use super::contents::Contents;

/// Answers `GET /canvas/past`.
#[must_use]
pub fn past(canvas: &Arc<Canvas>, view: &View<'_>) -> Action {
    let applied = view.applied();
    let (end, heals) = (applied.position, applied.heals.clone());
    drop(applied);
    let (canvas, reader) = (canvas.clone(), view.reader.clone());
    Action::Job(Box::new(Look { canvas, reader, end, heals, trouble: None }))
}

/// Reads the journal, on a job thread, one at a time.
struct Look {
    canvas: Arc<Canvas>,
    reader: Arc<Reader>,
    end: Position,
    heals: Heals,
    trouble: Option<String>,
}

impl Look {
    fn answer(&mut self) -> Response {
        let canvas = self.canvas.clone();
        let _only = match canvas.past.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let sentence = "Somebody else looks at the past; try again";
                return answer::detail(503, sentence).with("Retry-After", "1");
            }
            // It holds nothing that a panic could leave half done.
            other => other,
        };
        match self.read() {
            Ok(contents) => answer::json(200, self.tell(&contents).to_string()),
            Err(error) => {
                self.trouble = Some(format!("the journal can't be read: {error}"));
                answer::detail(503, "The journal can't be read at the moment").with("Retry-After", "1")
            }
        }
    }

    fn read(&self) -> Result<Contents, ReadError> {
        Contents::read(self.heals.clone(), |take| {
            let mut scan = self.reader.scan(Position(0), self.end);
            while let Some(batch) = scan.next_batch()? {
                take(&as_applied(&batch), batch.start);
            }
            Ok(())
        })
    }

    fn tell(&self, contents: &Contents) -> Value {
        let span = contents.span_us(&self.reader.start_vector());
        let time = |time_us: Option<u64>| time_us.map_or(Value::Null, |time_us| rfc3339(time_us).into());
        json!({
            "from": time(span.map(|span| span.0)),
            "to": time(span.map(|span| span.1)),
            "bounds": contents.bounds.map(|bounds| json!({
                "x_min": bounds.x_min, "x_max": bounds.x_max, "y_min": bounds.y_min, "y_max": bounds.y_max,
            })),
            "pixels": contents.pixels,
        })
    }
}

impl Job for Look {
    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn start(&mut self) -> Start {
        Start::Whole(self.answer())
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}
