//! The canvas of a host, which follows its journal as the thread of the views does, now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pixeld::apps::pixel::canvas::bounds::Bounds;
use pixeld::apps::pixel::canvas::view::Canvas;
use pixeld::apps::pixel::record::{Channel, Pixel};
use pixeld::apps::pixel::state::PixelState;
use pixeld::base::ids::{Origin, Position, Seq};
use pixeld::engine::shared::Shared;
use pixeld::engine::views::desk::OwnDesk;
use pixeld::engine::views::follower::Follower;
use pixeld::log::format::record;

use super::sim_disk::SimDisk;

/// Room for every tile of a run, so that none goes to the scratch file.
const MEMORY_BYTES: usize = 1 << 40;

/// Colours by place.
pub type Cells = BTreeMap<(i32, i32), [u8; 4]>;

/// A canvas, and what has it follow.
pub struct Following {
    canvas: Arc<Canvas>,
    follower: Follower,
    desk: OwnDesk,
}

impl Following {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let canvas = Arc::new(Canvas::new(MEMORY_BYTES));
        // Its files are no part of what falls with the host.
        let disk = SimDisk::new().shared();
        let desk = OwnDesk::new(shared.clone(), disk, Arc::new(AtomicBool::new(false)));
        Self { follower: Follower::new(canvas.clone()), canvas, desk }
    }

    /// Takes what was committed since.
    pub fn look(&mut self) {
        self.follower.look(&self.desk, true);
    }

    /// The cells that are set.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::new();
        let everywhere = Bounds { x_min: i32::MIN, x_max: i32::MAX, y_min: i32::MIN, y_max: i32::MAX };
        let paint = |x, y, colour| _ = cells.insert((x, y), colour);
        self.canvas.look(|drawing| drawing.tiles.paint(everywhere, paint).unwrap()).expect("it is begun");
        cells
    }
}

/// A pixel's place in the order that all hosts share: time, stream, number.
pub type Place = (u64, Origin, Seq);

/// The pixels that are listed, in that order.
pub fn listed(shared: &Shared) -> Vec<(Place, Pixel)> {
    let applied = shared.applied.read();
    let floors = applied.state::<PixelState>().unwrap().floors();
    let mut listed = Vec::new();
    let mut scan = shared.reader.scan(Position(0), applied.position);
    while let Some(batch) = scan.next_batch().expect("a readable journal") {
        let time_us = applied.heals.time_us(batch.origin, batch.first_seq, batch.time_us);
        for (record, seq) in record::records(batch.body).zip(batch.first_seq..) {
            if let Some(pixel) = Pixel::decode(record.unwrap()).filter(|_| seq > floors.of(batch.origin)) {
                listed.push(((time_us, batch.origin, seq), pixel));
            }
        }
    }
    listed.sort_by_key(|(place, _)| *place);
    listed
}

/// What the list comes to: of each channel of a cell the last value in the one order.
pub fn of_list(shared: &Shared) -> Cells {
    let mut cells = Cells::new();
    for (_, pixel) in listed(shared) {
        let cell = cells.entry((pixel.x, pixel.y)).or_insert([0, 0, 0, 255]);
        cell[pixel.channel as usize - Channel::R as usize] = pixel.value;
    }
    cells
}
