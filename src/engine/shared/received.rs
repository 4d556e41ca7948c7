//! What a look for a client's bytes found.

/// What a look for input found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, more than 0.
    Bytes(usize),
    /// The client's end.
    End,
    /// Nothing at the moment; the event loop tells when there is something.
    Nothing,
    /// Nothing, but only because a signal came: to be asked again.
    Interrupted,
    /// So many bytes, more than 0, out of records of TLS. Unlike a short read of the socket this doesn't tell whether there
    /// are more.
    Decrypted(usize),
    /// So many bytes of TLS that decrypt to nothing yet.
    Records(usize),
    /// A handshake is to go on, once its turn has come.
    WantsTurn,
    /// A handshake is over.
    Shaken,
    /// Nothing, and the socket doesn't take the rest of our part of a handshake for the moment.
    Full,
    /// A client that doesn't speak TLS where that is spoken.
    NotTls,
}
