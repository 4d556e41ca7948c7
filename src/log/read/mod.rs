//! Reads the journal while it grows, from the file and from what no file has yet.

pub(crate) mod reader;
pub mod scan;
mod source;
pub(crate) mod window;
