//! Pictures: what kind they are, how large, what they say about who took them, and how they look when small.
//!
//! Everything a client sends here may be built to do harm: sizes are read before pixels are decoded, every length is
//! checked against what is there, and a deadline is looked at while a decoder reads.

pub mod burden;
pub mod clean;
pub mod exif;
pub mod kind;
pub mod limits;
pub mod reduce;
pub mod rows;
pub mod size;
pub mod thumbnail;
pub mod thumbnailer;
