//! TLS 1.3 with pinned raw public keys (RFC 7250), both ways. Bytes in, bytes out: the sockets are somebody else's.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName,
    Error, ServerConfig, ServerConnection, SignatureScheme,
};

use crate::base::fingerprint::Fingerprint;
use crate::engine::shared::key::{HostKey, fingerprint_of};

/// Both hosts speak the same protocol above TLS; a stranger's TLS client is refused by this already.
const PROTOCOL: &[u8] = b"pixeld-peer/1";

/// What both sides of a link need of TLS.
#[derive(Clone)]
pub struct Keys {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Keys {
    /// Makes the two sides with this host's key, towards the host whose key has the fingerprint `pinned`.
    ///
    /// # Errors
    /// Fails on a key that rustls does not take.
    pub fn new(own: &HostKey, pinned: Fingerprint) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivatePkcs8KeyDer::from(own.pkcs8().to_vec());
        let signing = provider.key_provider.load_private_key(private.into())?;
        // A raw public key travels in the place of a certificate.
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.spki().to_vec())], signing));
        let pin = Arc::new(Pin { pinned, provider: provider.clone() });
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(pin.clone())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified.clone())));
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A resumed session would not show the keys again.
        client.resumption = rustls::client::Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(pin)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    /// Makes the side of the connection that dialed.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn dial(&self) -> Result<Tls, Error> {
        // The name is not looked at: the key is the name.
        let name = ServerName::try_from("pixeld-peer").expect("a name");
        Ok(Tls { connection: ClientConnection::new(self.client.clone(), name)?.into() })
    }

    /// Makes the side of the connection that was dialed.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn accept(&self) -> Result<Tls, Error> {
        Ok(Tls { connection: ServerConnection::new(self.server.clone())?.into() })
    }
}

/// One side of a TLS connection.
pub struct Tls {
    connection: Connection,
}

/// What reading from the socket came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// So many bytes came.
    Bytes(usize),
    /// The other side has closed.
    End,
}

impl Tls {
    /// Reads once from `socket` and appends what it decrypts to `plain`.
    ///
    /// # Errors
    /// Fails with `WouldBlock`, those of the socket, and `InvalidData` with a [`rustls::Error`] inside for anything that is not TLS by
    /// the pinned key. An alert may then wait to be written.
    pub fn read(&mut self, socket: &mut impl Read, plain: &mut Vec<u8>) -> io::Result<Arrival> {
        let count = self.connection.read_tls(socket)?;
        if count == 0 {
            return Ok(Arrival::End);
        }
        let state = self
            .connection
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        self.connection.reader().read_exact(&mut plain[start..])?;
        Ok(Arrival::Bytes(count))
    }

    /// Encrypts as much of `plain` as there is room for; gives how much. Nothing before the handshake is complete.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn encrypt(&mut self, plain: &[u8]) -> io::Result<usize> {
        if self.is_handshaking() {
            return Ok(0);
        }
        self.connection.writer().write(plain)
    }

    /// Writes what waits to `socket`. True if nothing is left.
    ///
    /// # Errors
    /// Returns the error of the socket, but for `WouldBlock`.
    pub fn write(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Returns whether the keys are still being shown and verified.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Says that nothing more will be sent.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}

/// Verifies that the other side has the private key of the one public key that we know.
#[derive(Debug)]
struct Pin {
    pinned: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    fn verify(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        if fingerprint_of(key) == self.pinned {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(OtherKey(
            fingerprint_of(key),
        ))))))
    }

    fn verify_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(
            message,
            &spki,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

/// The other side showed a key that is not the pinned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side showed the key {0}")]
pub struct OtherKey(pub Fingerprint);

/// Returns the key that was shown instead of the pinned one, if that is what `error` is about.
#[must_use]
pub fn other_key(error: &io::Error) -> Option<Fingerprint> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<OtherKey>().map(|key| key.0)
        }
        _ => None,
    }
}

/// Returns whether the other side refused our key, which it says with an alert.
#[must_use]
pub fn is_refusal(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::AlertReceived(_)))
}

/// Returns whether the first bytes of a connection are TLS: the head of a handshake's or an alert's record (RFC 8446, 5.1). No
/// greeting begins so: it would be too long a frame.
#[must_use]
pub fn is_record(bytes: &[u8]) -> bool {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    matches!(bytes, [ALERT | HANDSHAKE, 3, ..])
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(key).map(|()| ServerCertVerified::assertion())
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
        self.verify_signature(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pin {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(key).map(|()| ClientCertVerified::assertion())
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
        self.verify_signature(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::files::RealDisk;

    fn key() -> HostKey {
        let directory = tempfile::tempdir().unwrap();
        HostKey::load_or_make(&RealDisk::open(directory.path()).unwrap()).unwrap()
    }

    /// Carries bytes both ways until nothing moves; gives what each side read, or how it failed.
    fn talk(dialer: &mut Tls, acceptor: &mut Tls) -> (io::Result<Vec<u8>>, io::Result<Vec<u8>>) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let (mut left_failed, mut right_failed) = (None, None);
        for _ in 0..8 {
            let mut wire = Vec::new();
            dialer.write(&mut wire).unwrap();
            step(acceptor, &wire, &mut right, &mut right_failed);
            let mut wire = Vec::new();
            acceptor.write(&mut wire).unwrap();
            step(dialer, &wire, &mut left, &mut left_failed);
        }
        (left_failed.map_or(Ok(left), Err), right_failed.map_or(Ok(right), Err))
    }

    fn step(side: &mut Tls, wire: &[u8], plain: &mut Vec<u8>, failed: &mut Option<io::Error>) {
        let mut rest = wire;
        while !rest.is_empty() && failed.is_none() {
            *failed = side.read(&mut rest, plain).err();
        }
    }

    #[test]
    fn two_that_know_each_other_talk() {
        let (a, b) = (key(), key());
        let (from_a, from_b) =
            (Keys::new(&a, b.fingerprint()).unwrap(), Keys::new(&b, a.fingerprint()).unwrap());
        let (mut dialer, mut acceptor) = (from_a.dial().unwrap(), from_b.accept().unwrap());
        assert_eq!(dialer.encrypt(b"early").unwrap(), 0, "nothing leaves before the keys are verified");
        let (left, right) = talk(&mut dialer, &mut acceptor);
        assert_eq!((left.unwrap(), right.unwrap()), (vec![], vec![]));
        assert!(!dialer.is_handshaking() && !acceptor.is_handshaking());
        assert_eq!((dialer.encrypt(b"hello").unwrap(), acceptor.encrypt(b"good day").unwrap()), (5, 8));
        let (left, right) = talk(&mut dialer, &mut acceptor);
        assert_eq!((left.unwrap(), right.unwrap()), (b"good day".to_vec(), b"hello".to_vec()));
    }

    #[test]
    fn a_stranger_is_refused_whichever_side_dials() {
        let (a, b, stranger) = (key(), key(), key());
        let ours = Keys::new(&a, b.fingerprint()).unwrap();
        let theirs = Keys::new(&stranger, a.fingerprint()).unwrap();
        let (left, right) = talk(&mut ours.dial().unwrap(), &mut theirs.accept().unwrap());
        assert_eq!(other_key(&left.unwrap_err()), Some(stranger.fingerprint()));
        assert!(is_refusal(&right.unwrap_err()), "the other side is told");
        let (left, right) = talk(&mut theirs.dial().unwrap(), &mut ours.accept().unwrap());
        assert_eq!(other_key(&right.unwrap_err()), Some(stranger.fingerprint()));
        assert!(is_refusal(&left.unwrap_err()));
    }

    /// Shows the right public key, but cannot sign with its private one.
    #[test]
    fn a_borrowed_public_key_is_not_enough() {
        let (a, b, stranger) = (key(), key(), key());
        let ours = Keys::new(&a, b.fingerprint()).unwrap();
        let forged = HostKey::forged(stranger.pkcs8(), b.spki());
        let theirs = Keys::new(&forged, a.fingerprint()).unwrap();
        let (left, _) = talk(&mut ours.dial().unwrap(), &mut theirs.accept().unwrap());
        assert!(left.is_err());
        let (_, right) = talk(&mut theirs.dial().unwrap(), &mut ours.accept().unwrap());
        assert!(right.is_err());
    }
}
