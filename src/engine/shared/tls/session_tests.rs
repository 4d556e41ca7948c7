//! Sessions over real sockets, with rustls as the client.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::Tls;
use super::certificates::{CertificateError, Pair};
use super::session::{Raw, TlsSession};
use crate::engine::shared::received::Received;

/// A certificate for `name` and its files.
struct Issued {
    pair: Pair,
    certificate: CertificateDer<'static>,
}

fn issue(directory: &Path, name: &str) -> Issued {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let pair = Pair {
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    };
    std::fs::write(&pair.certificate, made.cert.pem()).unwrap();
    std::fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
    Issued { pair, certificate: made.cert.der().clone() }
}

fn client(issued: &Issued, name: &str, version: &'static SupportedProtocolVersion) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(issued.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
}

/// Both ends of a connection: the server's as a worker has it.
struct Ends {
    session: TlsSession,
    socket: mio::net::TcpStream,
    client: ClientConnection,
    theirs: TcpStream,
}

impl Raw for mio::net::TcpStream {
    fn first(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.peek(bytes)
    }
}

impl Ends {
    fn of(tls: &Tls, client: ClientConnection) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        theirs.set_nodelay(true).unwrap();
        let ours = listener.accept().unwrap().0;
        ours.set_nonblocking(true).unwrap();
        Self { session: tls.begin().unwrap(), socket: mio::net::TcpStream::from_std(ours), client, theirs }
    }

    /// Sends what the client has to send in pieces of `piece` bytes, and looks at the session after each; gives what it
    /// decrypted.
    fn carry(&mut self, piece: usize) -> io::Result<Vec<u8>> {
        let mut wire = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut wire).unwrap();
        }
        let mut plain = Vec::new();
        for part in wire.chunks(piece) {
            self.theirs.write_all(part).unwrap();
            self.await_input();
            self.look(&mut plain)?;
        }
        Ok(plain)
    }

    /// The kernel takes its time from one end to the other.
    fn await_input(&self) {
        for _ in 0..10_000 {
            if self.socket.peek(&mut [0]).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        panic!("nothing arrives");
    }

    fn look(&mut self, plain: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = vec![0; 5_000];
        loop {
            match self.session.receive(&mut self.socket, &mut buffer)? {
                Received::Decrypted(bytes) => plain.extend_from_slice(&buffer[..bytes]),
                Received::WantsTurn => self.session.admit(),
                Received::Nothing | Received::End => return Ok(()),
                Received::Records(_) | Received::Shaken | Received::Interrupted => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads what the server sent, until the client has decrypted `count` bytes.
    fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        while plain.len() < count || self.client.is_handshaking() {
            assert!(self.client.read_tls(&mut self.theirs).unwrap() > 0, "an end");
            self.client.process_new_packets().unwrap();
            let _ = self.client.reader().read_to_end(&mut plain);
            if self.client.wants_write() && count == 0 {
                break;
            }
        }
        plain
    }

    /// Makes the handshake in pieces.
    fn shake(&mut self, piece: usize) {
        while self.client.is_handshaking() || self.session.is_shaking() {
            self.carry(piece).unwrap();
            if self.client.is_handshaking() {
                self.hear(0);
            }
        }
    }
}

#[test]
fn any_split_of_the_records_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let said: Vec<u8> = (0..40_000_u32).map(|at| (at % 251) as u8).collect();
    for version in [&TLS12, &TLS13] {
        for piece in [1, 2, 5, 97, 4_096, 100_000] {
            let mut ends = Ends::of(&tls, client(&issued, "a.test", version));
            ends.shake(piece);
            assert_eq!(ends.client.alpn_protocol(), Some(&b"http/1.1"[..]));
            let length = if piece < 97 { 600 } else { said.len() };
            ends.client.writer().write_all(&said[..length]).unwrap();
            let mut heard = ends.carry(piece).unwrap();
            ends.look(&mut heard).unwrap();
            assert!(heard == said[..length], "{piece} bytes at once");
        }
    }
}

#[test]
fn a_full_socket_takes_no_byte_twice_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let said: Vec<u8> = (0..12_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.shake(100_000);
    let (mut sent, mut is_full) = (0, false);
    let mut heard = Vec::new();
    while sent < said.len() {
        // As a worker does: what lies before in one place, and the rest in another.
        let middle = (sent + 10).min(said.len());
        let took =
            ends.session.send(&mut ends.socket, [&said[sent..middle], &said[middle..]], false).unwrap();
        is_full |= sent + took < said.len();
        sent += took;
        if sent < said.len() {
            heard.extend(ends.hear(1));
        }
    }
    assert!(is_full, "the socket was never full");
    let missing = said.len() - heard.len();
    heard.extend(ends.hear(missing));
    assert!(heard == said);
}

/// Each send costs as much as a tenth of a handshake.
#[test]
fn what_tls_has_to_say_goes_with_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.carry(100_000).unwrap();
    ends.hear(0);
    // The end of the client's handshake and its request arrive at once.
    ends.client.writer().write_all(b"request").unwrap();
    while ends.client.wants_write() {
        ends.client.write_tls(&mut ends.theirs).unwrap();
    }
    ends.await_input();
    let (mut buffer, mut socket) = ([0; 100], Counted { socket: &mut ends.socket, sends: 0 });
    let mut requested = 0;
    while requested < 7 {
        ends.session.admit();
        match ends.session.receive(&mut socket, &mut buffer).unwrap() {
            Received::Decrypted(bytes) => requested += bytes,
            Received::Nothing => panic!("it ends before the request"),
            _ => {}
        }
    }
    assert_eq!(socket.sends, 0);
    assert_eq!(ends.session.send(&mut socket, [b"an ", b"answer"], true).unwrap(), 9);
    ends.session.close(&mut socket);
    assert_eq!(socket.sends, 1, "a ticket, the answer and the end");
    assert_eq!(ends.hear(9), b"an answer");
    assert_eq!(ends.client.tls13_tickets_received(), 1);
    assert_eq!(ends.client.negotiated_cipher_suite().unwrap().suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert!(ends.client.process_new_packets().unwrap().peer_has_closed());
}

/// A client that asks for nothing yet gets its ticket, too.
#[test]
fn a_ticket_does_not_wait_for_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.shake(100_000);
    ends.client.read_tls(&mut ends.theirs).unwrap();
    ends.client.process_new_packets().unwrap();
    assert_eq!(ends.client.tls13_tickets_received(), 1);
}

/// A socket, and how often something was sent on it.
struct Counted<'a> {
    socket: &'a mut mio::net::TcpStream,
    sends: usize,
}

impl Raw for Counted<'_> {
    fn first(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.peek(bytes)
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.sends += 1;
        self.socket.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_end_that_tls_announced_is_one_and_a_cut_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let mut buffer = [0; 100];
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.shake(100_000);
    ends.client.send_close_notify();
    ends.carry(100_000).unwrap();
    assert_eq!(ends.session.receive(&mut ends.socket, &mut buffer).unwrap(), Received::End);
    assert_eq!(
        ends.session.send(&mut ends.socket, [b"still", b" heard"], false).unwrap(),
        11,
        "half of it is open"
    );
    assert_eq!(ends.hear(11), b"still heard");
    ends.session.close(&mut ends.socket);
    ends.client.read_tls(&mut ends.theirs).unwrap();
    assert!(ends.client.process_new_packets().unwrap().peer_has_closed(), "our end is announced too");

    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.shake(100_000);
    ends.client.writer().write_all(b"half of a bo").unwrap();
    assert_eq!(ends.carry(100_000).unwrap(), b"half of a bo");
    ends.theirs.shutdown(Shutdown::Write).unwrap();
    ends.await_input();
    let error = ends.session.receive(&mut ends.socket, &mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_handshake_asks_for_its_turn_and_a_stranger_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    let mut buffer = [0; 100];
    ends.theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    ends.await_input();
    let mut receive = |session: &mut TlsSession| session.receive(&mut ends.socket, &mut buffer).unwrap();
    assert_eq!(receive(&mut ends.session), Received::WantsTurn);
    assert_eq!(receive(&mut ends.session), Received::Nothing, "it has asked");
    ends.session.admit();
    assert_eq!(receive(&mut ends.session), Received::NotTls);

    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.theirs.write_all(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    ends.await_input();
    ends.session.admit();
    let error = ends.session.receive(&mut ends.socket, &mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["a.test", "b.test"].map(|name| issue(directory.path(), name));
    let tls = Tls::open(names.iter().map(|issued| issued.pair.clone()).collect()).unwrap();
    for (name, expected) in [("a.test", 0), ("b.test", 1), ("other.test", 0)] {
        let mut ends = Ends::of(&tls, client(&names[expected], name, &TLS13));
        ends.carry(100_000).unwrap();
        ends.client.read_tls(&mut ends.theirs).unwrap();
        let is_known = ends.client.process_new_packets().is_ok();
        assert_eq!(is_known, name != "other.test", "{name}");
        if is_known {
            ends.shake(100_000);
            assert_eq!(ends.client.peer_certificates().unwrap()[0], names[expected].certificate, "{name}");
        }
    }
}

#[test]
fn what_can_not_be_used_is_refused_and_leaves_what_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let (issued, other) = (issue(directory.path(), "a.test"), issue(directory.path(), "b.test"));
    let of = |certificate: &Path, key: &Path| {
        Tls::open(vec![Pair { certificate: certificate.to_owned(), key: key.to_owned() }]).err()
    };
    let (good, key) = (&issued.pair.certificate, &issued.pair.key);
    let junk = directory.path().join("junk");
    std::fs::write(&junk, "not PEM").unwrap();
    assert!(of(good, key).is_none());
    assert!(matches!(of(&directory.path().join("gone"), key), Some(CertificateError::Unreadable { .. })));
    assert!(matches!(of(directory.path(), key), Some(CertificateError::Unreadable { .. })), "no file");
    assert!(matches!(of(&junk, key), Some(CertificateError::NoCertificate(_))));
    assert!(matches!(of(good, &junk), Some(CertificateError::NoKey(_))));
    assert!(matches!(of(good, &other.pair.key), Some(CertificateError::OtherKey(_))));
    let mut over = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    over.not_after = rcgen::date_time_ymd(2020, 1, 1);
    over.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let own = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&junk, over.self_signed(&own).unwrap().pem()).unwrap();
    let own_key = directory.path().join("own.key");
    std::fs::write(&own_key, own.serialize_pem()).unwrap();
    assert!(matches!(of(&junk, &own_key), Some(CertificateError::Ended { days: 2000.., .. })));

    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    assert!(tls.reload_if_changed().is_none());
    std::fs::write(key, std::fs::read(&other.pair.key).unwrap()).unwrap();
    filetime(key);
    assert!(tls.reload_if_changed().is_none(), "it may not be whole yet");
    assert!(matches!(tls.reload_if_changed(), Some(Err(CertificateError::OtherKey(_)))));
    assert!(tls.certificates().are_refused() && tls.reload_if_changed().is_none(), "it is said once");
    let mut ends = Ends::of(&tls, client(&issued, "a.test", &TLS13));
    ends.shake(100_000);
    std::fs::copy(&other.pair.certificate, good).unwrap();
    filetime(good);
    assert!(tls.reload_if_changed().is_none());
    assert!(matches!(tls.reload_if_changed(), Some(Ok(()))));
    assert!(!tls.certificates().are_refused());
    let mut ends = Ends::of(&tls, client(&other, "b.test", &TLS13));
    ends.shake(100_000);
}

#[test]
fn files_are_others_where_only_their_permissions_changed_or_nothing_but_their_content() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let issued = issue(directory.path(), "a.test");
    let key = &issued.pair.key;
    let tls = Tls::open(vec![issued.pair.clone()]).unwrap();
    let noticed = |how: &str| {
        let looks = [tls.reload_if_changed(), tls.reload_if_changed(), tls.reload_if_changed()];
        assert!(matches!(looks, [None, Some(Ok(())), None]), "{how}: {looks:?}");
    };
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    noticed("permissions");
    let (text, time) = (std::fs::read(key).unwrap(), std::fs::metadata(key).unwrap().modified().unwrap());
    let next = directory.path().join("next");
    std::fs::write(&next, text).unwrap();
    std::fs::File::options().append(true).open(&next).unwrap().set_modified(time).unwrap();
    std::fs::rename(&next, key).unwrap();
    noticed("a copy with its time");
}

#[test]
fn each_mistake_is_told_by_its_own_name_and_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (issued, other) = (issue(directory.path(), "a.test"), issue(directory.path(), "b.test"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (own, own_key) = (read(&issued.pair.certificate), read(&issued.pair.key));
    let refusal = |certificate: &str, key: &str| {
        let pair = Pair { certificate: directory.path().join("c"), key: directory.path().join("k") };
        std::fs::write(&pair.certificate, certificate).unwrap();
        std::fs::write(&pair.key, key).unwrap();
        Tls::open(vec![pair]).err().unwrap().to_string()
    };
    let behind = refusal(&(read(&other.pair.certificate) + &own), &own_key);
    assert!(
        behind.contains("/c has the server's own certificate behind another one; put it first"),
        "{behind}"
    );
    for locked in ["BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED", LOCKED_OF_OLD] {
        let told = refusal(&own, &format!("-----{locked} PRIVATE KEY-----\n"));
        assert!(told.contains("has a passphrase") && told.contains("openssl pkey -in"), "{told}");
    }
    let old = refusal(VERSION_1, &own_key);
    assert!(old.contains("/c: TLS takes no such certificate") && old.contains("version 3"), "{old}");
}

/// As `openssl ec -aes128` writes it.
const LOCKED_OF_OLD: &str =
    "BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3D3E\n\nAAAA\n-----END EC";

/// A certificate of X.509 version 1, as `openssl x509 -req` makes it.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBHjCBxQIUS7HTzPfedgPbKt6LINl4tW7GFf0wCgYIKoZIzj0EAwIwETEPMA0G
A1UEAwwGYS50ZXN0MCAXDTI2MTEzMDEzMjcxM1oYDzIxMjYxMTA2MTMyNzEzWjAR
MQ8wDQYDVQQDDAZhLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS3rLAu
I1YKj3xakD7UbJG3a0HV6qgGnd3kA0+KbdqcpaNvmo0W6cZAr9ui9bpozr7Knv/l
xrD459G9PgWzZqb1MAoGCCqGSM49BAMCA0gAMEUCIQCj592gUEoIpi6r+LkmKPWg
GuGSmJgwF5TwzTcxrYW6GwIgHeWDo+bpfnRi3udeT2YpQDFDglQj88ccFVLTHSAf
PAs=
-----END CERTIFICATE-----\n";

/// Gives a file a time of its own, should it have been written in the same tick of the clock.
fn filetime(path: &Path) {
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().append(true).open(path).unwrap().set_modified(later).unwrap();
}
