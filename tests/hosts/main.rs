//! Two hosts: joined, cut apart, killed, balanced and compared.

#[path = "../support/board/mod.rs"]
mod board;
#[path = "../support/browser/mod.rs"]
mod browser;
#[path = "../support/canvas/mod.rs"]
mod canvas_seen;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/thumbs/mod.rs"]
mod thumbs;

mod balancer;
mod both;
mod canvas_balanced;
mod clocks;
mod full_disk;
mod healing;
mod joining;
mod keep;
mod left_behind;
mod members;
mod names;
mod old_items;
mod old_items_differ;
mod older_segments;
mod pairing;
mod parted;
mod partition;
mod retention;
mod samples;
mod second_host;
mod skew;
mod starts;
mod stopping;
mod taken_over;
mod two_hosts;
mod two_shops;
