//! The applications: what a request means, which records it makes, and what those add up to.
//!
//! ```text
//! router -> app.handle -> Action -> (engine: lane, log, commit) -> state.apply
//! ```
//!
//! Each has a folder of its own, and `registry` a line for it; what an application is, is said in `app`. Everything here is
//! pure: requests, bytes and time come in, actions and bytes go out.

pub mod board;
pub mod declaration;
pub(crate) mod echo;
#[cfg(test)]
mod fold;
pub mod pex;
pub mod pictures;
pub mod pixel;
pub mod registry;
pub mod thumbs;
pub mod toys;
