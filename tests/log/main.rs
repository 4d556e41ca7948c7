//! The journal, its blobs and the commit step: what is written, found again, damaged and refused.

#[path = "../support/journal/mod.rs"]
mod journal;
#[path = "../support/sim_disk/mod.rs"]
mod sim_disk;
#[path = "../support/skip.rs"]
mod skip;

mod append;
mod basics;
mod blobs;
mod commit_step;
mod crash;
mod damage;
mod errors;
mod files;
mod folds;
mod format;
mod starts;
mod trial;
mod verbatim;
