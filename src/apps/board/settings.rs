//! What an operator may set about the board.

/// Settings; the keys of the `[board]` table of the configuration file have these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSettings {
    /// What the address of a picture starts with, without a slash at its end: a path of this host, or a CDN's address.
    pub public_base: String,
    /// Keep what pictures say about who took them, where and when.
    pub keep_metadata: bool,
}

/// Where this host serves the pictures itself.
pub const MEDIA_PATH: &str = "/media";

impl Default for BoardSettings {
    fn default() -> Self {
        Self { public_base: MEDIA_PATH.to_owned(), keep_metadata: false }
    }
}
