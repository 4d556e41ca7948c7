//! The drawing against a model that sorts the list of pixels: whatever order two hosts learn of batches and clears in, with tiles
//! in the scratch file, from checkpoints, and as frames tell it.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::changes::Told;
use super::checkpoint::{Checkpoint, store};
use super::drawing::{Drawing, Moment, Past};
use super::scratch::Scratch;
use super::store::MakeScratch;
use super::tile::TILE_BYTES;
use super::tiles::Tiles;
use crate::app::applied::{Applied, Batch};
use crate::app::pieces::{Piece, pieces};
use crate::app::state::Entry;
use crate::app::view::Followed;
use crate::apps::pixel::record::{Channel, Pixel};
use crate::apps::pixel::state::{Floors, PixelState, clear_record};
use crate::apps::pixel::tag::PIXEL_CLEAR;
use crate::apps::registry;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::vector::VersionVector;
use crate::log::format::record;
use crate::log::read::scan::ReadError;
use crate::os::disk::Disk;
use crate::os::files::RealDisk;

/// Two hosts, each with two starts, so that there is a late tail of an earlier one.
const ORIGINS: [Origin; 4] = [
    Origin { node: NodeId(7), inc: Inc(1) },
    Origin { node: NodeId(7), inc: Inc(2) },
    Origin { node: NodeId(3), inc: Inc(5) },
    Origin { node: NodeId(3), inc: Inc(8) },
];

/// A batch as its host sealed it.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub first: Entry,
    pub count: u32,
    pub body: Vec<u8>,
    pub end: Position,
}

impl Sealed {
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch { first: self.first, count: self.count, body: &self.body, end: self.end }
    }
}

/// What a host of a test has taken, in its order.
#[derive(Default)]
struct Taken(Vec<Sealed>);

impl Past for Taken {
    fn batches_of(&self, records: &[(Origin, Seq)]) -> Result<Vec<Option<(Seq, u64)>>, ReadError> {
        let of = |(origin, seq): (Origin, Seq)| {
            let has = |batch: &&Sealed| {
                let Entry { origin: own, seq: first, .. } = batch.first;
                own == origin && (first..first + u64::from(batch.count)).contains(&seq)
            };
            self.0.iter().find(has).map(|batch| (batch.first.seq, batch.first.time_us))
        };
        Ok(records.iter().map(|record| of(*record)).collect())
    }

    fn each(&self, _: &Floors, to: Position, visit: &mut dyn FnMut(&Batch<'_>)) -> Result<(), ReadError> {
        self.0.iter().filter(|batch| batch.end <= to).for_each(|batch| visit(&batch.batch()));
        Ok(())
    }
}

/// What somebody does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// A host seals a batch of pixels; 0 for one of them is a clear. Its first start makes room for the second for good.
    Seal { is_later_start: bool, pixels: Vec<u32> },
    /// A host cuts what it has before a moment.
    Cut { before_us: u64 },
    /// A host takes the next batches of one of its peer's streams.
    Take { stream: usize, batches: usize },
}

pub fn steps() -> impl Strategy<Value = Vec<(usize, u64, Step)>> {
    let seal = (prop::bool::weighted(0.2), prop::collection::vec(0..200_u32, 1..12))
        .prop_map(|(is_later_start, pixels)| Step::Seal { is_later_start, pixels });
    let take = (0..2_usize, 1..3_usize).prop_map(|(stream, batches)| Step::Take { stream, batches });
    let cut = (0..40_u64).prop_map(|before_us| Step::Cut { before_us });
    // Times that are the same or go up, so that both hosts' batches lie between each other's.
    let step = (0..2_usize, 0..2_u64, prop_oneof![4 => seal, 3 => take, 1 => cut]);
    prop::collection::vec(step, 1..40)
}

/// Returns a record from a number; few places, so that much is overdrawn, around the corner of four tiles.
fn pixel(number: u32) -> Vec<u8> {
    if number == 0 {
        return clear_record();
    }
    let (place, channel) = (number as i32 / 3 % 9, number % 3);
    let channel = [Channel::R, Channel::G, Channel::B][channel as usize];
    Pixel { x: place % 3 - 1, y: place / 3 - 1, channel, value: number as u8 }.encode().to_vec()
}

/// Returns a record that raises these floors.
pub fn floors_record(floors: &[(Origin, Seq, u64)]) -> Vec<u8> {
    let words = floors.iter().flat_map(|(origin, seq, pixels)| [origin.node.0, origin.inc.0, *seq, *pixels]);
    let payload: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let mut out = Vec::new();
    record::push(&mut out, PIXEL_CLEAR, &payload);
    out
}

struct Host {
    applied: Applied,
    taken: Vec<Sealed>,
    is_later_start: bool,
    time_us: u64,
}

impl Host {
    fn take(&mut self, batch: &Sealed) {
        self.applied.apply_batch(&batch.batch());
        self.time_us = self.time_us.max(batch.first.time_us);
        self.taken.push(batch.clone());
    }

    /// Returns floors before a moment in the one order, of what it has.
    fn cut(&self, before_us: u64) -> Vec<u8> {
        let mut floors: BTreeMap<Origin, (Seq, u64)> = BTreeMap::new();
        for batch in &self.taken {
            let pixels: u64 =
                pieces(&batch.body).map(|p| if matches!(p, Piece::Short(_)) { p.count() } else { 0 }).sum();
            let seen = floors.entry(batch.first.origin).or_default();
            if batch.first.time_us < before_us {
                *seen = (batch.first.seq + u64::from(batch.count) - 1, seen.1 + pixels);
            }
        }
        let raised = floors.iter().filter(|(_, (seq, _))| *seq > 0);
        floors_record(&raised.map(|(origin, (seq, pixels))| (*origin, *seq, *pixels)).collect::<Vec<_>>())
    }
}

/// Runs both hosts, and gives what each took in its order; in the end both have taken everything.
#[must_use]
pub fn run(steps: &[(usize, u64, Step)]) -> [Vec<Sealed>; 2] {
    let host =
        || Host { applied: registry::new_applied(), taken: Vec::new(), is_later_start: false, time_us: 1 };
    let mut hosts = [host(), host()];
    let mut streams: [Vec<Sealed>; 4] = Default::default();
    let mut given = [0_usize; 4];
    for (at, later_us, step) in steps {
        let own = &mut hosts[*at];
        own.time_us += later_us;
        let (records, count) = match step {
            Step::Take { stream, batches } => {
                let stream = 2 * (1 - at) + stream;
                for batch in streams[stream].iter().skip(given[stream]).take(*batches) {
                    own.take(batch);
                    given[stream] += 1;
                }
                continue;
            }
            Step::Seal { is_later_start, pixels } => {
                own.is_later_start |= is_later_start;
                (pixels.iter().flat_map(|number| pixel(*number)).collect(), pixels.len())
            }
            Step::Cut { before_us } => (own.cut(*before_us), 1),
        };
        own.time_us += 1;
        let stream = 2 * at + usize::from(own.is_later_start);
        let origin = ORIGINS[stream];
        let first = Entry { origin, seq: own.applied.vector.seq_of(origin) + 1, time_us: own.time_us };
        let body = match step {
            Step::Cut { .. } => records,
            _ => {
                let mut stamped = Vec::new();
                own.applied.stamp_batch(&first, &records, &mut stamped);
                stamped
            }
        };
        let batch = Sealed { first, count: count as u32, body, end: Position(0) };
        own.take(&batch);
        streams[stream].push(batch);
    }
    for stream in 0..4 {
        for batch in &streams[stream][given[stream]..] {
            hosts[1 - stream / 2].take(batch);
        }
    }
    hosts.map(|mut host| {
        (1..).zip(&mut host.taken).for_each(|(end, batch)| batch.end = Position(end));
        host.taken
    })
}

type Cells = BTreeMap<(i32, i32), [u8; 4]>;

/// The model: what is listed in the end, in the one order, the last of each channel of a cell.
fn model(taken: &[Sealed]) -> Cells {
    let mut applied = registry::new_applied();
    taken.iter().for_each(|batch| applied.apply_batch(&batch.batch()));
    let floors = applied.state::<PixelState>().unwrap().floors();
    let mut listed = Vec::new();
    for batch in taken {
        let mut at = batch.first;
        for piece in pieces(&batch.body) {
            if let Piece::Short(run) = piece {
                for (record, seq) in run.chunks_exact(10).zip(at.seq..) {
                    if seq > floors.of(at.origin) {
                        listed.push((at.time_us, at.origin, seq, Pixel::decode(record).unwrap()));
                    }
                }
            }
            at.seq += piece.count();
        }
    }
    listed.sort_by_key(|(time_us, origin, seq, _)| (*time_us, *origin, *seq));
    let mut cells = Cells::new();
    for (_, _, _, pixel) in listed {
        let cell = cells.entry((pixel.x, pixel.y)).or_insert([0, 0, 0, 255]);
        cell[pixel.channel as usize - Channel::R as usize] = pixel.value;
    }
    cells
}

fn cells(tiles: &Tiles) -> Cells {
    let mut cells = Cells::new();
    let everywhere = tiles.bounds().unwrap_or(super::bounds::Bounds::of(0, 0));
    tiles.paint(everywhere, |x, y, colour| _ = cells.insert((x, y), colour)).unwrap();
    assert_eq!(cells.len() as u64, tiles.set(), "the count of cells, and their bounds");
    let bounds = cells.keys().map(|(x, y)| super::bounds::Bounds::of(*x, *y)).reduce(|a, b| a.join(b));
    assert_eq!(bounds, tiles.bounds());
    cells
}

/// Draws what a host took; `tell` hears of every change as watchers do.
fn draw(taken: &[Sealed], mut drawing: Drawing, from: usize, told: &mut Cells) -> Drawing {
    let mut past = Taken(taken[..from].to_vec());
    drawing.tiles.note_changes();
    for (nth, batch) in taken.iter().enumerate().skip(from) {
        assert_eq!(drawing.follow(&batch.batch(), &past).unwrap(), Followed::Taken);
        past.0.push(batch.clone());
        if nth % 3 == 0 || nth + 1 == taken.len() {
            tell(&mut drawing, told);
        }
    }
    drawing
}

fn tell(drawing: &mut Drawing, told: &mut Cells) {
    match drawing.tiles.changes() {
        Told::Cells { forget, tiles } => {
            if forget {
                told.clear();
            }
            for tile in tiles {
                tile.each_changed(|index| {
                    let colour = tile.cells[index].colour();
                    match colour[3] {
                        0 => told.remove(&tile.key.cell(index)),
                        _ => told.insert(tile.key.cell(index), colour),
                    };
                });
            }
        }
        Told::TooMuch => *told = cells(&drawing.tiles),
        Told::Nothing => {}
    }
    drawing.tiles.told();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn both_hosts_draw_what_is_listed(steps in steps(), at in 0..40_usize) {
        let [one, other] = run(&steps);
        let expected = model(&one);
        prop_assert_eq!(&model(&other), &expected, "the lists agree");
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).unwrap());
        for (host, taken) in [&one, &other].into_iter().enumerate() {
            let mut told = Cells::new();
            let large = Drawing::new(Tiles::new(1 << 30, None), Moment::default());
            let drawing = draw(taken, large, 0, &mut told);
            prop_assert_eq!(&cells(&drawing.tiles), &expected);
            prop_assert_eq!(&told, &expected, "as it is told");

            // One tile has room in memory, and a checkpoint is made half way.
            let scratch = |name: &str| {
                let (disk, name) = (disk.clone(), format!("{name}{host}"));
                Some(Box::new(move || Scratch::make(&*disk, &name)) as MakeScratch)
            };
            let half = at.min(taken.len());
            let small = Drawing::new(Tiles::new(TILE_BYTES * 3 / 2, scratch("first")), Moment::default());
            let small = draw(&taken[..half], small, 0, &mut Cells::new());
            store(&small, NodeId(1), &*disk, "tiles").unwrap();
            let checkpoint = Checkpoint::open(NodeId(1), &*disk, "tiles").unwrap();
            prop_assert_eq!(checkpoint.start(), &small.moment().start);
            let again = checkpoint.load(Tiles::new(TILE_BYTES * 3 / 2, scratch("second"))).unwrap();
            prop_assert_eq!(cells(&again.tiles), cells(&small.tiles));
            let again = draw(taken, again, half, &mut cells(&small.tiles));
            prop_assert_eq!(&cells(&again.tiles), &expected);
            let mut vector = VersionVector::new();
            taken.iter().for_each(|batch| vector.raise(batch.first.origin, batch.first.seq + u64::from(batch.count) - 1));
            prop_assert_eq!(&again.moment().start.vector, &vector);
        }
    }
}

#[test]
fn a_cut_of_the_order_leaves_cells_where_they_are_and_another_one_draws_them_again() {
    let batch = |origin: usize, seq: Seq, time_us: u64, end: u64, body: Vec<u8>| Sealed {
        first: Entry { origin: ORIGINS[origin], seq, time_us },
        count: if body[0] == PIXEL_CLEAR { 1 } else { (body.len() / 10) as u32 },
        body,
        end: Position(end),
    };
    // Both hosts set the same cell; the later one is cleared alone.
    let early = batch(2, 1, 10, 1, pixel(3));
    let late = batch(0, 1, 20, 2, pixel(3 + 27));
    let clear = batch(0, 2, 30, 3, floors_record(&[(ORIGINS[0], 1, 1)]));
    let mut drawing = Drawing::new(Tiles::new(1 << 30, None), Moment::default());
    let mut past = Taken::default();
    for batch in [&early, &late] {
        drawing.follow(&batch.batch(), &past).unwrap();
        past.0.push(batch.clone());
    }
    assert_eq!(cells(&drawing.tiles).values().next().unwrap()[0], 30);
    drawing.follow(&clear.batch(), &past).unwrap();
    assert_eq!(cells(&drawing.tiles).values().next().unwrap()[0], 3, "what lay below shows again");

    /// A past that may not be asked for batches again.
    struct Closed(Taken);
    impl Past for Closed {
        fn batches_of(&self, records: &[(Origin, Seq)]) -> Result<Vec<Option<(Seq, u64)>>, ReadError> {
            self.0.batches_of(records)
        }
        fn each(&self, _: &Floors, _: Position, _: &mut dyn FnMut(&Batch<'_>)) -> Result<(), ReadError> {
            panic!("a cut needs no second drawing")
        }
    }
    let mut past = Taken::default();
    let mut drawing = Drawing::new(Tiles::new(1 << 30, None), Moment::default());
    let many = |from: u32| (from..from + 60).flat_map(pixel).collect::<Vec<u8>>();
    let all = [
        batch(0, 1, 10, 1, many(1)),
        batch(2, 1, 15, 2, many(61)),
        batch(0, 61, 20, 3, many(121)),
        batch(2, 61, 25, 4, many(1)),
    ];
    for batch in &all {
        drawing.follow(&batch.batch(), &past).unwrap();
        past.0.push(batch.clone());
    }
    let cut = batch(0, 121, 40, 5, floors_record(&[(ORIGINS[0], 90, 90), (ORIGINS[2], 60, 60)]));
    let closed = Closed(past);
    drawing.follow(&cut.batch(), &closed).unwrap();
    let taken: Vec<Sealed> = all.iter().chain([&cut]).cloned().collect();
    assert_eq!(cells(&drawing.tiles), model(&taken));
}

#[test]
fn a_cut_reaches_every_tile_in_the_scratch_file() {
    let far = |numbers: std::ops::Range<i32>| {
        let pixel = |number: i32| {
            Pixel { x: number * 640, y: -number * 77, channel: Channel::G, value: number as u8 }.encode()
        };
        numbers.flat_map(|number| pixel(number).to_vec()).collect::<Vec<u8>>()
    };
    let batch = |seq: Seq, count: u32, end: u64, body: Vec<u8>| Sealed {
        first: Entry { origin: ORIGINS[0], seq, time_us: end * 10 },
        count,
        body,
        end: Position(end),
    };
    let cut = |floor: Seq| floors_record(&[(ORIGINS[0], floor, floor)]);
    let all = [
        batch(1, 600, 1, far(0..600)),
        batch(601, 600, 2, far(300..900)),
        batch(1201, 1, 3, cut(250)),
        batch(1202, 1, 4, cut(599)),
        batch(1203, 1, 5, cut(1000)),
        batch(1204, 1, 6, cut(1200)),
    ];
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).unwrap());
    let make = move || Scratch::make(&*disk, "scratch");
    let mut small = Drawing::new(Tiles::new(TILE_BYTES * 3 / 2, Some(Box::new(make))), Moment::default());
    let mut large = Drawing::new(Tiles::new(1 << 30, None), Moment::default());
    let mut past = Taken::default();
    for batch in &all {
        small.follow(&batch.batch(), &past).unwrap();
        large.follow(&batch.batch(), &past).unwrap();
        past.0.push(batch.clone());
        assert_eq!(cells(&small.tiles), cells(&large.tiles));
        assert!(small.tiles.counts().1 + 2 > small.tiles.set() as usize, "most are in the scratch file");
    }
    assert_eq!((small.tiles.set(), small.tiles.counts()), (0, (0, 0)));
}
