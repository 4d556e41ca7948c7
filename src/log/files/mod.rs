//! The small files of the directory, each replaced as a whole: who it is, who its peer is and how the two come to know each
//! other, whether it is a newcomer. And files that only spare work.

pub mod cache_file;
pub mod identity;
pub(crate) mod invitation;
pub mod known_peer;
pub mod newcomer;
pub(crate) mod paired;
pub mod restoring;
pub mod unreadable;
pub(crate) mod whole_file;
