//! From a position to the answer that holds its number: at once, from what is kept, or by a job thread.

use std::sync::Arc;

use crate::app::application::{Action, Job, JobStep, Resume, Start, View, Wait};
use crate::app::wait::News;
use crate::apps::pex::limits::PEX_INLINE_POSITION_MAX;
use crate::base::limits::PIECE_BYTES;
use crate::http::caching::Caching;
use crate::http::response::StreamHead;

use super::numbers::{Found, Line, Maker, Numbers, Promise};
use super::{answer, digits};

/// Longer answers are sent in pieces, so that a client that takes its time holds no copy of a long number.
const WHOLE_BYTES_MAX: usize = 16 * 1024;

/// A number that a request asks for.
#[derive(Clone)]
pub struct Asked {
    /// Where long numbers are kept.
    pub numbers: Arc<Numbers>,
    /// Which number.
    pub n: u64,
    /// Who may keep it.
    pub caching: Caching,
    /// The answer's head only: the digits need not be made.
    pub head_only: bool,
    /// A step was made for this request, so it must not be sent again.
    pub stored: bool,
}

impl Asked {
    /// Returns what to do for it.
    #[must_use]
    pub fn answer(self, view: &View<'_>) -> Action {
        if self.n <= PEX_INLINE_POSITION_MAX {
            return Action::Respond(answer::short(self.n).kept_by(self.caching));
        }
        if self.head_only {
            return self.job(Source::Counted);
        }
        match self.numbers.find(self.n, view.ticket, view.waker) {
            Found::Kept(line) if line.len() <= WHOLE_BYTES_MAX => {
                Action::Respond(answer::kept(&line).kept_by(self.caching))
            }
            Found::Kept(line) => self.job(Source::Made(line)),
            Found::Wanted(maker) => self.job(Source::ToMake(maker)),
            Found::Promised(promise) => {
                Action::Wait(Wait { until_us: None, then: Box::new(Waiting { asked: self, promise }) })
            }
            Found::TooMany => Action::Respond(answer::too_many(self.stored)),
        }
    }

    fn job(self, source: Source) -> Action {
        Action::Job(Box::new(Delivery { asked: self, source, sent: 0 }))
    }
}

/// A request that waits until another one has made its number.
struct Waiting {
    asked: Asked,
    promise: Promise,
}

impl Resume for Waiting {
    fn resume(self: Box<Self>, view: &View<'_>, _news: News) -> Action {
        match self.promise.get() {
            Some(line) if line.len() <= WHOLE_BYTES_MAX => {
                Action::Respond(answer::kept(line).kept_by(self.asked.caching))
            }
            Some(line) => self.asked.clone().job(Source::Made(line.clone())),
            None => self.asked.answer(view),
        }
    }
}

/// The job that makes a number, or that sends a long one piece by piece.
struct Delivery {
    asked: Asked,
    source: Source,
    sent: usize,
}

enum Source {
    /// Its length is enough.
    Counted,
    Made(Line),
    ToMake(Maker),
}

impl Delivery {
    fn stream(&self, bytes: usize) -> Start {
        Start::Stream(StreamHead {
            status: 200,
            content_type: answer::TEXT,
            headers: Vec::new(),
            caching: self.asked.caching,
            length: Some(bytes as u64),
        })
    }
}

impl Job for Delivery {
    fn start(&mut self) -> Start {
        if let Source::ToMake(maker) = &mut self.source {
            let line: Line = (digits::text(maker.n()) + "\n").into_bytes().into();
            maker.hand_over(&line);
            self.source = Source::Made(line);
        }
        match &self.source {
            Source::Made(line) if line.len() <= WHOLE_BYTES_MAX => {
                Start::Whole(answer::kept(line).kept_by(self.asked.caching))
            }
            Source::Made(line) => self.stream(line.len()),
            Source::Counted | Source::ToMake(_) => self.stream(digits::count(self.asked.n) as usize + 1),
        }
    }

    fn next(&mut self, out: &mut Vec<u8>) -> JobStep {
        let Source::Made(line) = &self.source else { return JobStep::Done };
        let end = line.len().min(self.sent + PIECE_BYTES);
        out.extend_from_slice(&line[self.sent..end]);
        self.sent = end;
        if end == line.len() { JobStep::Done } else { JobStep::More }
    }
}
