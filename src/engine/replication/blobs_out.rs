//! Blobs on their way to the peer: those that it asked for, and those that a batch or a snapshot names.
//!
//! One is under way at a time. Its content is checked against its name before any of it goes.

use std::collections::VecDeque;

use crate::app::naming;
use crate::base::blob::BlobId;
use crate::base::limits::{PEER_PIECE_BYTES, PEER_RECENT_BLOBS, PEER_WANTS_MAX};
use crate::base::sha256::Sha256;
use crate::engine::shared::Shared;
use crate::log::blobs::check::Fault;
use crate::log::blobs::store::BlobReader;
use crate::peer::session::Session;

/// The blobs of one session.
#[derive(Default)]
pub(super) struct BlobsOut {
    /// Those that the peer asked for.
    wanted: VecDeque<BlobId>,
    /// The one under way.
    current: Option<BlobOut>,
    /// Those that were sent lately: they need not go twice.
    recent: VecDeque<BlobId>,
}

struct BlobOut {
    id: BlobId,
    reader: Box<dyn BlobReader>,
    offset: u64,
    content: Sha256,
    /// It was read to its end, and is what its name says.
    is_checked: bool,
}

impl BlobOut {
    /// Returns the next piece, with its place. With the last one the content is found to be what the name says.
    fn read(&mut self) -> std::io::Result<(u64, Vec<u8>)> {
        let offset = self.offset;
        let length = (self.reader.size_bytes() - offset).min(PEER_PIECE_BYTES as u64);
        let mut piece = vec![0; usize::try_from(length).expect("a piece")];
        self.reader.read_at(&mut piece, offset)?;
        self.content.update(&piece);
        self.offset += length;
        match self.is_read() && self.content.hash() != self.id.0 {
            true => Err(std::io::ErrorKind::InvalidData.into()),
            false => Ok((offset, piece)),
        }
    }

    fn is_read(&self) -> bool {
        self.offset == self.reader.size_bytes()
    }
}

impl BlobsOut {
    /// Takes the peer's wish for a blob. It may come by itself meanwhile, or the question twice.
    pub(super) fn want(&mut self, id: BlobId, session: &mut Session) {
        if self.wanted.contains(&id) {
            return;
        }
        if self.wanted.len() >= PEER_WANTS_MAX {
            session.fail(format!("the peer wants more than {PEER_WANTS_MAX} blobs at once"));
        } else {
            self.wanted.push_back(id);
        }
    }

    /// Returns whether one is under way or wanted.
    pub(super) fn has_any(&self) -> bool {
        self.current.is_some() || !self.wanted.is_empty()
    }

    /// Goes on with the one under way, or begins the next one that is wanted; gives the bytes that were read and not sent.
    pub(super) fn step(&mut self, shared: &Shared, session: &mut Session) -> u64 {
        if let Some(blob) = self.current.take() {
            return self.go_on(shared, session, blob);
        }
        if let Some(id) = self.wanted.pop_front() {
            self.begin(shared, session, id);
        }
        0
    }

    /// Begins a blob, unless it was sent lately.
    pub(super) fn send_once(&mut self, shared: &Shared, session: &mut Session, id: BlobId) {
        if !self.recent.contains(&id) {
            self.begin(shared, session, id);
        }
    }

    /// Begins a blob; none may be under way.
    pub(super) fn begin(&mut self, shared: &Shared, session: &mut Session, id: BlobId) {
        debug_assert!(self.current.is_none(), "one at a time");
        match open(shared, &id) {
            Ok(reader) if reader.size_bytes() > 0 => {
                // What is in one piece is read once, and checked before it goes.
                let is_checked =
                    reader.size_bytes() <= PEER_PIECE_BYTES as u64 || shared.blobs.checks_contents();
                self.current =
                    Some(BlobOut { id, reader, offset: 0, content: Sha256::default(), is_checked });
            }
            Ok(_) => self.pass_over(shared, session, id, Fault::Damaged),
            Err(error) => self.cannot_read(shared, session, id, &error),
        }
    }

    /// Checks the next piece, or sends it; gives the bytes that were only checked. Of a long blob nothing goes before all of it was
    /// checked: the peer takes another content for a breach, and half of one can't be taken back.
    fn go_on(&mut self, shared: &Shared, session: &mut Session, mut blob: BlobOut) -> u64 {
        let (id, has_begun) = (blob.id, blob.is_checked && blob.offset > 0);
        match blob.read() {
            Ok((_, piece)) if !blob.is_checked => {
                if blob.is_read() {
                    (blob.offset, blob.content, blob.is_checked) = (0, Sha256::default(), true);
                }
                self.current = Some(blob);
                return piece.len() as u64;
            }
            Ok((offset, piece)) => {
                session.send_blob(&id, blob.reader.size_bytes(), offset, &piece);
                if !blob.is_read() {
                    self.current = Some(blob);
                    return 0;
                }
                self.recent.push_back(id);
                if self.recent.len() > PEER_RECENT_BLOBS {
                    self.recent.pop_front();
                }
            }
            Err(error) if !has_begun => self.cannot_read(shared, session, id, &error),
            Err(error) => {
                // It was sound a moment ago. The next session passes it over.
                if let Some(fault) = Fault::of(&error) {
                    shared.blobs.faults().note(id, fault);
                }
                session.fail(format!("this host can't read the blob {id} to its end: {error}"));
            }
        }
        0
    }

    /// Handles a blob that can't be read from its beginning.
    fn cannot_read(&mut self, shared: &Shared, session: &mut Session, id: BlobId, error: &std::io::Error) {
        match Fault::of(error) {
            Some(fault) => self.pass_over(shared, session, id, fault),
            None => session.fail(format!("this host can't read the blob {id}: {error}")),
        }
    }

    /// Tells the peer that it gets no content for a blob that is gone or damaged, which keeps nothing else from it. It may keep the
    /// word for a later batch (it asked twice), so the content has to come with that one again.
    fn pass_over(&mut self, shared: &Shared, session: &mut Session, id: BlobId, fault: Fault) {
        // Never both locks at once.
        if naming::is_named(&shared.applied, &id).unwrap_or(true) {
            shared.blobs.faults().note(id, fault);
        }
        self.recent.retain(|recent| *recent != id);
        session.send_blob_gone(&id);
    }
}

/// Opens a blob, or a run of that name.
fn open(shared: &Shared, id: &BlobId) -> std::io::Result<Box<dyn BlobReader>> {
    match (shared.blobs.open(id), &shared.shelf) {
        (Err(error), Some(shelf)) if error.kind() == std::io::ErrorKind::NotFound => shelf.blobs().open(id),
        (opened, _) => opened,
    }
}
