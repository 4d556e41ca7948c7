//! Pictures that were made, for all who ask for the same one: it is made once for everybody whose writes it shows, and not again
//! before [`RENDER_EVERY_US`] have passed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::ids::Position;
use crate::base::sha256::sha256;

use super::limits::{PICTURES_BYTES_MAX, PICTURES_MAX, RENDER_EVERY_US};
use super::shape::Shape;

/// A picture as it is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its bytes.
    pub png: Arc<Vec<u8>>,
    /// Its entity tag, with quotes: of its bytes, so that it is the same on both hosts, and after a change elsewhere.
    pub etag: String,
    /// It shows everything up to there.
    pub position: Position,
    /// Up to where watchers were told when it was made.
    pub told: Position,
    /// How much was drawn.
    pub drawn: f64,
    /// When it was made, microseconds of the process's clock.
    pub made_us: u64,
}

impl Picture {
    /// Returns a picture with its tag.
    #[must_use]
    pub fn new(png: Vec<u8>, position: Position, told: Position, drawn: f64, made_us: u64) -> Self {
        let sum = sha256(&png);
        let hex: String = sum[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { png: Arc::new(png), etag: format!("\"{hex}\""), position, told, drawn, made_us }
    }
}

/// The pictures; the one that was asked for last stands first.
#[derive(Default)]
pub struct Pictures {
    made: Mutex<Vec<(Shape, Slot)>>,
}

/// Where a picture is made and kept; locked while it is made, so that it is made once.
type Slot = Arc<Mutex<Option<Picture>>>;

/// What is to be done for a request.
pub enum Found {
    /// Answer with this one.
    Made(Picture),
    /// Ask again at this time, microseconds of the process's clock: it was made a moment ago and lacks something.
    Later(u64),
    /// Have it made, or wait until somebody else has.
    Unmade(Slot),
}

impl Pictures {
    /// Looks for a picture that shows everything up to `needed`; never waits.
    #[must_use]
    pub fn find(&self, shape: &Shape, needed: Position, clock_us: u64) -> Found {
        let slot = self.slot(shape);
        let Ok(picture) = slot.try_lock() else { return Found::Unmade(slot) };
        let found = match &*picture {
            Some(picture) if picture.position >= needed && picture.drawn >= 1.0 => {
                Found::Made(picture.clone())
            }
            Some(picture) if clock_us < picture.made_us + RENDER_EVERY_US => {
                Found::Later(picture.made_us + RENDER_EVERY_US)
            }
            _ => Found::Unmade(slot.clone()),
        };
        drop(picture);
        found
    }

    /// Returns the picture of a slot, made by `make` unless there is one meanwhile that shows everything up to `needed`.
    pub fn make<E>(
        &self,
        slot: &Slot,
        needed: Position,
        make: impl FnOnce() -> Result<Picture, E>,
    ) -> Result<Picture, E> {
        let mut picture = lock(slot);
        let is_there = |picture: &&Picture| picture.position >= needed && picture.drawn >= 1.0;
        if let Some(picture) = picture.as_ref().filter(is_there) {
            return Ok(picture.clone());
        }
        let made = make()?;
        *picture = Some(made.clone());
        drop(picture);
        self.keep_within_bounds();
        Ok(made)
    }

    fn slot(&self, shape: &Shape) -> Slot {
        let mut made = lock(&self.made);
        let slot = match made.iter().position(|(known, _)| known == shape) {
            Some(at) => made.remove(at).1,
            None => Slot::default(),
        };
        made.insert(0, (*shape, slot.clone()));
        made.truncate(PICTURES_MAX);
        slot
    }

    fn keep_within_bounds(&self) {
        let mut made = lock(&self.made);
        let mut bytes = 0;
        made.retain(|(_, slot)| {
            // One that is being made is as large as it is afterwards, when this is looked at again.
            let size = slot.try_lock().map_or(0, |picture| picture.as_ref().map_or(0, |of| of.png.len()));
            bytes += size;
            bytes <= PICTURES_BYTES_MAX || size == 0
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pixel::canvas::shape::Scale;

    fn shape(x: i32) -> Shape {
        Shape { x, y: 0, width: 1, height: 1, scale: Scale::Grow(1) }
    }

    fn picture(position: u64, made_us: u64, bytes: usize) -> Picture {
        Picture::new(vec![1; bytes], Position(position), Position(0), 1.0, made_us)
    }

    fn put(pictures: &Pictures, x: i32, picture: Picture) {
        let Found::Unmade(slot) = pictures.find(&shape(x), picture.position, u64::MAX / 2) else {
            panic!("it is there")
        };
        pictures.make(&slot, picture.position, || Ok::<_, ()>(picture)).unwrap();
    }

    #[test]
    fn a_picture_is_shared_by_those_whose_writes_it_shows() {
        let pictures = Pictures::default();
        put(&pictures, 0, picture(10, 1_000, 5));
        let find = |needed, clock_us| pictures.find(&shape(0), Position(needed), clock_us);
        assert!(matches!(find(10, 9_999_999), Found::Made(_)), "nothing has changed since");
        assert!(matches!(find(11, 2_000), Found::Later(101_000)));
        let Found::Unmade(slot) = find(11, 101_000) else { panic!("its time has come") };
        let making = slot.lock().unwrap();
        assert!(matches!(find(10, 101_000), Found::Unmade(_)), "nobody waits on a worker");
        drop(making);
        let again = pictures.make(&slot, Position(9), || Err(())).unwrap();
        assert_eq!(again.position, Position(10), "somebody else has made it meanwhile");
        assert_eq!(picture(1, 2, 3).etag, picture(4, 5, 3).etag, "the tag is that of the bytes");
    }

    #[test]
    fn pictures_are_bounded_in_number_and_bytes() {
        let pictures = Pictures::default();
        for x in 0..PICTURES_MAX as i32 + 1 {
            put(&pictures, x, picture(1, 0, 10));
        }
        assert!(matches!(pictures.find(&shape(0), Position(1), 0), Found::Unmade(_)));
        assert!(matches!(pictures.find(&shape(2), Position(1), 0), Found::Made(_)));
        put(&pictures, 100, picture(1, 0, PICTURES_BYTES_MAX - 5));
        assert!(matches!(pictures.find(&shape(100), Position(1), 0), Found::Made(_)));
        assert!(
            matches!(pictures.find(&shape(2), Position(1), 0), Found::Unmade(_)),
            "there is no room for it"
        );
    }
}
