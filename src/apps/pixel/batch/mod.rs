//! Many pixels in one request: `POST /pixels`.
//!
//! Pixels go into the lane as they arrive, so a batch of any length takes a few kilobytes of memory. Only a JSON
//! array waits for its end, because it is taken whole or not at all when its syntax is broken; what waits are the
//! records, a quarter of the text's size at most.
//!
//! What is wrong with single pixels is reported, up to a bound, and does not keep the others out.

pub mod array;
pub mod binary;
pub(crate) mod elements;
pub mod lines;
pub(crate) mod tally;

#[cfg(test)]
mod tests;
