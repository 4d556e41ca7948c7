//! The seam of applications: what the engine knows of them, and what they know of the engine.
//!
//! `application` and `state` are what an application implements, `background` is for those that work by themselves;
//! `router` finds who answers a request, `upload` and `wait` are ways to take and to hold one. `keep` is how much is
//! kept. `answer`, `fields`, `files`, `references`, `id` and `openapi` are at hand for all of them; `index` is the page that shows what there is.

pub mod answer;
pub mod application;
pub mod background;
pub mod fields;
pub mod files;
pub mod form_page;
pub mod heal;
pub mod id;
pub mod index;
pub mod keep;
pub mod openapi;
pub mod references;
pub mod router;
pub mod state;
pub mod upload;
pub mod wait;
