//! Who may do what, as the keys say it.

use std::path::Path;

use crate::base::network::Network;
use crate::base::rate::Rate;

/// What the keys say, before files that they name are read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The file of tokens.
    pub tokens: Option<Box<Path>>,
    /// Everybody may do everything, and that is meant.
    pub open: bool,
    /// How often each address may ask.
    pub rate: Option<Rate>,
    /// Proxies that are believed.
    pub proxies: Vec<Network>,
    /// Names in Host that are answered; all where there is none.
    pub hosts: Vec<Box<str>>,
    /// Origins whose pages may ask.
    pub origins: Vec<Box<str>>,
}
