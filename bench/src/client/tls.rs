//! TLS of the client side: whose certificates are trusted, and what is offered.
//!
//! TLS 1.3 and 1.2, ALPN `http/1.1`, the name of the URL as SNI (RFC 6066, section 3). Sessions are never resumed: each
//! connection costs both sides what a new client costs.

use crate::input;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the authorities' certificates are, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// In a file.
    File(PathBuf),
    /// Here.
    Pem(Arc<[u8]>),
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The authorities; the system's unless given.
    pub authorities: Option<Authorities>,
    /// Whether any certificate is taken.
    pub is_unchecked: bool,
}

/// What the connections to one name have in common.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// What it was made of, a file's content in place of its name.
    trust: Trust,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for Tls {}

impl Tls {
    /// Prepares connections to `name`, a host name or an address.
    ///
    /// # Errors
    /// Returns a sentence for a name that no certificate can have, and for authorities that can't be read.
    pub fn new(name: &str, trust: &Trust) -> Result<Self, String> {
        let Some(Authorities::File(file)) = &trust.authorities else { return Self::of(name, trust.clone()) };
        let wrong = |what: String| format!("{}: {what}", file.display());
        let no_certificates = |error: String| format!("{error}; give certificates in PEM");
        let pem = input::bytes(file, input::SETTINGS_BYTES_MAX).map_err(no_certificates)?;
        let trust = Trust { authorities: Some(Authorities::Pem(pem.into())), ..*trust };
        Self::of(name, trust).map_err(wrong)
    }

    fn of(name: &str, trust: Trust) -> Result<Self, String> {
        let wrong = |error| format!("`{name}` can't stand in a certificate: {error}");
        let server = ServerName::try_from(name.to_string()).map_err(wrong)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS can't be set up: {error}"))?;
        let builder = if trust.is_unchecked {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked { algorithms }))
        } else {
            builder.with_root_certificates(authorities(trust.authorities.as_ref())?)
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config), name: server, trust })
    }

    /// Returns whom it trusts, so that another host can trust the same.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Makes the state of a new connection.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn session(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(|error| explained(&error))
    }
}

/// Returns the authorities that this host trusts, or those of `SSL_CERT_FILE`; an empty store where there are no such files.
#[must_use]
pub fn authorities_of_host() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

fn authorities(given: Option<&Authorities>) -> Result<RootCertStore, String> {
    let Some(Authorities::Pem(pem)) = given else {
        let store = authorities_of_host();
        return match store.is_empty() {
            true => Err("this host has no certificates of authorities; name some with --cacert FILE".into()),
            false => Ok(store),
        };
    };
    let mut store = RootCertStore::empty();
    let wrong = |what: String| format!("{what}; give certificates in PEM");
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        store.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if store.is_empty() { Err(wrong("no certificate in it".into())) } else { Ok(store) }
}

/// Takes any certificate whose key signed the handshake.
#[derive(Debug)]
struct Unchecked {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns an error of a stream with what to do about it, if rustls made it.
#[must_use]
pub fn explain(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(of_tls) => explained(of_tls),
        None => error,
    }
}

/// Makes an I/O error of what rustls said, with what to do about it.
#[must_use]
pub fn explained(error: &rustls::Error) -> io::Error {
    let advice = match error {
        // What `openssl req -x509` makes; --cacert does not help.
        rustls::Error::InvalidCertificate(why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            "; it is an authority's certificate, which is not taken for a server's: make one with `-addext \
             basicConstraints=critical,CA:FALSE`, or take any certificate with --insecure"
        }
        rustls::Error::InvalidCertificate(_) => {
            "; trust its issuer with --cacert FILE, or take any certificate with --insecure"
        }
        rustls::Error::InvalidMessage(_) => "; is it a port without TLS? Then write http://",
        _ => "",
    };
    io::Error::new(io::ErrorKind::InvalidData, TlsError(format!("TLS: {error}{advice}")))
}

/// An error of rustls, with the next step.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TlsError(String);

/// Returns whether TLS itself failed, as it does with the next connection, too.
#[must_use]
pub fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TlsError>())
}
