//! What comes in: batches on their way to the inbox, each behind the blobs that it names; and a snapshot.

use std::collections::VecDeque;
use std::sync::Arc;

use super::access::peering_of;
use crate::app::{naming, old};
use crate::base::batch::BatchHeader;
use crate::base::blob::BlobId;
use crate::base::limits::PEER_FRESH_BLOBS_MAX;
use crate::base::streams::Streams;
use crate::base::tag::app;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::inbox::Arrived;
use crate::engine::shared::peering::joining::Join;
use crate::log::blobs::faults::Faults;
use crate::log::blobs::{Blobs, Pin, Writer};
use crate::log::runs::footer::is_run;
use crate::log::runs::run::Run;
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot::Snapshot;
use crate::peer::session::Session;

/// What is being taken.
#[derive(Default)]
pub(super) struct Taking {
    /// Batches, the first of which waits for a blob.
    waiting: VecDeque<Waiting>,
    /// The blob that was asked for.
    asked: Option<BlobId>,
    /// The blob that was asked for because it is missing or damaged here, though a record names it.
    mending: Option<BlobId>,
    /// Its pieces are passed over: they can't be kept, and no batch waits for it.
    is_refused: bool,
    writer: Option<Writer>,
    /// Blobs that no batch has named yet: those of the next one.
    fresh: VecDeque<Pin>,
    /// Blobs that came whole on this connection.
    kept: u64,
    /// Blobs that the peer does not have any more.
    gone: VecDeque<BlobId>,
    snapshot: Option<(Streams, Vec<u8>)>,
    join: Option<Join>,
    is_held: bool,
}

struct Waiting {
    batch: Arrived,
    blobs: Vec<BlobId>,
}

impl Taking {
    /// Returns whether a snapshot waits to be adopted.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    pub(super) fn is_in_snapshot(&self) -> bool {
        self.snapshot.is_some() || self.is_held
    }

    /// Blobs that came whole on this connection, each of which is on the disk.
    pub(super) fn blobs_kept(&self) -> u64 {
        self.kept
    }

    pub(super) fn take_join(&mut self) -> Option<Join> {
        self.join.take()
    }

    /// Goes on after a snapshot that is adopted, or never will be.
    pub(super) fn release(&mut self) {
        self.is_held = false;
    }

    /// Ends taking: the session is over.
    pub(super) fn end(&mut self) {
        *self = Self { kept: self.kept, ..Self::default() };
    }

    /// Takes a batch that came.
    pub(super) fn batch(
        &mut self,
        shared: &Shared,
        session: &mut Session,
        header: BatchHeader,
        body: Vec<u8>,
    ) {
        let mut blobs = Vec::new();
        let applied = shared.applied.read();
        applied.blobs_of_batch(&body, &mut |id| blobs.push(id));
        drop(applied);
        self.waiting.push_back(Waiting { batch: Arrived { header, body }, blobs });
        self.pass_on(shared, session);
    }

    /// Takes a piece of a blob; with the last one the session has checked the content.
    pub(super) fn blob(
        &mut self,
        shared: &Shared,
        session: &mut Session,
        id: BlobId,
        bytes: &[u8],
        is_last: bool,
    ) {
        let only_mends = self.mending == Some(id) && self.asked != Some(id);
        if only_mends && self.is_refused {
            if is_last {
                (self.mending, self.is_refused) = (None, false);
            }
            return;
        }
        match self.take_piece(shared, bytes, is_last) {
            Ok(()) if is_last => {
                self.gone.retain(|gone| *gone != id);
                self.asked.take_if(|asked| *asked == id);
                if self.mending.take_if(|mending| *mending == id).is_some() {
                    // A record names it already, which keeps it.
                    self.fresh.retain(|pin| pin.id() != id || !only_mends);
                    note_mended(shared, &id);
                }
                self.pass_on(shared, session);
            }
            Ok(()) => {}
            Err(error) if only_mends => {
                self.is_refused = !is_last;
                self.mending.take_if(|_| is_last);
                tracing::warn!(blob = %id, %error, "can't keep a content that was missing or damaged here");
            }
            Err(error) => session.fail(format!("this host can't keep the blob {id}: {error}")),
        }
    }

    fn take_piece(&mut self, shared: &Shared, bytes: &[u8], is_last: bool) -> std::io::Result<()> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => store_of(shared, bytes).writer()?,
        };
        writer.write(bytes)?;
        if !is_last {
            self.writer = Some(writer);
            return Ok(());
        }
        self.fresh.push_back(writer.finish()?);
        self.kept += 1;
        if self.fresh.len() > PEER_FRESH_BLOBS_MAX && self.snapshot.is_none() {
            self.fresh.pop_front();
        }
        Ok(())
    }

    /// Notes that the peer does not have a blob any more.
    pub(super) fn blob_gone(&mut self, shared: &Shared, session: &mut Session, id: BlobId) {
        let was_asked = self.asked.take_if(|asked| *asked == id).is_some();
        if self.mending.take_if(|mending| *mending == id).is_some() {
            tell_gone(shared, &id);
            if !was_asked {
                return;
            }
        }
        self.gone.push_back(id);
        if self.gone.len() > PEER_FRESH_BLOBS_MAX {
            self.gone.pop_front();
        }
        self.pass_on(shared, session);
    }

    /// Asks the peer for a blob or a run that is missing or damaged here, one at a time and while no batch waits for another one.
    pub(super) fn mend(&mut self, shared: &Shared, session: &mut Session) {
        let has_other_work = self.mending.is_some() || self.asked.is_some() || self.is_in_snapshot();
        if has_other_work || shared.space.is_joining() || shared.space.is_short() {
            return;
        }
        self.mending = next_to_mend(shared);
        self.mending.iter().for_each(|id| session.want(id));
    }

    /// Hands batches to the commit step, up to one whose blobs are not all there.
    fn pass_on(&mut self, shared: &Shared, session: &mut Session) {
        while let Some(first) = self.waiting.pop_front() {
            let pins = match self.pins_of(shared, &first.blobs) {
                Ok(Ok(pins)) => pins,
                Ok(Err(missing)) => {
                    self.waiting.push_front(first);
                    if self.asked.replace(missing) != Some(missing) && self.mending != Some(missing) {
                        session.want(&missing);
                    }
                    return;
                }
                Err(error) => return session.fail(format!("this host can't look for blobs: {error}")),
            };
            let header = first.batch.header;
            let peering = peering_of(shared);
            if !pins.is_empty() {
                peering.pin(header.origin, header.last_seq(), pins);
            }
            if peering.inbox.push(first.batch).is_err() {
                return session.fail("more came than there is room for".to_owned());
            }
        }
    }

    /// Pins of all these blobs, or the first one that is missing. Those that are gone need none.
    fn pins_of(&mut self, shared: &Shared, ids: &[BlobId]) -> std::io::Result<Result<Vec<Pin>, BlobId>> {
        let mut pins = Vec::with_capacity(ids.len());
        let mut excused = Vec::new();
        for &id in ids {
            match shared.blobs.pin_present(&id)? {
                Some(pin) => pins.push(pin),
                None if self.gone.contains(&id) => excused.push(id),
                None => return Ok(Err(id)),
            }
        }
        // Only this batch is excused: one that names the same content later may come with it.
        self.gone.retain(|id| !excused.contains(id));
        self.fresh.retain(|pin| !ids.contains(&pin.id()));
        Ok(Ok(pins))
    }

    pub(super) fn snapshot_begins(&mut self, starts: Streams) {
        self.snapshot = Some((starts, Vec::new()));
    }

    pub(super) fn snapshot_part(&mut self, shared: &Shared, session: &mut Session, total: u64, bytes: &[u8]) {
        let Some((_, content)) = &mut self.snapshot else { return };
        content.extend_from_slice(bytes);
        if (content.len() as u64) < total {
            return;
        }
        let Some((starts, content)) = self.snapshot.take() else { return };
        match Snapshot::decode(&content) {
            Some(snapshot) if snapshot.cluster == shared.cluster && covers(&snapshot.streams, &starts) => {
                let runs = match runs_of(shared, &snapshot) {
                    Ok(runs) => runs,
                    Err(error) => return session.fail(format!("old items did not come whole: {error}")),
                };
                self.is_held = true;
                self.join = Some(Join { starts, snapshot, blobs: self.fresh.drain(..).collect(), runs });
            }
            _ => session.fail("the snapshot that came is none of this cluster's".to_owned()),
        }
    }
}

/// Returns where a content is kept that begins with these bytes: pictures never begin as runs do.
fn store_of<'a>(shared: &'a Shared, first: &[u8]) -> &'a Arc<Blobs> {
    let shelf = shared.shelf.as_ref().filter(|_| is_run(first));
    shelf.map_or(&shared.blobs, Shelf::blobs)
}

/// Opens the runs that a snapshot names, which came before it, so that the commit step need not wait for the disk.
fn runs_of(shared: &Shared, snapshot: &Snapshot) -> std::io::Result<Vec<Arc<Run>>> {
    let (Some(section), Some(shelf)) = (snapshot.section(app::RUNS), &shared.shelf) else {
        return Ok(Vec::new());
    };
    let named = old::named_in(section).ok_or(std::io::ErrorKind::InvalidData)?;
    named.iter().map(|id| shelf.open(id)).collect()
}

/// Returns whether a snapshot stands at or behind the place where batches start.
fn covers(snapshot: &Streams, starts: &Streams) -> bool {
    snapshot.vector().covers(&starts.vector())
}

/// Returns a blob or a run that is missing or damaged here, and for which the peer was not asked yet. What nobody needs any more is
/// forgotten.
fn next_to_mend(shared: &Shared) -> Option<BlobId> {
    let blobs = shared.blobs.faults();
    if let Some(id) = blobs.take_unasked() {
        let is_named = naming::is_named(&shared.applied, &id).unwrap_or(true);
        return if_needed(blobs, id, is_named);
    }
    let runs = shared.shelf.as_ref()?.blobs().faults();
    let id = runs.take_unasked()?;
    let has_run = naming::has_run(&shared.applied.read(), &id);
    if_needed(runs, id, has_run)
}

fn if_needed(faults: &Faults, id: BlobId, is_needed: bool) -> Option<BlobId> {
    if !is_needed {
        faults.clear(&id);
    }
    is_needed.then_some(id)
}

/// Asks the peer again for what it did not have: it may by now.
pub(super) fn ask_again(shared: &Shared) {
    shared.blobs.faults().ask_again();
    shared.shelf.iter().for_each(|shelf| shelf.blobs().faults().ask_again());
}

/// Counts what came, and has a run read from the file that came.
fn note_mended(shared: &Shared, id: &BlobId) {
    shared.metrics.scrub.mended.add(1);
    tracing::info!(blob = %id, "fetched a content that was missing or damaged here from the peer");
    if let Some(Err(error)) = shared.shelf.as_ref().map(|shelf| shelf.renew(id)) {
        tracing::warn!(run = %id, %error, "can't open the run that came; it is read from its file after the next start");
    }
}

/// Logs that the peer can't mend something.
fn tell_gone(shared: &Shared, id: &BlobId) {
    if naming::has_run(&shared.applied.read(), id) {
        tracing::error!(
            run = %id,
            "a run of old items is damaged here, and the peer does not have the same one: put a sound copy from a backup in its \
             place, or set this host up again from its peer"
        );
    } else {
        tracing::error!(
            blob = %id,
            "a content is missing or damaged here, and the peer does not have it either: post it again, or take it from a \
             backup"
        );
    }
}
