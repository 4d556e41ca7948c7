//! Pictures on their way to the log, before the batches that name them, and from it or another host when the host wants
//! one.

use std::collections::VecDeque;

use super::calls::Calls;
use super::members::Members;
use super::port::LogCall;
use super::words::{Answer, Question};
use crate::base::blob::BlobId;
use crate::base::ids::NodeId;
use crate::base::limits::{
    PEER_WANTS_MAX, RELAY_LATE_US, RELAY_PAUSE_US_MIN, RELAY_PICTURE_BYTES, RELAY_PICTURE_US,
    RELAY_SILENT_US, RELAY_UNSURE_US,
};
use crate::peer::session::Session;

/// The pictures of one connection.
#[derive(Default)]
pub(super) struct Pictures {
    /// Pieces under way to the log: of which picture, where each ends, whether it is the last one.
    putting: VecDeque<Putting>,
    putting_bytes: usize,
    begun: u64,
    kept: u64,
    /// When the log was last known to keep a piece, or had none to keep.
    kept_us: u64,
    wanted: VecDeque<BlobId>,
    getting: Option<Getting>,
    gone: u64,
}

struct Putting {
    id: BlobId,
    end: u64,
    bytes: usize,
    is_last: bool,
    is_kept: bool,
}

/// The picture that is brought for the host.
struct Getting {
    id: BlobId,
    /// Where its next piece begins.
    offset: u64,
    /// A piece that came, and the picture's length.
    piece: Option<(u64, Vec<u8>)>,
    from: Source,
    /// Times that the log was asked for a piece and gave none.
    silences: u32,
    /// The log has said that it does not have it.
    is_not_in_log: bool,
    /// Hosts that have said they do not have it.
    without: Vec<NodeId>,
    /// Before this no answer of hosts says that it is gone.
    unsure_us: u64,
    /// When it is called gone.
    gone_us: u64,
}

/// Where the next piece comes from.
enum Source {
    /// The log was asked for it.
    Log {
        late_us: u64,
    },
    /// A host was asked for it.
    Asked {
        token: u64,
        whom: Option<NodeId>,
        late_us: u64,
        tries: usize,
    },
    Pause {
        until_us: u64,
        tries: usize,
    },
}

impl Pictures {
    /// Returns how many pictures the host has begun to give.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Returns how many of them the log keeps.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Returns pictures that the host was told are gone.
    pub(super) fn gone(&self) -> u64 {
        self.gone
    }

    /// Returns whether so much is on its way to the log that no more is taken from the host.
    pub(super) fn is_full(&self) -> bool {
        self.putting_bytes >= RELAY_PICTURE_BYTES
    }

    /// Returns whether the host has got a part of a picture: nothing else may come between.
    pub(super) fn is_amid(&self) -> bool {
        self.getting.as_ref().is_some_and(|getting| getting.offset > 0)
    }

    /// Returns whether the host is given none, and wants none.
    pub(super) fn is_idle(&self) -> bool {
        self.getting.is_none() && self.wanted.is_empty()
    }

    /// Returns whether an answer of the log is owed.
    pub(super) fn is_waiting(&self) -> bool {
        !self.putting.is_empty()
    }

    /// Passes a piece of the host's on to the log.
    pub(super) fn put(
        &mut self,
        id: BlobId,
        total: u64,
        offset: u64,
        bytes: Vec<u8>,
        calls: &mut Calls,
        now_us: u64,
    ) {
        let end = offset + bytes.len() as u64;
        self.begun += u64::from(offset == 0);
        if self.putting.is_empty() {
            self.kept_us = now_us;
        }
        self.putting_bytes += bytes.len();
        self.putting.push_back(Putting {
            id,
            end,
            bytes: bytes.len(),
            is_last: end == total,
            is_kept: false,
        });
        calls.push(LogCall::Put { id, total, offset, bytes });
    }

    /// Takes it that the log keeps a piece. A log may keep two pictures in the other order; batches wait for them in the host's.
    pub(super) fn note_kept(&mut self, id: BlobId, end: u64, now_us: u64) {
        let is_it = |piece: &&mut Putting| (piece.id, piece.end, piece.is_kept) == (id, end, false);
        let Some(piece) = self.putting.iter_mut().find(is_it) else { return };
        piece.is_kept = true;
        self.kept_us = now_us;
        while let Some(piece) = self.putting.front().filter(|piece| piece.is_kept) {
            self.putting_bytes -= piece.bytes;
            self.kept += u64::from(piece.is_last);
            self.putting.pop_front();
        }
    }

    /// Returns whether the log has not kept what it was given for too long.
    pub(super) fn is_late(&self, now_us: u64) -> bool {
        !self.putting.is_empty() && now_us >= self.kept_us + RELAY_SILENT_US
    }

    /// Takes the host's wish for a picture; false if it has too many.
    pub(super) fn want(&mut self, id: BlobId) -> bool {
        if !self.wanted.contains(&id) {
            self.wanted.push_back(id);
        }
        self.wanted.len() <= PEER_WANTS_MAX
    }

    /// Takes a piece from the log.
    pub(super) fn piece(&mut self, id: BlobId, total: u64, offset: u64, bytes: Vec<u8>) {
        let Some(getting) = &mut self.getting else { return };
        let is_due = getting.id == id && getting.offset == offset && !bytes.is_empty();
        if is_due && matches!(getting.from, Source::Log { .. }) {
            getting.piece = Some((total, bytes));
        }
    }

    /// Takes it that the log does not have a picture: hosts are asked.
    pub(super) fn no_picture(&mut self, id: BlobId, now_us: u64) {
        if let Some(getting) = self.getting.as_mut().filter(|getting| getting.id == id) {
            getting.is_not_in_log = true;
            if matches!(getting.from, Source::Log { .. }) {
                getting.from = Source::Pause { until_us: now_us, tries: 0 };
            }
        }
    }

    /// Takes a host's answer, if it is one to this question.
    pub(super) fn answered(&mut self, token: u64, answer: &[u8], now_us: u64) {
        let Some(getting) = &mut self.getting else { return };
        let Source::Asked { token: asked, whom, tries, .. } = getting.from else { return };
        if asked != token {
            return;
        }
        match Answer::decode(answer) {
            Some(Answer::Piece { total, offset, bytes })
                if offset == getting.offset && !bytes.is_empty() && offset + bytes.len() as u64 <= total =>
            {
                getting.piece = Some((total, bytes));
                getting.from = Source::Pause { until_us: now_us, tries };
            }
            _ => {
                getting.without.extend(whom);
                getting.from = Source::Pause { until_us: now_us + RELAY_PAUSE_US_MIN, tries: tries + 1 };
            }
        }
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let putting = (!self.putting.is_empty()).then_some(self.kept_us + RELAY_SILENT_US);
        let getting = self.getting.as_ref().map(|getting| match getting.from {
            Source::Log { late_us } => late_us.min(getting.gone_us),
            Source::Asked { late_us, .. } => late_us,
            Source::Pause { until_us, .. } => until_us,
        });
        putting.into_iter().chain(getting).min()
    }

    /// Brings what the host wants, as far as there is room.
    pub(super) fn turn(&mut self, session: &mut Session, members: &Members, calls: &mut Calls, now_us: u64) {
        while session.has_room() {
            let Some(getting) = &mut self.getting else {
                let Some(id) = self.wanted.pop_front() else { return };
                self.getting = Some(Getting::begin(id, calls, now_us));
                return;
            };
            let Some((total, bytes)) = getting.piece.take() else {
                return self.ask(session, members, calls, now_us);
            };
            session.send_blob(&getting.id, total, getting.offset, &bytes);
            getting.offset += bytes.len() as u64;
            getting.gone_us = now_us + RELAY_PICTURE_US;
            if getting.offset == total {
                self.getting = None;
            } else if let Source::Log { .. } = getting.from {
                getting.ask_log(calls, now_us);
            }
        }
    }

    /// Asks a host for the next piece, or gives the picture up.
    fn ask(&mut self, session: &mut Session, members: &Members, calls: &mut Calls, now_us: u64) {
        let Some(getting) = &mut self.getting else { return };
        if getting.is_nowhere(members, now_us) || now_us >= getting.gone_us {
            if getting.offset > 0 {
                return session.fail(format!("the rest of the picture {} does not come", getting.id));
            }
            session.send_blob_gone(&getting.id);
            self.gone += 1;
            self.getting = None;
            return;
        }
        match getting.from {
            Source::Pause { until_us, tries } if until_us <= now_us => {
                let here: Vec<NodeId> = members.here(now_us).collect();
                if tries >= here.len().max(1) && !getting.is_not_in_log {
                    return getting.ask_log(calls, now_us);
                }
                let (token, to) = (calls.token(), here.get(tries % here.len().max(1)).copied());
                let question = Question::Picture { id: getting.id, offset: getting.offset }.encode();
                calls.push(LogCall::Ask { token, to, question });
                getting.from = Source::Asked { token, whom: to, late_us: now_us + RELAY_LATE_US, tries };
            }
            Source::Asked { late_us, tries, .. } if late_us <= now_us => {
                getting.from = Source::Pause { until_us: now_us, tries: tries + 1 };
            }
            Source::Log { late_us } if late_us <= now_us => {
                getting.silences += 1;
                getting.from = Source::Pause { until_us: now_us, tries: 0 };
            }
            _ => {}
        }
    }
}

impl Getting {
    /// Asks the log for the first piece of a picture.
    fn begin(id: BlobId, calls: &mut Calls, now_us: u64) -> Self {
        let mut getting = Self {
            id,
            offset: 0,
            piece: None,
            from: Source::Log { late_us: now_us },
            silences: 0,
            is_not_in_log: false,
            without: Vec::new(),
            unsure_us: now_us + RELAY_UNSURE_US,
            gone_us: now_us + RELAY_PICTURE_US,
        };
        getting.ask_log(calls, now_us);
        getting
    }

    /// Asks the log for the next piece. It gets more time after each silence: to ask again may begin its work anew.
    fn ask_log(&mut self, calls: &mut Calls, now_us: u64) {
        calls.push(LogCall::Get { id: self.id, offset: self.offset });
        self.from = Source::Log { late_us: now_us + (RELAY_SILENT_US << self.silences.min(3)) };
    }

    /// Returns whether neither the log has it nor any host: all that there are have been heard and asked, and none is away.
    fn is_nowhere(&self, members: &Members, now_us: u64) -> bool {
        self.is_not_in_log
            && !self.without.is_empty()
            && now_us >= self.unsure_us
            && members.has_heard_all(now_us)
            && members.iter().all(|(node, _)| members.is_here(node, now_us) && self.without.contains(&node))
    }
}
