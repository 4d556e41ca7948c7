//! Two hosts: joined, cut apart, killed, balanced and compared.

#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;

mod balancer;
mod both;
mod clocks;
mod full_disk;
mod healing;
mod joining;
mod keep;
mod left_behind;
mod names;
mod older_segments;
mod parted;
mod partition;
mod retention;
mod second_host;
mod starts;
mod stopping;
mod two_hosts;
mod two_shops;
