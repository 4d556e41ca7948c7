//! The pixel service.

pub mod body;
pub mod detail;
pub mod record;
pub mod scanner;
pub mod state;
pub mod template;
pub mod validate;
