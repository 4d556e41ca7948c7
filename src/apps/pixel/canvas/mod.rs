//! The canvas: the pixels as a picture, drawn beside the commit step as a view of the journal.
//!
//! ```text
//! the thread of the views                                        requests
//! view     begin: checkpoint, else the journal                   requests  covering: waits for what was applied before
//!          follow: batches -> drawing -> tiles (runs, scratch)   shape -> raster -> PNG, on a job thread; pictures: shared
//!          settle: changed tiles -> frames -> feeds              a feed's frames, sent by the workers
//! ```
//!
//! cell, history, past and past_picture read the journal once more, backwards or from its start.
//!
//! A cell keeps, for each channel, the latest value by the one order of all hosts (time of the batch, origin, number), so every
//! host draws the same picture. `docs/canvas.md` says what is promised.

pub mod bounds;
pub mod cell;
mod changes;
mod checkpoint;
mod covering;
pub mod cursor;
mod dots;
pub mod drawing;
#[cfg(test)]
pub(crate) mod drawing_tests;
mod frames;
mod history;
pub mod journal;
mod keys;
pub mod limits;
pub mod past;
mod past_picture;
mod pictures;
pub mod raises;
pub mod raster;
pub mod requests;
pub mod runs;
mod scratch;
pub mod shape;
mod store;
mod stored;
pub mod tile;
pub mod tiles;
pub mod view;
