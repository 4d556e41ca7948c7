//! Several generators as one: a master divides a run among agents on other hosts, starts them together and adds up.
//!
//! A run has threads, and each thread its connections, its part of the schedule and its numbers ([`crate::scenario`]).
//! Agents run threads of one and the same scenario, so all of that is divided as it is within one process.
//!
//! ```text
//! master   crew      all agents of a run: divides, starts, collects
//!          station   one agent: a thread that talks to it
//! agent    serve     who may direct it; one master at a time
//!          task      one order: makes ready, runs, sends what was counted
//! both     message, order, figures      what is said
//!          wire, keys, token            how: lines in TLS 1.3, and who is who
//! ```

pub mod crew;
mod figures;
pub mod keys;
pub mod limits;
pub mod message;
mod order;
mod part;
pub mod serve;
mod shown;
mod station;
mod strangers;
mod task;
pub mod token;
pub mod wire;
