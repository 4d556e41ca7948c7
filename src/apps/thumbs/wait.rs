//! A question for a picture's state: answered when the picture comes to its end, at the latest after a while.

use crate::app::application::{Action, Resume, View, Wait};
use crate::app::lookup::{Found, Lookup};
use crate::app::wait::News;

use super::answers;
use super::old::{OldPictures, unread};
use super::state::ThumbsState;

/// A question.
pub struct Question {
    /// The picture.
    pub uuid: [u8; 16],
    /// As the client named it.
    pub id: String,
    /// When it is answered in any case, microseconds of the process's clock.
    pub until_us: u64,
}

impl Question {
    /// Answers it, or holds it.
    #[must_use]
    pub fn ask(self: Box<Self>, view: &View<'_>) -> Action {
        let applied = view.applied();
        let Some(state) = applied.state::<ThumbsState>() else {
            return Action::Respond(answers::unknown(&self.id));
        };
        let Some((_, item)) = state.find(self.uuid) else {
            let old = OldPictures::of(state, &applied.heals);
            if !old.may_have(&self.uuid) {
                return Action::Respond(answers::unknown(&self.id));
            }
            // What is on the disk has come to its end.
            let find = move || {
                let found = old.find(&self.uuid)?;
                let answer =
                    found.map_or_else(|| answers::unknown(&self.id), |(_, item)| answers::status(&item));
                Ok(Found::Answer(answer))
            };
            return Action::Job(Lookup::new(find, unread));
        };
        let is_over = item.progress.outcome.is_some() || view.clock_us >= self.until_us;
        // While the state is held, nothing can come between this look and the wait.
        if is_over || !state.watch().await_end(self.uuid, view.ticket, view.waker) {
            return Action::Respond(answers::status(item));
        }
        drop(applied);
        Action::Wait(Wait {
            until_us: Some(self.until_us),
            then: Box::new(Held { question: self, ticket: view.ticket }),
        })
    }
}

/// One that is held.
struct Held {
    question: Box<Question>,
    ticket: crate::app::wait::Ticket,
}

impl Resume for Held {
    fn resume(mut self: Box<Self>, view: &View<'_>, news: News) -> Action {
        if let Some(state) = view.applied().state::<ThumbsState>() {
            state.watch().leave(self.question.uuid, self.ticket);
        }
        if news == News::Draining {
            self.question.until_us = 0;
        }
        self.question.ask(view)
    }
}
