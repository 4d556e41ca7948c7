//! What records say of pictures: of those in memory, and of those that are not, because they have not come yet, or are on the disk.

use crate::app::aging::Aging;
use crate::app::heal::Heal;
use crate::app::references::References;
use crate::app::state::{Entry, RestoreError, State};
use crate::apps::thumbs::tag::THUMBS_CUT;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{NodeId, Origin, Seq};

use super::item::{Item, Joined, Outcome, Progress};
use super::record::{Change, Picture, Place, Thumbnail};
use super::state::{Early, Key, ThumbsState};
use super::{sample, snapshot};

impl ThumbsState {
    /// Takes a picture that was handed in. `known` is its thumbnail, if there is one already: nobody keeps its content then.
    pub(super) fn submit(&mut self, at: &Entry, picture: Picture, known: Option<Thumbnail>) {
        let place = (at.origin, at.seq);
        let seen = self.seen.entry(at.origin).or_default();
        *seen = at.seq.max(*seen);
        // A stream is in order: what was said of an earlier place was said of no picture.
        while let Some((&passed, _)) = self.early.range((at.origin, 0)..place).next() {
            self.forget_early(passed);
        }
        if self.floors.cover(at.origin, at.seq) {
            return self.references.pass(known.map_or(picture.raw, |known| known.blob));
        }
        let mut progress = match self.early.remove(&place) {
            None => Progress::default(),
            Some(Early::Progress(progress)) => progress,
            Some(Early::Deleted) => {
                let brought = known.map_or(picture.raw, |known| known.blob);
                return self.references.pass(brought);
            }
        };
        // The item counts it from now on.
        let early = progress.outcome.as_ref().and_then(Outcome::thumbnail);
        let joined = known.map(|known| progress.end(Outcome::Done(known)));
        let is_open = self.insert(Key { time_us: at.time_us, place }, Item { picture, progress });
        if let Some(early) = early {
            self.references.remove(early.blob);
        }
        match joined {
            Some(Joined { named: None, released: Some(released) }) => self.references.pass(released.blob),
            Some(_) => {}
            None if is_open => self.watch.notify(),
            None => self.references.pass(picture.raw),
        }
    }

    pub(super) fn attempt(&mut self, place: Place, node: NodeId) {
        if self.is_cut(place) {
            return;
        }
        if self.is_early(place) {
            if let Some(progress) = self.early_progress(place) {
                progress.attempt(node);
            }
        } else if let Some(item) = self.by_place.get(&place).and_then(|key| self.items.get_mut(key)) {
            item.progress.attempt(node);
        }
    }

    pub(super) fn end(&mut self, place: Place, outcome: Outcome) {
        if !self.is_cut(place) && self.is_early(place) {
            return self.end_early(place, outcome);
        }
        let Some(key) = self.by_place.get(&place).copied() else {
            if self.old.has(&place) {
                return self.end_late(place, outcome);
            }
            // It was deleted, or never was.
            if let Some(thumbnail) = outcome.thumbnail() {
                self.references.pass(thumbnail.blob);
            }
            return;
        };
        let Some(item) = self.items.get_mut(&key) else { return };
        let (picture, was_open) = (item.picture, item.progress.outcome.is_none());
        let Joined { named, released } = item.progress.end(outcome);
        if let Some(named) = named {
            self.name(&picture, named);
        }
        match (named, released) {
            (Some(_), Some(released)) => {
                self.references.remove(released.blob);
                self.uncount(&picture, released);
            }
            (None, Some(released)) => self.references.pass(released.blob),
            _ => {}
        }
        if was_open {
            self.references.remove(picture.raw);
            self.close(&key);
            self.watch.ended(picture.uuid);
        }
    }

    pub(super) fn delete(&mut self, place: Place) {
        if !self.is_cut(place) && self.is_early(place) {
            self.forget_early(place);
            self.early.insert(place, Early::Deleted);
            return;
        }
        self.take_away(place);
    }

    fn take_away(&mut self, place: Place) {
        let Some((key, item)) = self.take_out(place) else {
            self.old.remove(place);
            return self.forget_late(place);
        };
        match item.progress.outcome {
            None => {
                self.references.remove(item.picture.raw);
                self.close(&key);
            }
            Some(Outcome::Done(thumbnail)) => {
                self.references.remove(thumbnail.blob);
                self.uncount(&item.picture, thumbnail);
            }
            Some(Outcome::Failed(_)) => {}
        }
        self.watch.ended(item.picture.uuid);
    }

    fn is_cut(&self, (origin, seq): Place) -> bool {
        self.floors.cover(origin, seq)
    }

    pub(super) fn cut(&mut self, record: &[u8]) {
        for (origin, floor) in self.floors.raise(record) {
            let range = (origin, 0)..=(origin, floor);
            let said: Vec<Place> = self.early.range(range.clone()).map(|(place, _)| *place).collect();
            said.into_iter().for_each(|place| self.forget_early(place));
            let late: Vec<Place> = self.late.range(range.clone()).map(|(place, _)| *place).collect();
            late.into_iter().for_each(|place| self.forget_late(place));
            self.old.remove_up_to(origin, floor);
            let gone: Vec<Place> = self.by_place.range(range).map(|(place, _)| *place).collect();
            gone.into_iter().for_each(|place| self.take_away(place));
        }
    }

    /// Forgets what was said of a picture that does not come.
    pub(super) fn forget_early(&mut self, place: Place) {
        if let Some(Early::Progress(Progress { outcome: Some(Outcome::Done(thumbnail)), .. })) =
            self.early.remove(&place)
        {
            self.references.remove(thumbnail.blob);
        }
    }

    /// Returns whether a word about `place` comes before its picture.
    pub(super) fn is_early(&self, (origin, seq): Place) -> bool {
        self.seen.get(&origin).map_or_else(|| !self.folds.contains(origin), |seen| *seen < seq)
    }

    pub(super) fn early_progress(&mut self, place: Place) -> Option<&mut Progress> {
        match self.early.entry(place).or_insert_with(|| Early::Progress(Progress::default())) {
            Early::Progress(progress) => Some(progress),
            Early::Deleted => None,
        }
    }

    /// Takes a word about the end of a picture that has not come yet.
    pub(super) fn end_early(&mut self, place: Place, outcome: Outcome) {
        let came = outcome.thumbnail();
        match self.early_progress(place).map(|progress| progress.end(outcome)) {
            Some(joined) => self.count_waiting(joined),
            None => {
                if let Some(came) = came {
                    self.references.pass(came.blob);
                }
            }
        }
    }

    /// Takes a word about the end of a picture that is on the disk.
    pub(super) fn end_late(&mut self, place: Place, outcome: Outcome) {
        let joined = self.late.entry(place).or_default().end(outcome);
        self.count_waiting(joined);
    }

    /// Counts what a word names that waits for its picture.
    fn count_waiting(&mut self, Joined { named, released }: Joined) {
        if let Some(named) = named {
            self.references.add(named.blob);
        }
        match (named, released) {
            (Some(_), Some(released)) => self.references.remove(released.blob),
            (None, Some(released)) => self.references.pass(released.blob),
            _ => {}
        }
    }

    /// Forgets what was said of a picture on the disk that is gone.
    pub(super) fn forget_late(&mut self, place: Place) {
        let thumbnail = self.late.remove(&place).and_then(|said| said.thumbnail());
        if let Some(thumbnail) = thumbnail {
            self.references.remove(thumbnail.blob);
        }
    }

    /// Puts a picture that was on the disk into memory again, with what was said of it since.
    pub(super) fn bring_back(&mut self, key: Key, item: Item) {
        self.insert(key, item);
        let Some(Progress { outcome: Some(outcome), .. }) = self.late.remove(&key.place) else { return };
        let waiting = outcome.thumbnail();
        self.end(key.place, outcome);
        if let Some(waiting) = waiting {
            self.references.remove(waiting.blob);
        }
    }
}

impl State for ThumbsState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::thumbs::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::thumbs::tag::RECORD_BYTES_MAX
    }

    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        if record.first() == Some(&THUMBS_CUT) {
            self.cut(record);
            return None;
        }
        match Change::read(record)? {
            Change::Submit(picture) => self.submit(at, picture, None),
            Change::Known(picture, thumbnail) => self.submit(at, picture, Some(thumbnail)),
            Change::Attempt(place) => self.attempt(place, at.origin.node),
            Change::Done(place, thumbnail) => self.end(place, Outcome::Done(thumbnail)),
            Change::Failed(place, reason) => self.end(place, Outcome::Failed(reason)),
            Change::Delete(place) => self.delete(place),
        }
        None
    }

    fn blobs_of(&self, record: &[u8], visit: &mut dyn FnMut(BlobId)) {
        match Change::read(record) {
            Some(Change::Submit(picture)) => visit(picture.raw),
            Some(Change::Known(_, thumbnail) | Change::Done(_, thumbnail)) => visit(thumbnail.blob),
            _ => {}
        }
    }

    fn references(&self) -> Option<&References> {
        Some(&self.references)
    }

    fn references_mut(&mut self) -> Option<&mut References> {
        Some(&mut self.references)
    }

    fn heal(&mut self, heal: &Heal, _just: Option<&Entry>) {
        let range = (heal.origin, heal.first)..=(heal.origin, heal.last);
        let is_later = |key: &Key| key.time_us > heal.time_us;
        let moved: Vec<Key> = self.by_place.range(range).map(|(_, key)| *key).filter(is_later).collect();
        moved.into_iter().for_each(|key| self.move_to(key, heal.time_us));
    }

    fn data_bytes(&self) -> u64 {
        // As the sum of all of them in memory would wrap.
        self.bytes.wrapping_add(self.old.amounts().bytes)
    }

    fn contents_bytes(&self) -> u64 {
        self.data_bytes()
    }

    fn aging(&self) -> Option<&dyn Aging> {
        Some(self)
    }

    fn aging_mut(&mut self) -> Option<&mut dyn Aging> {
        Some(self)
    }

    fn take_folds(&mut self, streams: &[Origin], all: &Folds) {
        self.folds = all.clone();
        self.floors.take_folds(all);
        for origin in streams {
            self.seen.remove(origin);
            // What was said of a place of theirs that holds no picture was said of none.
            let of_stream = self.early.range((*origin, 0)..=(*origin, Seq::MAX)).map(|(place, _)| *place);
            let passed: Vec<Place> = of_stream.collect();
            passed.into_iter().for_each(|place| self.forget_early(place));
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        snapshot::push(self, out);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        // Those who wait go on waiting at the same place.
        let watch = self.watch.clone();
        *self = snapshot::read(bytes).ok_or(RestoreError)?;
        self.watch = watch;
        self.watch.notify();
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        sample::of(self, seed)
    }
}
