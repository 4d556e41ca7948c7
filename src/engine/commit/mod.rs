//! Makes records durable and visible: the commit step, run by the disk thread or, at `memory`, by a worker.

pub mod committer;
pub mod disk;
pub(crate) mod fatal;
pub mod memory;
mod syncer;
