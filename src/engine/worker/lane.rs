//! The worker's lane: what goes into it, when a commit of it is started, and how far it is committed.

use super::context::Context;
use super::start_rule::{StartRule, Turn};
use crate::app::background::Unlogged;
use crate::base::limits::INLINE_SAMPLED;
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::engine::commit::memory::InlineCommit;
use crate::engine::shared::space::Intake;
use crate::engine::shared::submission::{Submission, Submissions};
use crate::log::lane::Producer;

/// The producer's end of a worker's lane.
pub(super) struct Lane {
    producer: Producer,
    /// Runs the commit step in this worker's turn; nothing where the disk thread does.
    inline: Option<InlineCommit>,
    /// What other threads have it log.
    submissions: Submissions,
    /// The turn under way.
    turn: Turn,
    start_rule: StartRule,
    /// How far it is committed, as the worker has seen.
    committed: u64,
    /// How often that has changed.
    commits: u32,
}

impl Lane {
    pub(super) fn new(producer: Producer, inline: Option<InlineCommit>) -> Self {
        Self {
            producer,
            inline,
            submissions: Submissions::default(),
            turn: Turn::default(),
            start_rule: StartRule::default(),
            committed: 0,
            commits: 0,
        }
    }

    /// Returns the position behind all that was put into it.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.producer.position()
    }

    /// Returns how far it is committed, as the worker has seen.
    #[inline]
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Puts a short record into it, if there is room.
    #[inline]
    pub(super) fn push_short(&mut self, record: &[u8; SHORT_RECORD_BYTES]) -> bool {
        self.producer.push_short(record)
    }

    /// Puts records into it, unless it is full or the journal waits for its next segment.
    pub(super) fn push(&mut self, records: &[u8], intake: Intake) -> bool {
        intake != Intake::Waiting && self.producer.push(records)
    }

    /// Returns what an upload puts its records into.
    pub(super) fn producer(&mut self) -> &mut Producer {
        &mut self.producer
    }

    /// Shows the commit step what was put into it.
    #[inline]
    pub(super) fn publish(&mut self) {
        self.producer.publish();
    }

    /// Notes what came of the turn's poll.
    #[inline]
    pub(super) fn polled(&mut self, turn: Turn) {
        self.turn = turn;
    }

    /// Returns whether it holds something for which a commit should be started.
    #[inline]
    pub(super) fn wants_commit(&self, context: &Context) -> bool {
        self.position() != self.committed && !context.shared.step.is_under_way()
    }

    /// Has the disk thread commit when the [`StartRule`] says so. In `memory` it runs the commit step here and now if the token
    /// is free; if another worker has it, that one wakes this one.
    pub(super) fn start_commit(&mut self, context: &Context) {
        if let Some(inline) = &mut self.inline {
            if self.producer.position() != self.committed {
                inline.try_run(&context.shared, context.index, context.now.wall_us());
            }
            return;
        }
        if self.start_rule.is_time(self.turn, self.wants_commit(context)) {
            context.shared.start_commit();
        }
    }

    /// Notes that it is committed up to `position`, and answers the submissions that are.
    #[inline]
    pub(super) fn take_committed(&mut self, position: u64) {
        self.committed = position;
        self.submissions.committed(position);
    }

    /// Returns the time of a commit that was just taken note of, microseconds of the worker's clock. In `memory` the commit was made
    /// in this very turn; its time is taken in some of them only.
    #[inline]
    pub(super) fn time_of_commit(&mut self, context: &Context) -> u64 {
        self.commits = self.commits.wrapping_add(1);
        if self.inline.is_some() && !self.commits.is_multiple_of(INLINE_SAMPLED) {
            return context.now.us();
        }
        context.now.exact_us()
    }

    /// Takes records that no request brought.
    pub(super) fn submit(&mut self, submission: Submission, context: &Context) {
        self.submissions.waiting.push_back(submission);
        self.log_submissions(context);
    }

    /// Tries the submissions again that found no room.
    #[inline]
    pub(super) fn retry_submissions(&mut self, context: &Context) {
        if !self.submissions.waiting.is_empty() {
            self.log_submissions(context);
        }
    }

    /// Puts submissions into the lane, in their order, as far as it has room. They are of the kind that frees space.
    fn log_submissions(&mut self, context: &Context) {
        while let Some(next) = self.submissions.waiting.front() {
            let intake = context.shared.space.intake();
            let refused = if matches!(intake, Intake::Closed | Intake::Refused) {
                Some(Unlogged::NoSpace)
            } else {
                context.shared.understanding.admits(&next.records).is_err().then_some(Unlogged::TooOld)
            };
            // The next commit or segment makes room.
            if refused.is_none() && !(intake != Intake::Waiting && self.producer.push(&next.records)) {
                return;
            }
            let Some(next) = self.submissions.waiting.pop_front() else { return };
            match refused {
                // Fails if nobody waits for the answer any more.
                Some(why) => drop(next.reply.send(Err(why))),
                None => self.submissions.logged(self.producer.position(), next.reply),
            }
        }
    }
}
