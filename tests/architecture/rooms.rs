//! The rooms inside of a folder of the sources: how many there are, who uses whom, and whether all of it goes down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::paths::{File, Mention, Target, mentions};
use crate::rules::Breach;

/// A folder whose entries are rooms, each with its height; a room uses lower ones only.
pub struct Floors {
    pub folder: &'static str,
    pub heights: &'static [(&'static str, u8)],
}

/// Every folder that is cut into rooms.
pub const FLOORS: &[Floors] = &[
    Floors {
        folder: "engine",
        heights: &[
            ("backup", 5),
            ("lifecycle", 4),
            ("link", 3),
            ("shared_log", 3),
            ("worker", 2),
            ("replication", 2),
            ("status", 2),
            ("commit", 1),
            ("storage", 1),
            ("jobs", 1),
            ("views", 1),
            ("bucket", 1),
            ("shared", 0),
        ],
    },
    Floors {
        folder: "log",
        heights: &[
            ("inspect", 5),
            ("copy", 5),
            ("recover", 4),
            ("snapshot", 3),
            ("read", 2),
            ("write", 1),
            ("files", 0),
            ("format", 0),
            ("blobs", 0),
            ("lane", 0),
            ("runs", 1),
        ],
    },
];

/// A newcomer reads a folder at one glance up to about here.
pub const ENTRIES_MAX: usize = 14;

/// What a drawing of the imports between the rooms of one folder shows.
pub struct Picture {
    folder: &'static str,
    rooms: BTreeSet<String>,
    /// From a room to a room, with the first import of each.
    arrows: BTreeMap<(String, String), Breach>,
    up: Vec<Breach>,
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rooms, arrows, up) = (self.rooms.len(), self.arrows.len(), self.up.len());
        write!(f, "src/{}: {rooms} modules, {arrows} arrows, {up} up", self.folder)
    }
}

impl Picture {
    /// Draws the folder of `floors`.
    pub fn of(floors: &Floors, files: &[File]) -> Self {
        let mut arrows = BTreeMap::new();
        let inside =
            |module: &[String]| (module.first()? == floors.folder).then(|| module.get(1).cloned())?;
        for file in files {
            let Some(from) = inside(&file.module) else { continue };
            for Mention { line, target } in mentions(file, files) {
                let Target::Local(module) = target else { continue };
                let Some(to) = inside(&module).filter(|to| *to != from) else { continue };
                let what = format!("the room `{from}` uses `{}`", module.join("::"));
                let first = || Breach { file: file.name.clone(), line, what };
                arrows.entry((from.clone(), to)).or_insert_with(first);
            }
        }
        let rooms = files.iter().filter_map(|file| inside(&file.module)).collect();
        let rises = |(from, to): &(String, String)| floors.height(from) <= floors.height(to);
        let up = arrows.iter().filter(|(ends, _)| rises(ends)).map(|(_, first)| first.clone()).collect();
        Self { folder: floors.folder, rooms, arrows, up }
    }

    /// What is wrong with it: arrows that go up or to a neighbour, rooms without a floor, more rooms than one takes in.
    fn breaches(&self, floors: &Floors) -> Vec<Breach> {
        let place = |what| Breach { file: format!("src/{}", self.folder), line: 1, what };
        let strange = |room: &&String| floors.height(room).is_none();
        let homeless = |room| place(format!("`{room}` has no floor in tests/architecture/rooms.rs"));
        let crowd = (self.rooms.len() > ENTRIES_MAX)
            .then(|| place(format!("{} entries, more than {ENTRIES_MAX}", self.rooms.len())));
        let up = self
            .up
            .iter()
            .map(|first| Breach { what: format!("{}, not below it", first.what), ..first.clone() });
        up.chain(self.rooms.iter().filter(strange).map(homeless)).chain(crowd).collect()
    }
}

impl Floors {
    fn height(&self, room: &str) -> Option<u8> {
        self.heights.iter().find(|(name, _)| *name == room).map(|(_, height)| *height)
    }
}

/// Breaches of all folders with rooms.
pub fn breaches(files: &[File]) -> Vec<Breach> {
    FLOORS.iter().flat_map(|floors| Picture::of(floors, files).breaches(floors)).collect()
}
