//! The seam of applications: what the engine knows of them, and what they know of the engine.
//!
//! `application` and `state` are what an application implements, `background` is for those that work by themselves, and `hosts` says for which of several hosts, which `members` lists; `applied`
//! holds the states of all of them, and `pieces` takes a batch apart for it. `router` finds who answers a request, `upload` and
//! `wait` are ways to take and to hold one, `keep` says how much is kept, `trimming`
//! cuts the rest by `floors`. `answer`, `fields`, `files`, `references`, `id` and `openapi` are at hand for all
//! of them; `index` is the page that shows what there is.
//!
//! `shelving` moves the oldest items of an application, which it gives by `aging`, to runs on the disk, `returning` brings them back; `old` is what is known of them in memory and `old_view`
//! reads them, `old_times` in the order of their times, for a `lookup`; `naming` says which blobs are named, and `digest` what hosts compare.
//!
//! `view` and `feed` are for what follows the journal beside the commit step, and is watched.

pub mod access;
pub mod aging;
pub mod answer;
pub mod application;
pub mod applied;
pub mod applied_lock;
pub(crate) mod background;
pub(crate) mod believed;
pub(crate) mod digest;
pub(crate) mod feed;
pub mod fields;
pub(crate) mod files;
pub(crate) mod floors;
pub(crate) mod foldable;
pub(crate) mod folding;
pub(crate) mod form_page;
pub mod heal;
pub(crate) mod hosts;
pub(crate) mod id;
pub(crate) mod index;
pub mod keep;
pub(crate) mod lookup;
pub mod members;
pub mod naming;
pub mod old;
mod old_later;
pub mod old_times;
pub mod old_view;
pub(crate) mod openapi;
pub(crate) mod pieces;
pub(crate) mod references;
pub(crate) mod returning;
pub mod router;
pub mod shelving;
pub(crate) mod shown;
pub mod state;
mod stored_run;
pub(crate) mod trimming;
pub mod upload;
pub(crate) mod view;
pub mod wait;
