//! Bounds of the board.

/// Characters of a message on the board; a longer one is answered 422.
pub const BOARD_MESSAGE_CHARS_MAX: usize = 255;
/// Bytes of a picture's name on the board; a longer one is cut.
pub const BOARD_NAME_BYTES_MAX: usize = 200;
/// Most messages on the board; beyond that a new one is answered 507. About a bit of memory is kept for each.
pub const BOARD_MESSAGES_MAX: u64 = 1_000_000_000;
/// Bytes of messages and names in memory, which go to the disk long before; beyond that a new message is answered 507.
pub const BOARD_TEXT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Greatest number of a message: a client that reads it as a float gets it exactly.
pub const BOARD_ID_MAX: u64 = (1 << 53) - 1;
/// Messages in one list of the board; there is a cursor to the next.
pub const BOARD_LIST_MAX: usize = 100;
/// Events (posts and deletes) that a visitor who was away for a moment is sent; after more it has to list again.
pub const BOARD_NEWS_MAX: usize = 64;
/// How long a question for news of the board is held, milliseconds: less than a stop waits for what is in flight.
pub const BOARD_NEWS_HOLD_MS: u64 = 5_000;
/// How often it is looked whether the peer has sent news, milliseconds.
pub const BOARD_NEWS_LOOK_MS: u64 = 500;
