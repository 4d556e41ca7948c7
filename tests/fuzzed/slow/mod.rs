//! HTTP/1.1 read once more, slowly and plainly from the grammar, a whole input at a time: what the server reads is held
//! against it. It shares no code with the server but the names of methods.

pub mod body;
pub mod bytes;
pub mod fields;
pub mod head;

/// Why reading ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The input ended.
    Cut,
    /// A byte is wrong, or what all of them say.
    Wrong,
    /// The body is longer than it may be.
    TooLong,
}

pub type Read<T> = Result<T, Stop>;
