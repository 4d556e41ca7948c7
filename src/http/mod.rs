//! HTTP/1.0 and HTTP/1.1 as bytes in, events out: no socket, no clock, no thread.
//!
//! ```text
//! input -> connection::Machine -> scan (where the head ends) -> request (what it says) -> body -> Step
//!          headcache::HeadCache: the same head once more, recognised instead of parsed
//! Response -> response::write -> output
//! ```
//!
//! Requests are read as strictly as RFC 9112 allows, because whatever two parsers read differently can be used to
//! smuggle a request past one of them: what is ambiguous is refused, and a refusal always ends the connection.

pub mod accept;
pub mod body;
pub mod caching;
pub mod charset;
pub mod coding;
pub mod conditional;
pub mod connection;
pub mod date;
pub mod extension;
pub mod framing;
pub mod headcache;
pub mod method;
pub mod moment;
pub mod multipart;
pub mod parameters;
pub mod query;
pub mod refusal;
pub mod request;
pub mod response;
pub mod scan;
pub mod status;
pub mod target;
