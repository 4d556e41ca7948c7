//! What HTTPS is configured with, and the certificates that this leads to.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::shared::tls::certificates::{CertificateError, Pair};
use crate::engine::shared::tls::{Https, Tls};
use crate::os::address::Address;

/// What HTTPS is configured with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpsFiles {
    /// The files of certificates.
    pub certificates: Vec<PathBuf>,
    /// Those of their keys, in the same order.
    pub keys: Vec<PathBuf>,
    /// Addresses that only redirect.
    pub redirect: Vec<Address>,
    /// Where an ACME client puts its answers.
    pub acme_dir: Option<PathBuf>,
    /// What browsers are told to remember.
    pub hsts: Option<Duration>,
}

impl HttpsFiles {
    /// Reads the certificates; gives nothing where there are none.
    ///
    /// # Errors
    /// Fails as [`CertificateError`] says.
    pub fn open(&self) -> Result<Option<Https>, CertificateError> {
        if self.certificates.is_empty() {
            return Ok(None);
        }
        Ok(Some(Https { tls: Tls::open(self.pairs())?, hsts: self.hsts, acme_dir: self.acme_dir.clone() }))
    }

    /// Returns each certificate with its key.
    #[must_use]
    pub fn pairs(&self) -> Vec<Pair> {
        let pairs = self.certificates.iter().cloned().zip(self.keys.iter().cloned());
        pairs.map(|(certificate, key)| Pair { certificate, key }).collect()
    }
}
