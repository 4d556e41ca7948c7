//! HTTPS of the listeners: the certificates, and TLS of one connection. TLS 1.2 and 1.3 by rustls, with ring.

pub mod certificates;
pub mod examined;
pub mod session;
#[cfg(test)]
mod session_tests;
mod validity;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::version::{TLS12, TLS13};

use self::certificates::{CertificateError, Certificates, Pair, Reloaded};
use self::session::TlsSession;

/// What is spoken above TLS (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// Ciphers, the first one that a client knows is taken. AES-128 leads for its SHA-256, for which processors have instructions: SHA-384
/// took an eighth of a resumed handshake (decision 0054).
const CIPHERS: [SupportedCipherSuite; 9] = [
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// What HTTPS needs besides sockets: one for all listeners of a process.
#[derive(Clone)]
pub struct Https {
    /// Begins sessions and has the certificates.
    pub tls: Arc<Tls>,
    /// How long browsers are told to come by HTTPS only (RFC 6797); nothing for not at all.
    pub hsts: Option<Duration>,
    /// Where an ACME client puts its answers to challenges (RFC 8555, section 8.3).
    pub acme_dir: Option<PathBuf>,
}

/// The server's side of TLS.
pub struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl Tls {
    /// Reads the certificates and makes the keys of tickets, which rustls replaces every six hours.
    ///
    /// # Errors
    /// Fails as [`CertificateError`] says.
    pub fn open(pairs: Vec<Pair>) -> Result<Arc<Self>, CertificateError> {
        let ring = rustls::crypto::ring::default_provider();
        let provider = Arc::new(CryptoProvider { cipher_suites: CIPHERS.to_vec(), ..ring });
        let certificates = Certificates::open(pairs, provider.clone())?;
        let unusable = |error: rustls::Error| CertificateError::Tls(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
        let mut config =
            builder.map_err(unusable)?.with_no_client_auth().with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.ignore_client_order = true;
        // A session is in its ticket, so that any worker resumes it and none remembers any.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unusable)?;
        Ok(Arc::new(Self { config: Arc::new(config), certificates }))
    }

    /// Begins a session of which nothing has arrived.
    ///
    /// # Errors
    /// Fails when rustls has no random numbers.
    pub fn begin(&self) -> std::io::Result<TlsSession> {
        TlsSession::new(self.config.clone()).map_err(std::io::Error::other)
    }

    /// Reads the certificates again; sessions that are open keep theirs.
    pub fn reload(&self) -> Reloaded {
        self.certificates.reload()
    }

    /// Reads the certificates again if their files have changed and then stayed as they are from one call to the next: a
    /// certificate and its key are two files, which are replaced one behind the other.
    pub fn reload_if_changed(&self) -> Option<Reloaded> {
        self.certificates.have_settled().then(|| self.reload())
    }

    /// Returns what is known of the certificates.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }
}
