//! `pixeld bench`: a load generator that can be believed.
//!
//! Imports go down only; `tests/architecture/main.rs` of the workspace reads the sources and fails where that is broken.
//!
//! ```text
//! 6  tools      a measurement from start to exit code, and the tools around it: compare, search, calibrate, diff
//! 5  screen     a run on the whole terminal while it runs
//! 4  report     goals, the verdict on the bottleneck, and the outputs
//!    agent      several generators as one, beside it
//!    top        `pixeld top`, beside them
//! 3  driver     the threads that send and count, what the machine and the server used meanwhile
//! 2  scenario   what a run does: load, schedule, requests
//!    send       `pixeld send`, beside it
//! 1  client     HTTP's client side: targets, sockets, answers
//! 0  quantity   how amounts are written; redaction, what outputs keep to themselves; output, lines on stderr; input, files that
//!               a user names
//! ```
//!
//! A [`scenario`] says what a run does. Each thread's [`driver`] keeps a schedule ([`scenario::pacer`]), writes requests
//! ([`scenario::request`]), reads answers ([`client::response`]) and counts ([`driver::tally`]); [`driver::run`] starts
//! the threads and adds up. A [`tools::session`] makes a [`report`] of it, with what [`tools::verify`] read back.

pub mod agent;
pub mod client;
pub mod driver;
pub mod input;
mod output;
pub mod quantity;
pub mod redaction;
pub mod report;
pub mod scenario;
pub mod screen;
pub mod send;
pub mod tools;
pub mod top;
