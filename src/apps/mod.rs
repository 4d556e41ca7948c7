//! The applications: what a request means, which records it makes, and what those add up to.
//!
//! ```text
//! router -> app.handle -> Action -> (engine: lane, log, commit) -> state.apply
//! ```
//!
//! Everything here is pure: requests, bytes and time come in, actions and bytes go out.

pub mod answer;
pub mod app;
pub mod background;
pub mod board;
pub mod declaration;
pub mod echo;
pub mod fields;
pub mod files;
#[cfg(test)]
mod fold;
pub mod heal;
pub mod id;
pub mod index;
pub mod openapi;
pub mod pex;
pub mod pictures;
pub mod pixel;
pub mod references;
pub mod registry;
pub mod router;
pub mod state;
pub mod thumbs;
pub mod toys;
pub mod upload;
pub mod wait;
