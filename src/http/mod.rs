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

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod caching;
pub(crate) mod charset;
pub(crate) mod coding;
pub(crate) mod conditional;
pub mod connection;
pub mod date;
pub(crate) mod extension;
pub(crate) mod forwarded;
pub(crate) mod framing;
pub mod headcache;
pub mod method;
pub mod moment;
pub mod multipart;
pub(crate) mod parameters;
pub mod proxy_header;
pub(crate) mod query;
pub mod refusal;
pub mod request;
pub mod response;
pub(crate) mod scan;
pub(crate) mod sites;
pub(crate) mod status;
pub(crate) mod target;
