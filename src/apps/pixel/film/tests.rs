//! Films against a model that sorts the list of pixels anew for each picture, and files against the pictures that they were made of.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use image::AnimationDecoder;
use image::codecs::{gif::GifDecoder, png::PngDecoder};
use proptest::prelude::*;

use super::Parts;
use super::apng::Apng;
use super::contents::Contents;
use super::drawing::Drawing;
use super::gif::Gif;
use super::limits::STRETCH_BYTES;
use super::reel::{Colour, Reel};
use crate::app::applied::Batch;
use crate::app::heal::{Heal, Heals};
use crate::app::pieces::{Piece, pieces};
use crate::app::state::{Entry, State};
use crate::apps::pixel::canvas::bounds::Bounds;
use crate::apps::pixel::canvas::drawing_tests::{Sealed, run, steps};
use crate::apps::pixel::canvas::past::NotDrawn;
use crate::apps::pixel::canvas::raises::Raises;
use crate::apps::pixel::canvas::raster::Raster;
use crate::apps::pixel::canvas::shape::{Scale, Shape};
use crate::apps::pixel::raw::Pixel;
use crate::apps::pixel::state::PixelState;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::vector::VersionVector;
use crate::log::read::scan::ReadError;

/// Bytes from one batch to the next: a stretch has three of a stream at most.
const BATCH_BYTES: u64 = STRETCH_BYTES / 3;
/// Who heals.
const HEALER: Origin = Origin { node: NodeId(9), inc: Inc(9) };
/// All places of the pixels there are.
const AREA: Bounds = Bounds { x_min: -1, x_max: 1, y_min: -1, y_max: 1 };
const SHAPE: Shape = Shape { x: -1, y: -1, width: 3, height: 3, scale: Scale::Grow(1) };

/// A journal in memory; it counts the batches that it gives.
struct Journal {
    batches: Vec<Sealed>,
    given: Mutex<u64>,
}

impl Journal {
    fn new(mut batches: Vec<Sealed>) -> Self {
        (1..).zip(&mut batches).for_each(|(at, batch)| batch.end = Position(at * BATCH_BYTES));
        Self { batches, given: Mutex::new(0) }
    }

    fn contents(&self) -> Contents {
        let read = Contents::read(Heals::default(), |take| {
            let starts = (0..).map(|at| Position(at * BATCH_BYTES));
            self.batches.iter().zip(starts).for_each(|(batch, start)| take(&batch.batch(), start));
            Ok::<_, Infallible>(())
        });
        read.unwrap_or_else(|never| match never {})
    }
}

impl Parts for Journal {
    fn each(
        &self,
        from: Position,
        to: Position,
        visit: &mut dyn FnMut(&Batch<'_>) -> bool,
    ) -> Result<(), ReadError> {
        for batch in self.batches.iter().filter(|batch| batch.end > from && batch.end <= to) {
            *self.given.lock().unwrap() += 1;
            if !visit(&batch.batch()) {
                break;
            }
        }
        Ok(())
    }
}

/// A batch that says that records of a stream count as of another time.
fn healing(seq: Seq, time_us: u64, heal: Heal) -> Sealed {
    Sealed { first: Entry { origin: HEALER, seq, time_us }, count: 1, body: heal.record(), end: Position(0) }
}

/// The model: what is listed at a moment, in the one order, the last of each channel of a cell.
fn model(batches: &[Sealed], at_us: u64) -> Vec<Colour> {
    let mut heals = Heals::default();
    let others = |batch: &Sealed| {
        let piece = |piece| if let Piece::Other(record) = piece { Some(record.to_vec()) } else { None };
        pieces(&batch.body).filter_map(piece).collect::<Vec<_>>()
    };
    batches.iter().flat_map(others).filter_map(|record| Heal::of(&record)).for_each(|heal| heals.add(heal));
    let time_us = |batch: &Sealed| heals.time_us(batch.first.origin, batch.first.seq, batch.first.time_us);
    let there: Vec<&Sealed> = batches.iter().filter(|batch| time_us(batch) <= at_us).collect();
    let mut state = PixelState::default();
    for batch in &there {
        let mut at = batch.first;
        for piece in pieces(&batch.body) {
            if let Piece::Other(record) = piece {
                state.apply(&at, record);
            }
            at.seq += piece.count();
        }
    }
    let floors = state.floors();
    let mut listed = BTreeMap::new();
    for batch in &there {
        let mut at = batch.first;
        for piece in pieces(&batch.body) {
            if let Piece::Short(run) = piece {
                for (record, seq) in run.chunks_exact(10).zip(at.seq..) {
                    if seq > floors.of(at.origin) {
                        listed.insert((time_us(batch), at.origin, seq), Pixel::decode(record).unwrap());
                    }
                }
            }
            at.seq += piece.count();
        }
    }
    let mut picture = vec![[0; 4]; 9];
    for Pixel { tag, value, x, y } in listed.into_values() {
        let cell = &mut picture[((y + 1) * 3 + x + 1) as usize];
        cell[usize::from(tag - 0x11)] = value;
        cell[3] = 255;
    }
    picture
}

fn heals() -> impl Strategy<Value = Vec<(usize, usize, Seq, Seq, u64)>> {
    prop::collection::vec((0..60_usize, 0..4_usize, 1..20_u64, 0..20_u64, 0..60_u64), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_picture_is_what_was_listed_at_its_moment(steps in steps(), heals in heals(), step_us in 1..9_u64) {
        for taken in run(&steps) {
            let mut batches = taken;
            let origins: Vec<Origin> = batches.iter().map(|batch| batch.first.origin).collect();
            for (seq, (at, origin, first, more, time_us)) in (1..).zip(&heals) {
                let Some(&origin) = origins.get(*origin) else { continue };
                let heal = Heal { origin, first: *first, last: first + more, time_us: *time_us };
                batches.insert(at % (batches.len() + 1), healing(seq, 100, heal));
            }
            let journal = Journal::new(batches);
            let contents = journal.contents();
            let mut film = Drawing::new(&journal, &contents, Some(AREA), usize::MAX);
            for at_us in (0..120).step_by(step_us as usize) {
                film.advance(at_us).unwrap();
                let picture = film.paint(&SHAPE).unwrap().pixels();
                prop_assert_eq!(picture, model(&journal.batches, at_us), "at {}", at_us);
            }
        }
    }
}

/// Batches of one stream, each of one pixel of a row and of its own moment.
fn row(count: u64) -> Vec<Sealed> {
    let batch = |seq: u64| Sealed {
        first: Entry { origin: HEALER, seq, time_us: seq * 10 },
        count: 1,
        body: Pixel { tag: 0x11, value: seq as u8, x: 0, y: 0 }.encode().to_vec(),
        end: Position(0),
    };
    (1..=count).map(batch).collect()
}

#[test]
fn a_film_reads_no_part_of_the_journal_much_more_often_than_it_has_to() {
    let journal = Journal::new(row(3_000));
    let contents = journal.contents();
    assert_eq!(contents.stretches.len(), 1_000);
    let mut film = Drawing::new(&journal, &contents, None, usize::MAX);
    (0..300).for_each(|picture| film.advance(picture * 100).unwrap());
    let given = *journal.given.lock().unwrap();
    assert!(given < 3_000 + 300 * 6, "{given} batches for 3,000: a stretch or two more for each picture");
}

#[test]
fn what_has_no_room_is_refused() {
    let journal = Journal::new(row(5));
    let contents = journal.contents();
    let mut film = Drawing::new(&journal, &contents, None, 1_000);
    assert!(matches!(film.advance(100), Err(NotDrawn::TooLarge)));
}

#[test]
fn nothing_is_shown_before_what_let_the_oldest_segments_go() {
    let mut raises = Raises::default();
    let mut lost = VersionVector::new();
    assert_eq!(raises.earliest_us(&lost), 0);
    lost.raise(HEALER, 4);
    assert_eq!(raises.earliest_us(&lost), u64::MAX);
    for (seq, time_us, floor) in [(7, 70, 4_u64), (8, 60, 3), (9, 90, 6)] {
        let payload: Vec<u8> = [HEALER.node.0, HEALER.inc.0, floor, floor].map(u64::to_le_bytes).concat();
        let mut body = Vec::new();
        crate::log::format::record::push(&mut body, 0x1E, &payload);
        let first = Entry { origin: HEALER, seq, time_us };
        raises.take(&Batch { first, count: 1, body: &body, end: Position(0) }, time_us);
    }
    assert_eq!(raises.earliest_us(&lost), 70, "the first that covers it, by its time");
}

/// What was written, also after the writer has gone.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const WIDTH: usize = 7;
const HEIGHT: usize = 5;

fn raster(pixels: &[Colour]) -> Raster {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(pixels.as_flattened()).unwrap();
    Raster::of_png(&png).unwrap()
}

/// Returns the pictures of a file and how long each is shown, milliseconds.
fn played<'a>(frames: impl AnimationDecoder<'a>) -> Vec<(Vec<Colour>, u32)> {
    let frame = |frame: image::Frame| {
        let (milliseconds, divisor) = frame.delay().numer_denom_ms();
        let pixels = frame.buffer().pixels();
        // What is transparent has no colour.
        let pixels = pixels.map(|pixel| if pixel.0[3] == 0 { [0; 4] } else { pixel.0 });
        (pixels.collect(), milliseconds / divisor)
    };
    frames.into_frames().map(|one| frame(one.unwrap())).collect()
}

fn reel(mut reel: impl Reel, pictures: &[Vec<Colour>]) -> bool {
    pictures.iter().for_each(|picture| reel.add(&raster(picture)).unwrap());
    reel.finish().unwrap();
    reel.is_rounded()
}

/// A pixel's place, 0 where it may be unset, and its colour.
type Change = (usize, u8, [u8; 3]);

/// Pictures of which each changes some pixels of the one before: sets them, and unsets them now and then.
fn pictures() -> impl Strategy<Value = Vec<Vec<Colour>>> {
    let change = (0..WIDTH * HEIGHT, 0..4_u8, any::<[u8; 3]>());
    let changes = prop::collection::vec(change, 0..6);
    let unsets = prop::bool::weighted(0.3);
    prop::collection::vec((unsets, changes), 1..12).prop_map(|all| {
        let mut picture = vec![[0; 4]; WIDTH * HEIGHT];
        let next = |(unsets, changes): &(bool, Vec<Change>)| {
            for (at, kind, [red, green, blue]) in changes {
                let goes = *unsets && *kind == 0;
                picture[*at] = if goes { [0; 4] } else { [*red, *green, *blue, 255] };
            }
            picture.clone()
        };
        all.iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn files_play_the_pictures_that_they_were_made_of(pictures in pictures()) {
        let (written, size) = (Written::default(), (WIDTH as u64, HEIGHT as u64));
        reel(Apng::new(written.clone(), size, 20, pictures.len() as u64).unwrap(), &pictures);
        let bytes = written.0.lock().unwrap().clone();
        let shown = played(PngDecoder::new(Cursor::new(bytes)).unwrap().apng().unwrap());
        prop_assert_eq!(&shown, &pictures.iter().map(|picture| (picture.clone(), 50)).collect::<Vec<_>>());

        let written = Written::default();
        prop_assert!(!reel(Gif::new(written.clone(), size, 20).unwrap(), &pictures));
        let bytes = written.0.lock().unwrap().clone();
        let shown = played(GifDecoder::new(Cursor::new(bytes)).unwrap());
        // A picture that stays is one that is shown longer.
        let shown: Vec<_> = shown.into_iter().flat_map(|(picture, ms)| vec![picture; (ms / 50) as usize]).collect();
        prop_assert_eq!(&shown, &pictures);
    }
}

#[test]
fn a_gif_rounds_what_it_has_no_colours_for_and_says_so() {
    let many: Vec<Colour> =
        (0..40 * 40_u32).map(|at| [at as u8, (at >> 3) as u8, (at >> 5) as u8, 255]).collect();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 40, 40);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(many.as_flattened()).unwrap();
    let written = Written::default();
    let mut gif = Gif::new(written.clone(), (40, 40), 30).unwrap();
    gif.add(&Raster::of_png(&png).unwrap()).unwrap();
    gif.finish().unwrap();
    assert!(gif.is_rounded());
    let bytes = written.0.lock().unwrap().clone();
    let shown = played(GifDecoder::new(Cursor::new(bytes)).unwrap());
    for (is, was) in shown[0].0.iter().zip(&many) {
        let most = |channel: usize| is[channel].abs_diff(was[channel]);
        assert!(most(0) <= 26 && most(1) <= 22 && most(2) <= 26 && is[3] == 255, "{is:?} for {was:?}");
    }
}

#[test]
fn hundredths_add_up_to_the_time_of_the_film() {
    let written = Written::default();
    let pictures: Vec<Vec<Colour>> = (0..30_u8).map(|at| vec![[at + 1, 0, 0, 255]; WIDTH * HEIGHT]).collect();
    reel(Gif::new(written.clone(), (WIDTH as u64, HEIGHT as u64), 30).unwrap(), &pictures);
    let bytes = written.0.lock().unwrap().clone();
    let shown = played(GifDecoder::new(Cursor::new(bytes)).unwrap());
    assert_eq!(shown.iter().map(|(_, ms)| ms).sum::<u32>(), 1_000, "30 pictures of 30 in a second");
}
