//! What stops a transfer.

use std::io;
use std::path::PathBuf;

/// Why a picture could not be sent or read back; each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The file is no picture that can be read.
    #[error("{path} cannot be sent: {reason}; a PNG or JPEG is needed", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// It would reach beyond the canvas.
    #[error(
        "a picture of {width} x {height} does not fit at {x},{y}: the last column and row of the canvas are 2147483647; \
         choose a smaller --at"
    )]
    Place {
        /// Column of its first pixel.
        x: i32,
        /// Row of it.
        y: i32,
        /// Pixels of a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The address is not valid.
    #[error(
        "{url:?} is not the address of a server; one looks like http://127.0.0.1:8000 or https://example.org"
    )]
    Url {
        /// As it was given.
        url: String,
    },
    /// The authorities to trust can't be read.
    #[error("{0}")]
    Trust(String),
    /// The connection can't be encrypted, or its certificate is not trusted.
    #[error("no connection by https to {address}: {reason}; then go on with --from {from}")]
    Untrusted {
        /// Where the server should be.
        address: String,
        /// The fault, and the next step.
        reason: String,
        /// Number of the first request without an answer.
        from: u64,
    },
    /// No answer for longer than the patience allows.
    #[error(
        "no answer from {address} for {patience_s} s: {reason}; is `pixeld serve` running there? Nothing before \
         request {from} is missing: go on with --from {from}"
    )]
    Unreachable {
        /// Where the server should be.
        address: String,
        /// How long was waited, in seconds.
        patience_s: f64,
        /// The last thing that went wrong.
        reason: String,
        /// Number of the first request without an answer.
        from: u64,
    },
    /// The server refuses a pixel for good.
    #[error("request {request} was refused with {status}: {body}; go on with --from {from}")]
    Refused {
        /// Number of the request.
        request: u64,
        /// Status of the answer.
        status: u16,
        /// The answer's body.
        body: String,
        /// Number of the first request without a good answer.
        from: u64,
    },
    /// The report can't be written.
    #[error(
        "the report can't be written to stdout: {0}; the answers are in order so far, look again with --check"
    )]
    Output(io::Error),
    /// The server went away while the list of pixels was read, or before.
    #[error("the pixels cannot be read back: {0}; is `pixeld serve` running there? Try again with --check")]
    Away(String),
    /// The list of pixels could not be read.
    #[error("the pixels cannot be read back: {0}; try again with --check")]
    ReadBack(String),
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::ReadBack(error.to_string())
    }
}
