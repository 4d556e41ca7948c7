//! The operating system: the only layer that names files, sockets, clocks and threads.

pub mod address;
pub mod clock;
pub mod datadir;
pub mod disk;
pub mod files;
pub mod inherit;
pub mod notify;
pub mod output;
pub mod pass;
pub mod random;
pub mod signal;
pub mod socket;
pub mod steer;
pub mod subprocess;
pub mod thread;
pub mod timer;
pub mod topology;
