//! The bytes of the journal: a record, the frame of a batch, a segment, and how damage in them is described.

pub(crate) mod damage;
pub mod frame;
pub mod record;
pub mod segment;
