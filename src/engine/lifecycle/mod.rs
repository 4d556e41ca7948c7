//! Starts and ends a server: whose directory this is, its recovery, its threads, its hand-over and its end.

pub mod first;
pub mod founding;
pub mod healing;
pub mod inspection;
mod listening;
pub mod opening;
pub mod parting;
pub mod rebuilding;
pub mod server;
mod starting;
pub mod vacancy;
mod workers;
