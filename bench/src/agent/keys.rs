//! TLS 1.3 between a master and its agents. An agent shows a raw public key (RFC 7250); the master can pin its fingerprint.

use crate::agent::token::secret_text;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, OtherError, ServerConfig,
    ServerConnection, SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;

/// Name of the protocol in ALPN (RFC 7301). Its version stands in the greetings, so that a refusal can name it.
const PROTOCOL: &[u8] = b"pixeld-bench-agent";

/// SHA-256 of a public key (SubjectPublicKeyInfo in DER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the fingerprint of a public key.
#[must_use]
pub fn fingerprint_of(key: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, key).as_ref());
    Fingerprint(bytes)
}

/// The key of an agent.
#[derive(Clone)]
pub struct AgentKey {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

impl AgentKey {
    /// Makes a key that lasts as long as the process.
    ///
    /// # Errors
    /// Returns a sentence if the system has no random numbers.
    pub fn make() -> Result<Self, String> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| "no random numbers for a key")?;
        Self::of(PrivatePkcs8KeyDer::from(made.as_ref().to_vec()).into())
            .map_err(|error| format!("a new key: {error}"))
    }

    /// Reads a key from a file, PEM.
    ///
    /// # Errors
    /// Returns a sentence with the file's name, for what is no private key of a kind that can sign.
    pub fn read(file: &Path) -> Result<Self, String> {
        let wrong = |what: String| {
            let name = file.display();
            format!(
                "--key-file {name}: {what}; make one with `openssl genpkey -algorithm ed25519 -out {name}`"
            )
        };
        let text = secret_text(file).map_err(wrong)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        Self::of(key).map_err(|error| wrong(error.to_string()))
    }

    fn of(private: PrivateKeyDer<'static>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signing = provider.key_provider.load_private_key(private)?;
        let public =
            signing.public_key().ok_or_else(|| Error::General("no public key belongs to it".into()))?;
        // A raw public key travels in the place of a certificate.
        let certificate = CertificateDer::from(public.to_vec());
        let fingerprint = fingerprint_of(&certificate);
        let certified = Arc::new(CertifiedKey::new(vec![certificate], signing));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), fingerprint })
    }

    /// Returns what a master can pin.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Makes the agent's side of a connection.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn accept(&self) -> Result<ServerConnection, Error> {
        ServerConnection::new(Arc::clone(&self.config))
    }
}

/// The keys that agents may show: any, or the pinned ones.
#[derive(Clone, Debug)]
pub struct Pins {
    config: Arc<ClientConfig>,
    is_empty: bool,
}

impl Pins {
    /// Takes fingerprints; without one every key is taken, and the token alone tells an agent from others.
    ///
    /// # Errors
    /// Returns a sentence if TLS can't be set up.
    pub fn new(pinned: Vec<Fingerprint>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let is_empty = pinned.is_empty();
        let verifier = Arc::new(Pinned { pinned, provider: Arc::clone(&provider) });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| format!("TLS can't be set up: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config), is_empty })
    }

    /// Returns whether every key is taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Makes the master's side of a connection.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn dial(&self) -> Result<ClientConnection, Error> {
        // The name is not looked at: the key is the name.
        let name = ServerName::try_from("pixeld-bench-agent").expect("a name");
        ClientConnection::new(Arc::clone(&self.config), name)
    }
}

/// The agent showed a key that is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it shows the key {0}, which no --agent-key names")]
pub struct OtherKey(pub Fingerprint);

/// Returns what an error of TLS means for people.
#[must_use]
pub fn explained(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<OtherKey>() => {
            other.0.to_string()
        }
        error => format!("TLS: {error}; is it `pixeld bench agent` that listens there?"),
    }
}

/// Verifies that an agent has the private key of the public one that it shows, and that it may show that one.
#[derive(Debug)]
struct Pinned {
    pinned: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.pinned.is_empty() || self.pinned.contains(&fingerprint_of(key)) {
            true => Ok(ServerCertVerified::assertion()),
            false => {
                let shown = Arc::new(OtherKey(fingerprint_of(key)));
                Err(CertificateError::Other(OtherError(shown)).into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
