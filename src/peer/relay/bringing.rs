//! Bringing: a host that has nothing gets the snapshot of one that does not keep its oldest records any more, through the relay, as
//! a peer would give it: where the journal begins, the contents that the snapshot may name, the snapshot. What follows comes as
//! always: by the log, or from hosts that are asked.
//!
//! ```text
//! Seeking -> everything is kept from the first records on -> Done
//!         -> a beginning -> Contents, each picture by itself -> Snapshot, piece by piece -> Done
//! ```
//!
//! Nothing else is handed to the host before: with the first batch it has something, and takes no snapshot any more.

use std::collections::{BTreeSet, VecDeque};

use super::calls::Calls;
use super::members::Members;
use super::pictures::Pictures;
use super::port::LogCall;
use super::words::{Answer, Beginning, Question};
use crate::base::blob::BlobId;
use crate::base::ids::NodeId;
use crate::base::limits::{
    PEER_PIECE_BYTES, RELAY_LATE_US, RELAY_NEWCOMER_US, RELAY_PAUSE_US_MIN, RELAY_PICTURE_US,
};
use crate::base::streams::Streams;
use crate::peer::session::Session;

/// The content that is brought, and its progress.
pub(super) struct Bringing {
    phase: Phase,
    question: Option<Asked>,
    /// The time of the next question.
    due_us: u64,
    /// The time when it began, or when something came last.
    moved_us: u64,
    /// Hosts that have said they have nothing to give.
    without: BTreeSet<NodeId>,
    /// The log was seen to have lost its oldest messages: what it has is not all there is.
    is_window: bool,
    /// The host that gives it does not have the rest any more.
    is_broken: bool,
}

struct Asked {
    token: u64,
    whom: NodeId,
    late_us: u64,
}

enum Phase {
    /// A host has to say first whether a snapshot is needed.
    Seeking {
        tries: usize,
    },
    /// Contents that the snapshot of this host may name.
    Contents {
        from: NodeId,
        of: Beginning,
        known: Option<BlobId>,
        coming: VecDeque<BlobId>,
    },
    /// Its pieces: how far it was sent, and the piece that waits for room.
    Snapshot {
        from: NodeId,
        of: Beginning,
        offset: u64,
        piece: Option<Vec<u8>>,
    },
    Done,
}

/// The result of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// It goes on, or was over before.
    Nothing,
    /// The snapshot is whole: streams begin here.
    Snapshot(Streams),
    /// It breaks off: the rest of what was begun does not come.
    BrokenOff,
}

impl Bringing {
    /// Returns that of a host which has nothing, if `is_empty`; of any other one it is over. `is_window` says whether the log has
    /// lost its oldest messages.
    pub(super) fn new(is_empty: bool, is_window: bool, now_us: u64) -> Self {
        let phase = if is_empty { Phase::Seeking { tries: 0 } } else { Phase::Done };
        let without = BTreeSet::new();
        let (due_us, moved_us) = (now_us, now_us);
        Self { phase, question: None, due_us, moved_us, without, is_window, is_broken: false }
    }

    /// Returns whether the host may be handed batches.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.is_done()).then(|| self.question.as_ref().map_or(self.due_us, |asked| asked.late_us))
    }

    /// Takes a host's answer, if it is one to this question.
    pub(super) fn answered(&mut self, token: u64, answer: &[u8], session: &mut Session, now_us: u64) {
        let Some(asked) = self.question.take_if(|asked| asked.token == token) else { return };
        self.due_us = now_us + RELAY_PAUSE_US_MIN;
        let has_moved = match (&mut self.phase, Answer::decode(answer)) {
            (Phase::Seeking { .. }, Some(Answer::Whole)) => {
                self.phase = Phase::Done;
                true
            }
            (Phase::Seeking { .. }, Some(Answer::Beginning(of))) => {
                session.begin_snapshot(&of.starts);
                self.phase = Phase::Contents { from: asked.whom, of, known: None, coming: VecDeque::new() };
                true
            }
            (Phase::Seeking { .. }, _) => {
                self.without.insert(asked.whom);
                false
            }
            (Phase::Contents { from, of, .. }, Some(Answer::Contents(ids))) if ids.is_empty() => {
                self.phase = Phase::Snapshot { from: *from, of: of.clone(), offset: 0, piece: None };
                true
            }
            (Phase::Contents { known, coming, .. }, Some(Answer::Contents(ids)))
                if known.is_none_or(|known| ids.iter().all(|id| *id > known)) =>
            {
                *known = ids.last().copied();
                coming.extend(ids);
                true
            }
            (Phase::Snapshot { of, offset, piece, .. }, Some(Answer::Piece { total, offset: at, bytes }))
                if (total, at) == (of.total, *offset)
                    && (1..=PEER_PIECE_BYTES).contains(&bytes.len())
                    && bytes.len() as u64 <= of.total - *offset =>
            {
                *piece = Some(bytes);
                true
            }
            (_, answer) => {
                self.is_broken |= answer == Some(Answer::Nothing);
                false
            }
        };
        if has_moved {
            (self.due_us, self.moved_us) = (now_us, now_us);
        }
    }

    /// Does what is due.
    pub(super) fn turn(
        &mut self,
        session: &mut Session,
        pictures: &mut Pictures,
        members: &Members,
        calls: &mut Calls,
        now_us: u64,
    ) -> Brought {
        if self.question.take_if(|asked| asked.late_us <= now_us).is_some() {
            self.due_us = now_us;
        }
        let may_go_without = self.may_go_without(members, now_us);
        match &mut self.phase {
            Phase::Contents { coming, .. } => {
                if !pictures.is_idle() {
                    self.moved_us = now_us;
                    return Brought::Nothing;
                }
                if let Some(id) = coming.pop_front() {
                    pictures.want(id);
                    self.moved_us = now_us;
                    return Brought::Nothing;
                }
            }
            Phase::Snapshot { of, offset, piece, .. } => {
                if !session.has_room() {
                    self.moved_us = now_us;
                    return Brought::Nothing;
                }
                if let Some(bytes) = piece.take() {
                    session.send_snapshot(of.total, *offset, &bytes);
                    *offset += bytes.len() as u64;
                    self.moved_us = now_us;
                }
                if *offset == of.total {
                    let starts = std::mem::take(&mut of.starts);
                    self.phase = Phase::Done;
                    return Brought::Snapshot(starts);
                }
            }
            Phase::Seeking { .. } if may_go_without => self.phase = Phase::Done,
            Phase::Seeking { .. } | Phase::Done => {}
        }
        self.ask(members, calls, now_us)
    }

    /// Returns whether the host begins with what the log has: nobody is there who could know more, and the log seems to be whole.
    fn may_go_without(&self, members: &Members, now_us: u64) -> bool {
        let mut here = members.here(now_us);
        !self.is_window
            && now_us >= self.moved_us + RELAY_NEWCOMER_US
            && here.all(|node| self.without.contains(&node))
    }

    /// Asks for what comes next.
    fn ask(&mut self, members: &Members, calls: &mut Calls, now_us: u64) -> Brought {
        if self.is_done() || self.question.is_some() || self.due_us > now_us {
            return Brought::Nothing;
        }
        let is_begun = !matches!(self.phase, Phase::Seeking { .. });
        if is_begun && (self.is_broken || now_us >= self.moved_us + RELAY_PICTURE_US) {
            return Brought::BrokenOff;
        }
        let (whom, question) = match &mut self.phase {
            Phase::Seeking { tries } => {
                let here: Vec<NodeId> = members.here(now_us).collect();
                let whom = here.get(*tries % here.len().max(1)).copied();
                *tries += 1;
                (whom, Question::Beginning)
            }
            Phase::Contents { from, known, .. } => (Some(*from), Question::Contents { after: *known }),
            Phase::Snapshot { from, of, offset, .. } => {
                (Some(*from), Question::Snapshot { key: of.key, offset: *offset })
            }
            Phase::Done => return Brought::Nothing,
        };
        let Some(whom) = whom else {
            self.due_us = now_us + RELAY_LATE_US;
            return Brought::Nothing;
        };
        let token = calls.token();
        calls.push(LogCall::Ask { token, to: Some(whom), question: question.encode() });
        self.question = Some(Asked { token, whom, late_us: now_us + RELAY_LATE_US });
        Brought::Nothing
    }
}
