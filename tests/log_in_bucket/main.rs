//! Hosts whose log is in a bucket: three processes, a real server of S3's protocol (moto), kill -9 of a host, a bucket that stands
//! still.
//!
//! ```text
//! pip install 'moto[server,s3]'
//! cargo test --features s3 --test log_in_bucket
//! ```

#![cfg(feature = "s3")]

#[path = "../support/board/mod.rs"]
mod board;
#[path = "../support/bucket/mod.rs"]
mod bucket;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/told/mod.rs"]
mod told;

mod cluster;
mod faults;
mod hosts;
mod measured;
mod refusals;
mod seats;
