//! The operating system: the only layer that names files, sockets, clocks and threads.

pub(crate) mod address;
pub mod cage;
pub mod clock;
pub(crate) mod confinement;
pub(crate) mod cores;
pub mod datadir;
pub mod disk;
pub mod files;
pub(crate) mod inherit;
pub(crate) mod memory;
pub(crate) mod notify;
pub(crate) mod output;
pub(crate) mod pass;
pub(crate) mod random;
pub(crate) mod regular;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod steer;
pub(crate) mod subprocess;
pub mod thread;
pub(crate) mod timer;
pub(crate) mod topology;
