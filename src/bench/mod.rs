//! `pixeld bench`: a load generator that can be believed.
//!
//! A [`scenario`] says what a run does. Each thread's [`driver`] keeps a schedule ([`pacer`]), writes requests
//! ([`request`], [`template`]), reads answers ([`client`], [`connection`]) and counts ([`tally`]); [`run`] starts the
//! threads and adds up. A [`session`] makes a [`report`] of it, with a [`verdict`] on who was the wall, what
//! [`verify`] read back, and the [`goal`]s. Everything without a socket, a clock or a file in its name is pure.

pub mod bootstrap;
pub mod calibrate;
pub mod calibration;
pub mod chaos;
pub mod client;
pub mod compare;
pub mod connection;
pub mod diff;
pub mod driver;
pub mod environment;
pub mod exit;
pub mod fetch;
pub mod foreign;
pub mod goal;
pub mod launch;
pub mod live;
pub mod machine;
pub mod null;
pub mod options;
pub mod pacer;
pub mod peers;
pub mod published;
pub mod quantity;
pub mod random;
pub mod report;
pub mod request;
pub mod run;
pub mod scenario;
pub mod search;
pub mod server;
pub mod session;
pub mod stages;
pub mod stream;
pub mod tally;
pub mod target;
pub mod template;
pub mod verdict;
pub mod verify;
