//! Who may do what, as the keys say it.

use std::path::Path;

/// What the keys say, before files that they name are read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The file of tokens.
    pub tokens: Option<Box<Path>>,
    /// Everybody may do everything, and that is meant.
    pub open: bool,
}
