//! One server: its command line, its connections, its bounds, and what it does when things fail.

#[path = "../support/feed.rs"]
mod feed;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/secured.rs"]
mod secured;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/terminal.rs"]
mod terminal;

mod access;
mod certificates;
mod config;
mod crowds;
mod cut_kills;
mod decoder;
mod disk_fault;
mod disk_full;
mod doctor;
mod durable;
mod endings;
mod examined;
mod guards;
mod hints;
mod http_machine;
mod http_vectors;
mod https;
mod https_proxies;
mod kills;
mod limits;
mod memory_loss;
mod mixture;
mod no_write;
mod order;
mod output;
mod restart;
mod send;
mod send_draws;
mod serve;
mod service;
mod side_doors;
mod slow_disk;
mod small_segments;
mod snapshots;
mod steering;
mod stopped;
mod top;
mod tuning;
mod vacancy;
mod vectors_live;
