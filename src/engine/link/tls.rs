//! TLS 1.3 with pinned raw public keys (RFC 7250), both ways. Bytes in, bytes out: the sockets are somebody else's.
//!
//! A host that was invited asks for a protocol of its own (ALPN), in which the other side takes any key: what the host has to show
//! there is the secret of its invitation ([`super::pairing`]).

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Accepted, AcceptedAlert, Acceptor, AlwaysResolvesServerRawPublicKeys};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName,
    Error, ServerConfig, ServerConnection, SignatureScheme,
};

use super::pairing::Pairing;
use crate::base::fingerprint::Fingerprint;
use crate::engine::shared::key::{HostKey, fingerprint_of};

/// Both hosts speak the same protocol above TLS; a stranger's TLS client is refused by this already.
const PROTOCOL: &[u8] = b"pixeld-peer/1";
/// A host that was invited makes itself known.
const PAIRING: &[u8] = b"pixeld-pairing/1";

/// What both sides of a link need of TLS.
#[derive(Clone)]
pub struct Keys {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    /// The side of a host that was invited.
    introducing: Arc<ClientConfig>,
    /// The side of a host that has invited another one: it takes any key.
    inviting: Arc<ServerConfig>,
}

impl Keys {
    /// Makes the sides with this host's key, towards the host whose key `pairing` knows.
    ///
    /// # Errors
    /// Fails on a key that rustls does not take.
    pub fn new(own: &HostKey, pairing: &Arc<Pairing>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivatePkcs8KeyDer::from(own.pkcs8().to_vec());
        let signing = provider.key_provider.load_private_key(private.into())?;
        // A raw public key travels in the place of a certificate.
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.spki().to_vec())], signing));
        let pin = |is_any| Arc::new(Pin { pairing: pairing.clone(), is_any, provider: provider.clone() });
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(pin(false))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified.clone())));
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A resumed session would not show the keys again.
        client.resumption = rustls::client::Resumption::disabled();
        let mut introducing = client.clone();
        introducing.alpn_protocols = vec![PAIRING.to_vec()];
        let server = |pin: Arc<Pin>, protocol: &[u8]| {
            let mut server = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&TLS13])?
                .with_client_cert_verifier(pin)
                .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified.clone())));
            server.alpn_protocols = vec![protocol.to_vec()];
            server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
            Ok::<_, Error>(Arc::new(server))
        };
        Ok(Self {
            client: Arc::new(client),
            introducing: Arc::new(introducing),
            server: server(pin(false), PROTOCOL)?,
            inviting: server(pin(true), PAIRING)?,
        })
    }

    /// Makes the side of the connection that dialed; `is_pairing` to say the secret of an invitation and nothing else.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn dial(&self, is_pairing: bool) -> Result<Tls, Error> {
        // The name is not looked at: the key is the name.
        let name = ServerName::try_from("pixeld-peer").expect("a name");
        let config = if is_pairing { &self.introducing } else { &self.client };
        let connection = ClientConnection::new(config.clone(), name)?.into();
        Ok(Tls { side: Side::Open(connection), alert: None, is_pairing })
    }

    /// Makes the side of the connection that was dialed; `is_inviting` if somebody unknown may say a secret on it.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn accept(&self, is_inviting: bool) -> Result<Tls, Error> {
        let side = if is_inviting {
            Side::Asked(Acceptor::default(), self.clone())
        } else {
            Side::Open(ServerConnection::new(self.server.clone())?.into())
        };
        Ok(Tls { side, alert: None, is_pairing: false })
    }
}

/// One side of a TLS connection.
pub struct Tls {
    side: Side,
    /// The rest of the words on a connection that could not be begun.
    alert: Option<AcceptedAlert>,
    /// It was made to say a secret.
    is_pairing: bool,
}

/// The progress of a side.
enum Side {
    /// The other side has not said yet which protocol it asks for.
    Asked(Acceptor, Keys),
    /// It is known.
    Open(Connection),
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
        let count = match &mut self.side {
            Side::Asked(acceptor, _) => acceptor.read_tls(socket)?,
            Side::Open(connection) => connection.read_tls(socket)?,
        };
        if count == 0 {
            return Ok(Arrival::End);
        }
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if let Side::Asked(acceptor, keys) = &mut self.side {
            match acceptor.accept().and_then(|asked| asked.map(|asked| open(asked, keys)).transpose()) {
                Ok(None) => return Ok(Arrival::Bytes(count)),
                Ok(Some((connection, is_pairing))) => {
                    self.side = Side::Open(connection.into());
                    self.is_pairing = is_pairing;
                }
                Err((error, alert)) => {
                    self.alert = Some(alert);
                    return Err(invalid(error));
                }
            }
        }
        let Side::Open(connection) = &mut self.side else { return Ok(Arrival::Bytes(count)) };
        let state = connection.process_new_packets().map_err(invalid)?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        connection.reader().read_exact(&mut plain[start..])?;
        Ok(Arrival::Bytes(count))
    }

    /// Returns whether it was made to say a secret.
    #[must_use]
    pub fn is_pairing(&self) -> bool {
        self.is_pairing
    }

    /// Returns the key that the other side has shown to say a secret; nothing on any other connection.
    #[must_use]
    pub fn introduced(&self) -> Option<Fingerprint> {
        let Side::Open(connection) = &self.side else { return None };
        let keys = connection.peer_certificates().filter(|_| self.is_pairing && !connection.is_handshaking());
        keys.and_then(<[_]>::first).map(|key| fingerprint_of(key))
    }

    /// Encrypts as much of `plain` as there is room for; gives how much. Nothing before the handshake is complete.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn encrypt(&mut self, plain: &[u8]) -> io::Result<usize> {
        match &mut self.side {
            Side::Open(connection) if !connection.is_handshaking() => connection.writer().write(plain),
            _ => Ok(0),
        }
    }

    /// Writes what waits to `socket`. True if nothing is left.
    ///
    /// # Errors
    /// Returns the error of the socket, but for `WouldBlock`.
    pub fn write(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        if let Some(mut alert) = self.alert.take() {
            // It has room in the socket, or it is lost.
            let _ = alert.write_all(socket);
        }
        let Side::Open(connection) = &mut self.side else { return Ok(true) };
        while connection.wants_write() {
            match connection.write_tls(socket) {
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
        match &self.side {
            Side::Asked(..) => true,
            Side::Open(connection) => connection.is_handshaking(),
        }
    }

    /// Says that nothing more will be sent.
    pub fn close(&mut self) {
        if let Side::Open(connection) = &mut self.side {
            connection.send_close_notify();
        }
    }
}

/// Begins the connection that the other side asks for; gives whether it wants to say a secret.
fn open(asked: Accepted, keys: &Keys) -> Result<(ServerConnection, bool), (Error, AcceptedAlert)> {
    let is_pairing = asked.client_hello().alpn().is_some_and(|mut names| names.any(|name| name == PAIRING));
    let config = if is_pairing { &keys.inviting } else { &keys.server };
    asked.into_connection(config.clone()).map(|connection| (connection, is_pairing))
}

/// Verifies that the other side has the private key of the one public key that we know.
struct Pin {
    pairing: Arc<Pairing>,
    /// Any key will do: the other side has to show something else.
    is_any: bool,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("is_any", &self.is_any).finish_non_exhaustive()
    }
}

impl Pin {
    fn verify(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        if self.is_any || self.pairing.key() == Some(fingerprint_of(key)) {
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
