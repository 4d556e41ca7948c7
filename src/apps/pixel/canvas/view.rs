//! The canvas as a view of the journal: the thread of the views draws, requests look.
//!
//! What requests need at once (bounds, counts, the cursor) is copied out whenever the thread has drawn, so that no worker ever
//! waits for the drawing; pictures are made of it on job threads.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::applied::{Applied, Batch};
use crate::app::background::Figure;
use crate::app::feed::Feed;
use crate::app::view::{Followed, LogView, Standing, Start, VIEWS_DIRECTORY, ViewDesk};
use crate::base::ids::{NodeId, Position};
use crate::log::read::scan::ReadError;

use super::super::state::PixelState;
use super::bounds::Bounds;
use super::changes::Told;
use super::checkpoint::{self, Checkpoint};
use super::cursor::Cursor;
use super::drawing::{Drawing, Moment};
use super::frames::{self, About};
use super::journal::{Journal, as_applied};
use super::limits::{
    ALIVE_EVERY_US, CHECKPOINT_EVERY_US, CHECKPOINT_RECORDS, CHECKPOINT_RECORDS_AT_END, INTEREST_US,
    TROUBLE_TOLD_US,
};
use super::pictures::Pictures;
use super::scratch::Scratch;
use super::tiles::Tiles;

/// Parts of the whole in which it is told how much is drawn.
const DRAWN_WHOLE: u32 = 10_000;

/// Bytes of the journal that are drawn before what requests need is copied out again.
const FACTS_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// The canvas.
pub struct Canvas {
    memory_bytes: usize,
    standing: Standing,
    /// Nothing before it is begun.
    drawing: Mutex<Option<Drawing>>,
    facts: Mutex<Facts>,
    drawn: AtomicU32,
    live: Arc<Feed>,
    events: Arc<Feed>,
    /// When somebody last asked for what may lead to a watcher, microseconds of the process's clock.
    interest_us: AtomicU64,
    book: Mutex<Book>,
    /// Pictures that were made.
    pub pictures: Pictures,
    /// Held while a picture of the past is drawn: one at a time has memory and a job thread.
    pub past: Mutex<()>,
}

/// What requests need at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The bounds of the cells that are set.
    pub bounds: Option<Bounds>,
    /// How many are.
    pub cells: u64,
    /// Pixels listed.
    pub pixels: u64,
    tiles: usize,
    scratch_tiles: usize,
    memory_bytes: usize,
}

/// What the thread of the views notes for itself.
#[derive(Debug, Default)]
struct Book {
    /// Records that the last checkpoint has.
    stored_records: u64,
    stored_us: u64,
    published_us: u64,
    /// What was published while the drawing was made has to be sent.
    is_announced: bool,
    troubled_us: Option<u64>,
}

impl Canvas {
    /// Returns a canvas whose tiles have so many bytes of memory.
    #[must_use]
    pub fn new(memory_bytes: usize) -> Self {
        // Of no host, so that whoever has it loads everything.
        let cursor = Cursor { node: NodeId(0), position: Position(0) };
        let about = About { cursor, pixels: 0, wall_us: 0 };
        Self {
            memory_bytes,
            standing: Standing::default(),
            drawing: Mutex::default(),
            facts: Mutex::default(),
            drawn: AtomicU32::new(0),
            live: Arc::new(Feed::new(about.reload(), about.alive())),
            events: Arc::new(Feed::new(about.reload_event(), about.welcome_event())),
            interest_us: AtomicU64::new(0),
            book: Mutex::default(),
            pictures: Pictures::default(),
            past: Mutex::default(),
        }
    }

    /// Returns what requests need at once.
    #[must_use]
    pub fn facts(&self) -> Facts {
        *lock(&self.facts)
    }

    /// Returns bytes of memory that its tiles may have.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Returns how much is drawn, 0 to 1.
    #[must_use]
    pub fn drawn(&self) -> f64 {
        f64::from(self.drawn.load(Ordering::Relaxed)) / f64::from(DRAWN_WHOLE)
    }

    /// Returns the feed of frames.
    #[must_use]
    pub fn live(&self) -> &Arc<Feed> {
        &self.live
    }

    /// Returns the feed of events.
    #[must_use]
    pub fn events(&self) -> &Arc<Feed> {
        &self.events
    }

    /// Notes that somebody may come back with a cursor: what changes from now on is told in frames.
    pub fn note_interest(&self, clock_us: u64) {
        self.interest_us.store(clock_us.max(1), Ordering::Relaxed);
    }

    /// Locks the drawing, which waits for that: for job threads. Nothing before there is one.
    pub fn look<T>(&self, look: impl FnOnce(&Drawing) -> T) -> Option<T> {
        lock(&self.drawing).as_ref().map(look)
    }

    fn tiles(&self, desk: &dyn ViewDesk) -> Tiles {
        let (disk, name) = (desk.disk().clone(), self.file("scratch"));
        // That of an earlier process, which nobody needs. It may well not be there.
        let _ = disk.remove(&name);
        let make = move || {
            disk.make_directory(VIEWS_DIRECTORY)?;
            Scratch::make(&*disk, &name)
        };
        Tiles::new(self.memory_bytes, Some(Box::new(make)))
    }

    fn file(&self, kind: &str) -> String {
        format!("{VIEWS_DIRECTORY}/{}.{kind}", self.name())
    }

    /// Returns the drawing of the checkpoint, if there is one of this journal.
    fn restore(&self, desk: &dyn ViewDesk, end: Position) -> Option<Drawing> {
        let checkpoint = Checkpoint::open(desk.node(), &**desk.disk(), &self.file("tiles"))?;
        if !checkpoint::reaches(desk.reader(), end, checkpoint.start()) {
            return None;
        }
        checkpoint.load(self.tiles(desk))
    }

    /// Draws what the journal lists up to a moment, piece by piece, so that it can be seen meanwhile.
    fn draw(&self, moment: Moment, desk: &dyn ViewDesk) -> Result<Start, ReadError> {
        let start = moment.start.clone();
        let drawing = Drawing::new(self.tiles(desk), moment);
        let journal = Journal { reader: desk.reader(), end: start.position };
        let from = journal.start_above(&drawing.moment().state.floors());
        *lock(&self.drawing) = Some(drawing);
        let mut scan = desk.reader().scan(from, start.position);
        let first = desk.reader().segments().first().and_then(|segment| segment.end).unwrap_or_default();
        let first = from.max(first.min(start.position));
        let mut noted = Position(0);
        while let Some(batch) = scan.next_batch()? {
            if desk.is_over() {
                break;
            }
            let (done, all) = (batch.end.0.saturating_sub(first.0), start.position.0.saturating_sub(first.0));
            if let Some(drawing) = &mut *lock(&self.drawing) {
                drawing.redraw(&as_applied(&batch));
                if batch.end.0 >= noted.0 + FACTS_EVERY_BYTES {
                    noted = batch.end;
                    self.note_facts(drawing);
                }
            }
            let drawn = done as f64 / all.max(1) as f64 * f64::from(DRAWN_WHOLE - 1);
            self.drawn.store(drawn as u32, Ordering::Relaxed);
        }
        Ok(start)
    }

    /// Copies out what requests need.
    fn note_facts(&self, drawing: &Drawing) {
        let (tiles, scratch_tiles) = drawing.tiles.counts();
        *lock(&self.facts) = Facts {
            bounds: drawing.tiles.bounds(),
            cells: drawing.tiles.set(),
            pixels: drawing.moment().state.total(),
            tiles,
            scratch_tiles,
            memory_bytes: drawing.tiles.used_bytes(),
        };
    }

    /// Publishes what has changed; gives whether anybody is to be sent something.
    fn publish(&self, drawing: &mut Drawing, book: &mut Book, desk: &dyn ViewDesk) -> bool {
        let (clock_us, wall_us) = (desk.clock_us(), desk.wall_us());
        let (of_live, of_events) = (Feed::watchers(&self.live), Feed::watchers(&self.events));
        let watchers = of_live + of_events;
        let interest_us = self.interest_us.load(Ordering::Relaxed);
        let is_asked = interest_us > 0 && clock_us.saturating_sub(interest_us) < INTEREST_US;
        let position = drawing.moment().start.position;
        let about = |position| About {
            cursor: Cursor { node: desk.node(), position },
            pixels: drawing.moment().state.total(),
            wall_us,
        };
        let (live, event) = match drawing.tiles.changes() {
            Told::Nothing if book.is_announced => {
                book.is_announced = false;
                return watchers > 0;
            }
            Told::Nothing => {
                if watchers > 0 && clock_us >= book.published_us + ALIVE_EVERY_US {
                    self.live.remind(about(self.live.told()).alive());
                    self.events.remind(frames::comment());
                    book.published_us = clock_us;
                    return true;
                }
                return false;
            }
            Told::Cells { forget, tiles } if watchers > 0 || is_asked => {
                let event = of_events > 0 || is_asked;
                let event = event.then(|| about(position).cells_event(forget, &tiles)).flatten();
                (about(position).cells(forget, &tiles), event)
            }
            Told::Cells { .. } | Told::TooMuch => (None, None),
        };
        let about = about(position);
        self.live.publish(position, live, about.reload(), about.alive());
        self.events.publish(position, event, about.reload_event(), about.welcome_event());
        drawing.tiles.told();
        book.published_us = clock_us;
        watchers > 0
    }

    fn store(&self, drawing: &Drawing, book: &mut Book, desk: &dyn ViewDesk) {
        let name = self.file("tiles");
        book.stored_us = desk.clock_us();
        let disk = &**desk.disk();
        let made = disk.make_directory(VIEWS_DIRECTORY);
        match made.and_then(|()| checkpoint::store(drawing, desk.node(), disk, &name)) {
            Ok(()) => book.stored_records = self.standing.records(),
            Err(error) => book.tell(desk, || {
                format!("the canvas can't store its checkpoint ({error}): the next start draws it from the journal")
            }),
        }
    }

    fn unstored(&self, book: &Book) -> u64 {
        self.standing.records().saturating_sub(book.stored_records)
    }
}

impl LogView for Canvas {
    fn name(&self) -> &'static str {
        "canvas"
    }

    fn standing(&self) -> &Standing {
        &self.standing
    }

    fn begin(&self, desk: &dyn ViewDesk) -> Result<Start, ReadError> {
        self.drawn.store(0, Ordering::Relaxed);
        let moment = moment_of(&desk.applied().read());
        let end = moment.start.position;
        let mut book = lock(&self.book);
        let troubled_us = book.troubled_us;
        *book = Book { stored_us: desk.clock_us(), is_announced: true, troubled_us, ..Book::default() };
        // Begun again: a checkpoint would lead to the same place, if it stands before the time that was corrected or has a tile that
        // can't be drawn on.
        let is_again = lock(&self.drawing).is_some();
        if self.is_lost() {
            book.tell(desk, || {
                "a tile of the canvas is lost from its scratch file: the canvas is drawn anew from the journal".to_owned()
            });
        }
        if is_again {
            // It may well not be there.
            let _ = desk.disk().remove(&self.file("tiles"));
        }
        let restored = if is_again { None } else { self.restore(desk, end) };
        let start = match restored {
            Some(drawing) => {
                let start = drawing.moment().start.clone();
                book.stored_records = start.vector.records();
                *lock(&self.drawing) = Some(drawing);
                start
            }
            None => self.draw(moment, desk)?,
        };
        if let Some(drawing) = &mut *lock(&self.drawing) {
            drawing.tiles.note_changes();
            let cursor = Cursor { node: desk.node(), position: start.position };
            let about = About { cursor, pixels: drawing.moment().state.total(), wall_us: desk.wall_us() };
            self.live.publish(start.position, None, about.reload(), about.alive());
            self.events.publish(start.position, None, about.reload_event(), about.welcome_event());
            self.note_facts(drawing);
        }
        self.drawn.store(DRAWN_WHOLE, Ordering::Relaxed);
        Ok(start)
    }

    fn follow(&self, batch: &Batch<'_>, desk: &dyn ViewDesk) -> Result<Followed, ReadError> {
        let mut drawing = lock(&self.drawing);
        let Some(drawing) = &mut *drawing else { return Ok(Followed::Stale) };
        let end = drawing.moment().start.position;
        let followed = drawing.follow(batch, &Journal { reader: desk.reader(), end })?;
        if followed == Followed::Stale {
            // Pictures say that nothing is drawn until it is begun again.
            self.drawn.store(0, Ordering::Relaxed);
        }
        Ok(followed)
    }

    fn is_lost(&self) -> bool {
        let is_lost = lock(&self.drawing).as_ref().is_some_and(|drawing| drawing.tiles.is_lost());
        if is_lost {
            self.drawn.store(0, Ordering::Relaxed);
        }
        is_lost
    }

    fn settle(&self, desk: &dyn ViewDesk, may_publish: bool) -> bool {
        let (mut drawing, mut book) = (lock(&self.drawing), lock(&self.book));
        let Some(drawing) = &mut *drawing else { return false };
        self.note_facts(drawing);
        if let Some(error) = drawing.tiles.take_trouble() {
            book.tell(desk, || {
                format!("the canvas can't put tiles into its scratch file ({error}): they stay in memory")
            });
        }
        let has_published = may_publish && self.publish(drawing, &mut book, desk);
        let is_due = desk.clock_us() >= book.stored_us + CHECKPOINT_EVERY_US;
        if is_due && self.unstored(&book) >= CHECKPOINT_RECORDS && desk.has_room() {
            self.store(drawing, &mut book, desk);
        }
        has_published
    }

    fn end(&self, desk: &dyn ViewDesk) {
        let (drawing, mut book) = (lock(&self.drawing), lock(&self.book));
        if let Some(drawing) = &*drawing
            && self.unstored(&book) >= CHECKPOINT_RECORDS_AT_END
            && desk.has_room()
        {
            self.store(drawing, &mut book, desk);
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let facts = self.facts();
        let watchers = Feed::watchers(&self.live) + Feed::watchers(&self.events);
        let gauge = |name, help, value: f64| Figure { name, help, is_counter: false, value };
        vec![
            gauge("pixeld_canvas_cells", "Cells of the canvas that are set.", facts.cells as f64),
            gauge("pixeld_canvas_drawn", "Part of the canvas that is drawn, 0 to 1.", self.drawn()),
            gauge("pixeld_canvas_tiles", "Tiles of the canvas in memory.", facts.tiles as f64),
            gauge("pixeld_canvas_scratch_tiles", "Tiles in the scratch file.", facts.scratch_tiles as f64),
            gauge("pixeld_canvas_memory_bytes", "Memory of the tiles.", facts.memory_bytes as f64),
            gauge("pixeld_canvas_watchers", "Streams of frames and events that are open.", watchers as f64),
        ]
    }
}

impl Book {
    /// Tells the operator, now and then, of trouble with its files.
    fn tell(&mut self, desk: &dyn ViewDesk, sentence: impl FnOnce() -> String) {
        let now_us = desk.clock_us();
        if self.troubled_us.is_none_or(|last_us| now_us >= last_us + TROUBLE_TOLD_US) {
            self.troubled_us = Some(now_us);
            desk.warn(&sentence());
        }
    }
}

fn moment_of(applied: &Applied) -> Moment {
    Moment {
        start: Start { position: applied.position, vector: applied.vector.clone() },
        state: applied.state::<PixelState>().cloned().unwrap_or_default(),
        heals: applied.heals.clone(),
        ..Moment::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic ends the process, so nobody sees what was left half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
