//! Runs: old items of an application in files that are never changed, each named by the SHA-256 of its content.
//!
//! ```text
//! items -> writer -> run          runs, without what is gone of them -> merge -> run
//! place, key -> a table's index, in memory -> one block -> items, places
//! ```
//!
//! A run is a few sorted tables: the items by their places, and for each other order or name the places that it leads to.
//! In memory are the first key of each block, a filter for each table of names, and the set of places.

pub(crate) mod block;
pub(crate) mod bytes;
pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod footer;
pub mod item;
pub(crate) mod merge;
pub mod run;
pub mod shelf;
pub(crate) mod table;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
