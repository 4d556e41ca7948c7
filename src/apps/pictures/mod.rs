//! Pictures: what kind they are, how large, what they say about who took them, and how they look when small.
//!
//! Everything a client sends here may be built to do harm: sizes are read before pixels are decoded, every length is
//! checked against what is there, and a deadline is looked at while a decoder reads.

pub(crate) mod burden;
pub mod clean;
pub(crate) mod exif;
pub mod kind;
pub(crate) mod limits;
pub(crate) mod reduce;
pub(crate) mod rows;
pub mod size;
pub mod thumbnail;
pub mod thumbnailer;
