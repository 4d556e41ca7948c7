//! The small files of the directory, each replaced as a whole: who it is, who its peer is, whether it is a newcomer. And files
//! that only spare work.

pub mod cache_file;
pub mod identity;
pub mod known_peer;
pub mod newcomer;
pub mod restoring;
pub mod unreadable;
pub(crate) mod whole_file;
