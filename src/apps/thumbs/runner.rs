//! Makes the thumbnails: what was handed in and has no end, the oldest first.
//!
//! An attempt is logged before a picture is decoded, so that a picture that takes its host with it is not tried for ever.
//! What the peer left is made here once it has been away for a while; if both hosts make one, that does no harm.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::applied::Applied;
use crate::app::applied_lock::AppliedLock;
use crate::app::background::{Background, Desk, Figure, Unlogged};
use crate::apps::declaration::Tools;
use crate::apps::pictures::thumbnail::{Fault, Order};
use crate::apps::pictures::thumbnailer::{Bounds, Failure, Thumbnailer};
use crate::apps::thumbs::limits::{THUMBS_ATTEMPTS_MAX, THUMBS_CLAIM_LOOKED_AT, THUMBS_REASON_CHARS_MAX};
use crate::base::blob::BlobId;
use crate::base::ids::NodeId;
use crate::log::blobs::Pin;
use crate::log::blobs::store::BlobReader;
use crate::os::disk::is_no_space;

use super::item::Item;
use super::old::OldPictures;
use super::record::{Change, Picture, Place, Thumbnail};
use super::settings::ThumbsSettings;
use super::state::{Key, Order as Content, ThumbsState, order_of};
use super::watch::Watch;

/// How long a thread sleeps at most while the peer has something to do: it may have been away for long enough then.
const SLEEP: Duration = Duration::from_secs(1);
/// The same while nobody has.
const LONG_SLEEP: Duration = Duration::from_secs(3_600);

/// What is said of a picture that ended its decoder, or the whole host, each time.
const ENDED_DECODER: &str = "The picture ended its decoder twice; it is not tried again";
/// What is said of a picture whose content this host does not have.
const LOST: &str = "The picture is not on this host any more";

/// What is said of a picture that its disk does not give back.
const UNREADABLE: &str = "The picture can't be read";
/// How often that is tried.
const READS: u32 = 3;

/// The service's background.
pub struct Runner {
    settings: ThumbsSettings,
    tools: Tools,
    /// What the threads have in hand: of each content one picture. The others with it have its thumbnail in a moment.
    claimed: Mutex<BTreeMap<Place, Content>>,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    done: AtomicU64,
    known: AtomicU64,
    failed: AtomicU64,
    attempts: AtomicU64,
    busy_us: AtomicU64,
}

/// A picture that one thread has in hand.
struct Task {
    place: Place,
    picture: Picture,
    /// How often this host has begun it.
    attempts: u32,
    /// The thumbnail of another picture in memory with its content.
    known: Option<Thumbnail>,
    /// Pictures on the disk, where one of them may have such a thumbnail.
    old: Option<OldPictures>,
}

/// Whether a task is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has an end, or the next look at it tells more.
    Went,
    /// Nothing can be done for the moment.
    Stuck,
}

impl Runner {
    /// Makes a runner with nothing in hand.
    #[must_use]
    pub fn new(settings: ThumbsSettings, tools: Tools) -> Self {
        Self { settings, tools, claimed: Mutex::default(), figures: Figures::default() }
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeMap<Place, Content>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the oldest picture that is for this host and whose content no thread has.
    fn claim(&self, desk: &dyn Desk) -> Option<Task> {
        let applied = desk.applied().read();
        let state = applied.state::<ThumbsState>()?;
        if state.open_count() == 0 {
            return None;
        }
        let hosts = desk.hosts(&applied);
        let own = hosts.own();
        let mut claimed = self.claimed();
        let is_free = |key: &Key| {
            let content = state.at(key.place).map(|item| order_of(&item.picture));
            content.is_some_and(|content| claimed.values().all(|other| *other != content))
        };
        let free = |node: NodeId| state.open_of(node).take(THUMBS_CLAIM_LOOKED_AT).find(is_free);
        let others = state.open_nodes().filter(|node| *node != own);
        // Its own first: those of the other may come to an end there.
        let key = free(own).or_else(|| {
            let patience_us = self.settings.takeover.as_micros() as u64;
            let mut others = others.filter(|node| hosts.falls_here(*node, patience_us)).filter_map(free);
            let first = others.next()?;
            Some(others.fold(first, Key::min))
        })?;
        let Item { picture, progress } = state.at(key.place)?;
        let order = order_of(picture);
        claimed.insert(key.place, order);
        let known = state.made(&order);
        let old = OldPictures::of(state, &applied.heals);
        Some(Task {
            place: key.place,
            picture: *picture,
            attempts: progress.attempts.get(&own).copied().unwrap_or(0),
            known,
            old: Some(old).filter(|old| known.is_none() && old.may_have_made(&order)),
        })
    }

    fn work(&self, desk: &dyn Desk, thumbnailer: &mut dyn Thumbnailer, task: &Task) -> Step {
        if let Some(step) = self.use_known(desk, task) {
            return step;
        }
        if task.attempts >= THUMBS_ATTEMPTS_MAX {
            return self.fail(desk, task.place, ENDED_DECODER);
        }
        let picture = match open(desk, &task.picture.raw) {
            Ok(picture) => picture,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.fail(desk, task.place, LOST);
            }
            Err(_) => return self.fail(desk, task.place, UNREADABLE),
        };
        if !self.log(desk, &Change::Attempt(task.place)) {
            return Step::Stuck;
        }
        self.figures.attempts.fetch_add(1, Relaxed);
        let start_us = desk.now_us();
        let order = Order {
            kind: task.picture.style.kind,
            fit: task.picture.style.fit,
            width: u32::from(task.picture.frame.width),
            height: u32::from(task.picture.frame.height),
            pixels_max: self.settings.max_pixels,
        };
        let made = make(desk, thumbnailer, &*picture, &order);
        self.figures.busy_us.fetch_add(desk.now_us() - start_us, Relaxed);
        match made {
            Ok(thumbnail) => self.finish(desk, task, &thumbnail),
            Err(Failure::Picture(fault)) => self.fail(desk, task.place, &fault.to_string()),
            Err(failure @ Failure::Killed { .. }) => {
                desk.warn(&failure.to_string());
                self.fail(desk, task.place, &Fault::TooSlow.to_string())
            }
            Err(failure @ Failure::Died { .. }) => {
                desk.warn(&failure.to_string());
                // The next look finds one attempt more.
                Step::Went
            }
            Err(Failure::Unreadable(_)) => self.fail(desk, task.place, UNREADABLE),
            Err(Failure::NoDecoder(_)) => Step::Stuck,
        }
    }

    /// Gives the picture the thumbnail of another one with the same content, if there is one here.
    fn use_known(&self, desk: &dyn Desk, task: &Task) -> Option<Step> {
        // What can't be read there is made again.
        let old = || task.old.as_ref()?.made(&order_of(&task.picture)).unwrap_or(None);
        let thumbnail = task.known.or_else(old)?;
        let pin = desk.blobs().pin_present(&thumbnail.blob).ok()??;
        self.figures.known.fetch_add(1, Relaxed);
        Some(self.end(desk, task.place, thumbnail, pin))
    }

    fn finish(&self, desk: &dyn Desk, task: &Task, content: &[u8]) -> Step {
        let pin = loop {
            match desk.keep(content) {
                Ok(pin) => break pin,
                Err(error) if is_no_space(&error) && !desk.is_over() => desk.pause(),
                Err(error) => {
                    desk.warn(&format!("a thumbnail can't be stored ({error}); it is made again"));
                    return Step::Stuck;
                }
            }
        };
        let thumbnail = Thumbnail { blob: pin.id(), bytes: content.len() as u64 };
        self.figures.done.fetch_add(1, Relaxed);
        self.end(desk, task.place, thumbnail, pin)
    }

    /// Logs the end; the pin is held until that is applied.
    fn end(&self, desk: &dyn Desk, place: Place, thumbnail: Thumbnail, pin: Pin) -> Step {
        let is_logged = self.log(desk, &Change::Done(place, thumbnail));
        drop(pin);
        if is_logged { Step::Went } else { Step::Stuck }
    }

    fn fail(&self, desk: &dyn Desk, place: Place, reason: &str) -> Step {
        let reason: String = reason.chars().take(THUMBS_REASON_CHARS_MAX).collect();
        self.figures.failed.fetch_add(1, Relaxed);
        if self.log(desk, &Change::Failed(place, reason)) { Step::Went } else { Step::Stuck }
    }

    /// Logs a change, as soon as there is room for it and the peer knows its kind; false when the server stops.
    #[allow(clippy::unused_self, reason = "beside its callers")]
    fn log(&self, desk: &dyn Desk, change: &Change) -> bool {
        loop {
            match desk.log(change.record()) {
                Ok(()) => return true,
                Err(Unlogged::NoSpace | Unlogged::TooOld) if !desk.is_over() => desk.pause(),
                Err(_) => return false,
            }
        }
    }
}

/// Opens a picture; an error other than that it is not there may pass.
fn open(desk: &dyn Desk, raw: &BlobId) -> io::Result<Box<dyn BlobReader>> {
    let mut tries = 1;
    loop {
        match desk.blobs().open(raw) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && tries < READS && !desk.is_over() => {
                desk.warn(&format!("a picture can't be read ({error}); trying again"));
                tries += 1;
                desk.pause();
            }
            opened => return opened,
        }
    }
}

/// Makes a thumbnail. What is no fault of the picture is no attempt: it is tried again, for as long as there is no decoder.
fn make(
    desk: &dyn Desk,
    thumbnailer: &mut dyn Thumbnailer,
    picture: &dyn BlobReader,
    order: &Order,
) -> Result<Vec<u8>, Failure> {
    let mut tries = 1;
    loop {
        let failure = match thumbnailer.thumbnail(picture, order) {
            Err(failure @ Failure::NoDecoder(_)) => failure,
            Err(failure @ Failure::Unreadable(_)) if tries < READS => failure,
            made => return made,
        };
        if desk.is_over() {
            return Err(failure);
        }
        if tries == 1 {
            desk.warn(&format!("{failure}; trying again"));
        }
        tries += 1;
        desk.pause();
    }
}

fn watch(applied: &AppliedLock) -> Option<Arc<Watch>> {
    Some(applied.read().state::<ThumbsState>()?.watch().clone())
}

impl Background for Runner {
    fn name(&self) -> &'static str {
        "thumbs"
    }

    fn threads(&self, job_threads: usize) -> usize {
        self.settings.workers.unwrap_or(job_threads)
    }

    fn run(&self, desk: &dyn Desk) {
        let Some(watch) = watch(desk.applied()) else { return };
        let ThumbsSettings { max_pixels, max_body_bytes, deadline, .. } = self.settings;
        let bounds = Bounds { pixels_max: max_pixels, picture_bytes_max: max_body_bytes, deadline };
        let mut thumbnailer = (self.tools.thumbnailer)(&bounds);
        while !desk.is_over() {
            let notified = watch.notified();
            match self.claim(desk) {
                Some(task) => {
                    let step = self.work(desk, &mut *thumbnailer, &task);
                    self.claimed().remove(&task.place);
                    if step == Step::Stuck {
                        desk.pause();
                    }
                }
                None => {
                    let is_idle =
                        desk.applied().read().state::<ThumbsState>().is_none_or(|of| of.open_count() == 0);
                    watch.sleep(notified, if is_idle { LONG_SLEEP } else { SLEEP });
                }
            }
        }
    }

    fn stop(&self, applied: &AppliedLock) {
        if let Some(watch) = watch(applied) {
            watch.close();
        }
    }

    fn figures(&self, applied: &Applied) -> Vec<Figure> {
        let running = self.claimed().len();
        let open = applied.state::<ThumbsState>().map_or(0, ThumbsState::open_count);
        let counters = &self.figures;
        let gauge = |name, help, value: usize| Figure { name, help, is_counter: false, value: value as f64 };
        let count = |name, help, counter: &AtomicU64| Figure {
            name,
            help,
            is_counter: true,
            value: counter.load(Relaxed) as f64,
        };
        vec![
            gauge(
                "pixeld_thumbs_queued",
                "Pictures without an end that no thread has in hand.",
                open.saturating_sub(running),
            ),
            gauge("pixeld_thumbs_running", "Pictures in hand.", running),
            count("pixeld_thumbs_done_total", "Thumbnails that this process made.", &counters.done),
            count(
                "pixeld_thumbs_known_total",
                "Queued pictures that had the content of one with a thumbnail.",
                &counters.known,
            ),
            count("pixeld_thumbs_failed_total", "Pictures that this process gave up.", &counters.failed),
            count("pixeld_thumbs_attempts_total", "Pictures that it began to decode.", &counters.attempts),
            Figure {
                value: counters.busy_us.load(Relaxed) as f64 / 1e6,
                ..count("pixeld_thumbs_seconds_total", "Time that decoding took.", &counters.busy_us)
            },
        ]
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
