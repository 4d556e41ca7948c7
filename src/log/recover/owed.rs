//! What a start owes the disk: nothing of it is needed to serve reads, all of it before anything is written.
//!
//! ```text
//! identity with the new start, under another name -> copy of the torn tail -> zeros in its place
//!   -> the tail that nothing says was durable, once more -> the identity's name
//! ```
//!
//! While it is owed, the torn tail is as if it were not there, since nobody reads beyond the journal's end. It may be
//! tried again; a try that fails for want of room leaves the directory as it was.

use std::io;
use std::sync::Arc;

use super::anchor;
use super::cut;
use super::outcome::RecoverError;
use super::replay::Segments;
use super::tear::Torn;
use super::unfinished::remove_unfinished;
use crate::base::ids::Position;
use crate::log::files::identity::{IDENTITY_NAME, Identity};
use crate::log::files::whole_file;
use crate::log::format::segment::Layout;
use crate::log::write::spare::ReadyFiles;
use crate::os::disk::{Access, Disk, is_bad_medium, is_failed_sync, is_no_space};

/// The debt of one start.
pub struct Owed {
    pub(in crate::log) disk: Arc<dyn Disk>,
    /// With this start's number.
    pub(in crate::log) identity: Identity,
    /// What is cut off behind the end.
    pub(in crate::log) torn: Option<Torn>,
    /// Segments up to this one are put aside, because an operator accepts the loss.
    pub(in crate::log) given_up: Option<u32>,
    /// Files that it was copied to.
    pub(in crate::log) copies: Vec<String>,
    /// Frames of which nothing says that they are durable: from where to where in each segment, oldest first.
    pub(in crate::log) unsure: Vec<(Position, Position)>,
    /// Where the journal ends.
    pub(in crate::log) end: Position,
    /// For the one who writes.
    pub(in crate::log) files: Arc<ReadyFiles>,
}

/// Something is still owed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Unsettled {
    /// What was being done.
    pub what: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
    /// A sync of a segment has failed, or its medium: it is not tried again.
    pub is_final: bool,
}

impl From<Unsettled> for RecoverError {
    fn from(Unsettled { what, source, .. }: Unsettled) -> Self {
        Self::Io { what, source }
    }
}

impl Owed {
    /// Returns the debt of a start that goes on where this process has stopped, with everything durable: its number.
    #[must_use]
    pub fn for_number(
        disk: Arc<dyn Disk>,
        identity: Identity,
        end: Position,
        files: Arc<ReadyFiles>,
    ) -> Self {
        let (torn, given_up, copies, unsure) = (None, None, Vec::new(), Vec::new());
        Self { disk, identity, torn, given_up, copies, unsure, end, files }
    }

    /// Replaces the number of the start.
    pub fn renumber(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Pays everything; gives the files that a torn tail was copied to. What an earlier process left unfinished is removed
    /// at the end, or at once where its room is needed.
    ///
    /// # Errors
    /// Fails as [`Unsettled`] says; it may be tried again unless that is final.
    pub fn settle(&mut self) -> Result<Vec<String>, Unsettled> {
        match self.try_settle() {
            Err(failed)
                if is_no_space(&failed.source)
                    && !failed.is_final
                    && remove_unfinished(&*self.disk, "").unwrap_or(false) =>
            {
                self.try_settle()
            }
            outcome => outcome,
        }
    }

    fn try_settle(&mut self) -> Result<Vec<String>, Unsettled> {
        let failed = |what| move |source| Unsettled { what, source, is_final: false };
        let disk = Arc::clone(&self.disk);
        // First the check that the directory can be written at all.
        let segments = Segments::open(&*disk, self.identity, Access::Write)
            .map_err(|error| failed("opening segments")(error.into_io()))?;
        let bytes = self.identity.encode();
        let identity = whole_file::make(&*disk, IDENTITY_NAME, |file| file.write_at(&bytes, 0))
            .map_err(failed("writing the identity"))?;
        let paid = self
            .settle_tail(&segments)
            .and_then(|()| self.open_files(&segments).map_err(failed("opening the last segment")));
        if let Err(unsettled) = paid {
            identity.discard(&*disk);
            return Err(unsettled);
        }
        let _ = remove_unfinished(&*disk, identity.unfinished());
        identity.put(&*disk, IDENTITY_NAME).map_err(failed("writing the identity"))?;
        Ok(self.copies.clone())
    }

    fn settle_tail(&mut self, segments: &Segments<'_>) -> Result<(), Unsettled> {
        const CUTTING: &str = "cutting off the journal's tail";
        if let Some(torn) = &mut self.torn {
            let copied = torn.copy(&*self.disk, segments).map(<[String]>::to_vec);
            let copied =
                copied.and_then(|copied| segments.check().map(|()| copied).map_err(RecoverError::into_io));
            self.copies = copied.map_err(|source| Unsettled { what: CUTTING, source, is_final: false })?;
            torn.clear(&*self.disk, segments).map_err(|source| of_segment(CUTTING, source))?;
        }
        self.torn = None;
        if let Some(last) = self.given_up {
            let what = "putting segments aside";
            let failed = |source| Unsettled { what, source, is_final: false };
            anchor::give_up(&*self.disk, segments, last).map_err(failed)?;
            self.given_up = None;
        }
        for &(from, to) in self.unsure.iter() {
            cut::secure(segments, from, to).map_err(|source| of_segment("writing the tail again", source))?;
        }
        self.unsure.clear();
        Ok(())
    }

    /// Opens the segment that is written next, and the one behind it if it is made already.
    fn open_files(&self, segments: &Segments<'_>) -> io::Result<()> {
        let current = Layout { segment_bytes: self.identity.segment_bytes }.segment_of(self.end);
        for number in [current, current + 1].into_iter().filter(|number| segments.numbers.contains(number)) {
            self.files.keep(number, segments.file(number)?);
        }
        Ok(())
    }
}

/// Returns an error of a segment's file. A failed sync is final, and a medium that can't take the bytes; want of room, of rights, of
/// memory or of descriptors may end.
fn of_segment(what: &'static str, source: io::Error) -> Unsettled {
    let is_final = is_failed_sync(&source) || is_bad_medium(&source);
    Unsettled { what, source, is_final }
}
