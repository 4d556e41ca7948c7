//! Why a picture can't be cleaned.

/// A reason; what it displays goes on from "it can't be cleaned:".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclean {
    /// It can't be read up to its pixels: no browser shows it.
    #[error("it can't be read up to its pixels")]
    NoPixels,
    /// It is of a form that is not taken apart here.
    #[error("{0} is not supported (save it as a usual JPEG or PNG)")]
    Form(&'static str),
    /// Reading it to the end would take too much memory or time.
    #[error("it unpacks to more than is looked through")]
    TooLarge,
    /// The copy was found to be another picture. Seeing this is a fault of the server's.
    #[error("its copy would be another picture")]
    Different,
}
