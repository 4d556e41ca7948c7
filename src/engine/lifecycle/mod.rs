//! Starts and ends a server: whose directory this is, its recovery, its threads, its hand-over and its end.

mod disk_thread;
pub(crate) mod first;
pub(crate) mod forgetting;
pub(crate) mod founding;
pub(crate) mod healing;
pub mod inspection;
pub(crate) mod inviting;
mod listening;
mod offline;
pub mod opening;
pub(crate) mod parting;
mod patience;
pub mod rebuilding;
pub mod server;
mod sharing;
mod starting;
pub(crate) mod vacancy;
mod workers;
