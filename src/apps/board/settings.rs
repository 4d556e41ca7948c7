//! What an operator may set about the board.

use crate::app::keep::{self, Keep};
use crate::base::setting::{Form, Preset, Setting, Values};

/// Where this host serves the pictures itself.
const MEDIA_PATH: &str = "/media";

static PUBLIC_BASE: Setting = Setting::new(
    "board.public_base",
    "BASE",
    "What addresses of the board's pictures start with: a path here or a CDN's address",
    Form::Text(
        "a path such as /media, or an address such as https://cdn.example.net/board, without a slash at its end",
        is_base,
    ),
    Preset::Text(MEDIA_PATH),
);
static KEEP_METADATA: Setting = Setting::new(
    "board.keep_metadata",
    "BOOL",
    "Keep what the board's pictures say about who took them, where and when",
    Form::Truth,
    Preset::Text("false"),
);
static UNCLEAN: Setting = Setting::new(
    "board.unclean",
    "WHAT",
    "What becomes of a picture whose metadata can't be removed: refused with 422, or kept as it came, which the answer says",
    Form::Word(&["refuse", "keep"]),
    Preset::Text("refuse"),
);
static KEEP: Setting = Setting::keep(
    "keep.board",
    "Messages that are kept, the newest of them; bytes are those of their texts and pictures",
    Form::List(keep::form, keep::is_limit),
    keep::ALL,
);
/// Bytes that a picture on the board may have; a larger one is answered 413.
pub static MAX_PICTURE: Setting = Setting::limit(
    "board.max_picture",
    "A picture on the board; a larger one is answered 413",
    Form::Size(1024, 1 << 30, 1),
    10 * 1024 * 1024,
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&KEEP, &PUBLIC_BASE, &KEEP_METADATA, &UNCLEAN, &MAX_PICTURE];

/// Settings; the keys of the `[board]` table of the configuration file have these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSettings {
    /// What the address of a picture starts with, without a slash at its end: a path of this host, or a CDN's address.
    pub public_base: String,
    /// Keep what pictures say about who took them, where and when.
    pub keep_metadata: bool,
    /// Keep a picture as it came if that can't be removed; otherwise it is refused.
    pub keep_unclean: bool,
    /// How many messages are kept.
    pub keep: Keep,
}

impl BoardSettings {
    /// Returns the settings that these values make.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        Self {
            public_base: values.text(&PUBLIC_BASE),
            keep_metadata: values.is_true(&KEEP_METADATA),
            keep_unclean: values.text(&UNCLEAN) == "keep",
            keep: Keep::of(values.get(&KEEP).elements()),
        }
    }
}

impl Default for BoardSettings {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}

/// Returns whether addresses of pictures may start with `text`. It stands in a policy's list of sources and before a name in
/// addresses.
fn is_base(text: &str) -> bool {
    let is_address = text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"'<>\\?#".contains(&byte));
    is_address && is_plain && !text.ends_with('/')
}
