//! TLS of a listener: whatever comes instead of a handshake, or becomes of one on its way, nothing panics or spins, cuts change
//! nothing, and what is decrypted is what the client said, up to some byte.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use pixeld::engine::shared::received::Received;
use pixeld::engine::shared::tls::Tls;
use pixeld::engine::shared::tls::certificates::Pair;
use pixeld::engine::shared::tls::session::{Raw, TlsSession};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// The server's side, and configurations of clients by their version.
struct Site {
    tls: Arc<Tls>,
    clients: [Arc<ClientConfig>; 2],
}

fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        let [certificate, key] = ["pem", "key"].map(|name| directory.path().join(name));
        fs::write(&certificate, made.cert.pem()).expect("a file");
        fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let tls = Tls::open(vec![Pair { certificate, key }]).expect("a sound certificate");
        Site { tls, clients: [&TLS12, &TLS13].map(|version| client(made.cert.der(), version)) }
    })
}

fn client(
    trusted: &CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    let mut config = builder.expect("a version").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The wire between both: the server reads `piece` bytes at once.
#[derive(Default)]
struct Wire {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    piece: usize,
    has_ended: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return if self.has_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let bytes = buffer.len().min(self.piece);
        self.incoming.read(&mut buffer[..bytes])
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Raw for Wire {
    fn first(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.incoming.front() {
            Some(first) => {
                bytes[0] = *first;
                Ok(1)
            }
            None if self.has_ended => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The course of a session.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Waits,
    Ended,
    NotTls,
    Failed,
}

/// Takes what has arrived as a worker does.
fn look(session: &mut TlsSession, wire: &mut Wire, plain: &mut Vec<u8>) -> Outcome {
    let mut buffer = [0; 1_024];
    let steps_max = 100 + 4 * wire.incoming.len();
    for _ in 0..steps_max {
        match session.receive(wire, &mut buffer) {
            Ok(Received::Decrypted(bytes)) => plain.extend_from_slice(&buffer[..bytes]),
            Ok(Received::WantsTurn) => session.admit(),
            Ok(Received::Nothing) if wire.incoming.is_empty() => return Outcome::Waits,
            Ok(Received::End) => return Outcome::Ended,
            Ok(Received::NotTls) => return Outcome::NotTls,
            Ok(_) => {}
            Err(_) => return Outcome::Failed,
        }
    }
    panic!("it spins on {} bytes", wire.incoming.len());
}

/// The first byte of an input says what the rest of it is: a flight of a stranger, or what changes on the way between a
/// client and the server, and what the client says.
pub fn check(input: &[u8]) {
    match input {
        [kind, size, rest @ ..] if kind % 4 == 0 => {
            let whole = stray(rest, usize::MAX);
            assert_eq!(stray(rest, 1), whole, "byte by byte");
            assert_eq!(stray(rest, 1 + usize::from(*size)), whole, "in pieces of {size}");
        }
        [kind, size, low, high, change, said @ ..] => {
            let at = usize::from(u16::from_le_bytes([*low, *high])) % 2_000;
            let changes = (*change > 0).then_some((at, *change));
            spoken(usize::from(kind % 2), 1 + usize::from(*size), changes, said);
        }
        _ => {}
    }
}

fn stray(flight: &[u8], piece: usize) -> Outcome {
    let mut session = site().tls.begin().expect("a session");
    let mut wire = Wire { incoming: flight.to_vec().into(), piece, has_ended: true, ..Wire::default() };
    let mut plain = Vec::new();
    let outcome = look(&mut session, &mut wire, &mut plain);
    assert!(plain.is_empty(), "decrypted without a key");
    outcome
}

/// Lets a client say something, while one byte of what it sends is changed.
fn spoken(version: usize, piece: usize, change: Option<(usize, u8)>, said: &[u8]) {
    let name = ServerName::try_from("a.test").expect("a name");
    let mut client = ClientConnection::new(site().clients[version].clone(), name).expect("a client");
    let mut session = site().tls.begin().expect("a session");
    let mut wire = Wire { piece, ..Wire::default() };
    let (mut plain, mut sent, mut has_said) = (Vec::new(), 0, false);
    let mut outcome = Outcome::Waits;
    for _ in 0..20 {
        if !client.is_handshaking() && !has_said {
            has_said = true;
            client.writer().write_all(said).expect("room");
            client.send_close_notify();
        }
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).expect("memory takes all");
        }
        if let Some((at, change)) = change
            && let Some(byte) = at.checked_sub(sent).and_then(|at| flight.get_mut(at))
        {
            *byte ^= change;
        }
        sent += flight.len();
        wire.incoming.extend(flight);
        outcome = look(&mut session, &mut wire, &mut plain);
        if outcome != Outcome::Waits {
            break;
        }
        let answered = std::mem::take(&mut wire.outgoing);
        let mut answered = &answered[..];
        while !answered.is_empty() && client.read_tls(&mut answered).is_ok() {
            if client.process_new_packets().is_err() {
                break;
            }
        }
    }
    assert!(said.starts_with(&plain), "decrypted what was not said");
    if change.is_none() {
        assert!(plain == said && outcome == Outcome::Ended, "{outcome:?} after {} bytes", plain.len());
    }
}
