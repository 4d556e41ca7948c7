//! A server with a listener of HTTPS, the authority that signed its certificate, and clients that trust that.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::process::{PATIENCE, Server, free_address};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: RootCertStore,
    /// Its certificate, in PEM.
    pub file: PathBuf,
    pub folder: TempDir,
}

/// A server that listens on HTTP and HTTPS.
pub struct Secured {
    pub server: Server,
    pub https: SocketAddr,
}

/// One connection over TLS.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, certificate.pem()).expect("room");
        Self { issuer: Issuer::new(params, key), roots, file, folder }
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("fullchain.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("privkey.pem")
    }

    /// Signs a certificate for localhost that ends in this year, and writes it and its key where the server has them.
    pub fn issue(&self, end: i32) {
        self.sign(|params| params.not_after = rcgen::date_time_ymd(end, 1, 1));
    }

    /// Signs one that is valid between these days, counted from today.
    pub fn issue_between(&self, begin_days: u64, end_days: u64) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        let day = |days| rcgen::date_time_ymd(1970, 1, 1) + now + Duration::from_secs(days * 86_400);
        self.sign(|params| {
            params.not_before = day(begin_days);
            // Some hours more, so that whole days are left.
            params.not_after = day(end_days) + Duration::from_secs(43_200);
        });
    }

    fn sign(&self, set_times: impl FnOnce(&mut CertificateParams)) {
        let names = ["localhost", "127.0.0.1", "pixels.test"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        set_times(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.certificate(), certificate.pem()).expect("room");
        std::fs::write(self.key(), key.serialize_pem()).expect("room");
    }

    /// The flags of a server with that certificate that listens on `https`.
    pub fn flags(&self, https: &str) -> Vec<String> {
        let (certificate, key) = (self.certificate(), self.key());
        let files = [certificate, key].map(|path| path.to_str().expect("a text").to_owned());
        let [certificate, key] = files;
        vec!["--listen".into(), https.into(), "--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// Connects to `address` as to localhost.
    pub fn connect(&self, address: SocketAddr, versions: &[&'static SupportedProtocolVersion]) -> Encrypted {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        StreamOwned::new(self.client(versions), stream)
    }

    /// Returns the client's side of TLS with localhost, of which nothing is sent.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("ours");
        let config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        ClientConnection::new(Arc::new(config), name).expect("a client")
    }
}

impl Secured {
    /// Starts one with a certificate of `authority` and further arguments, in a directory of its own.
    pub fn start(authority: &Authority, arguments: &[&str]) -> Self {
        authority.issue(2099);
        let https = free_address();
        let mut flags = authority.flags(&format!("https://{https}"));
        flags.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let server = Server::fresh(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        Self { server, https }
    }

    /// Starts one that a hand-over may replace.
    pub fn start_in(authority: &Authority, directory: &Path, arguments: &[&str]) -> Self {
        authority.issue(2099);
        let https = free_address();
        let mut flags = authority.flags(&format!("https://{https}"));
        flags.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self { server: Server::start(free_address(), directory, &flags), https }
    }
}

/// One answer: its head, and its content by its Content-Length or its chunks.
pub fn answer(stream: &mut Encrypted) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut bytes);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).expect("a head is text");
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let Some(length) = length.map(|digits| digits.parse::<usize>().expect("a number")) else {
        assert!(text.contains("Transfer-Encoding: chunked"), "{text}");
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            more(stream, &mut bytes);
        }
        return (text, bytes.split_off(head));
    };
    while bytes.len() < head + length {
        more(stream, &mut bytes);
    }
    assert_eq!(bytes.len(), head + length, "one answer at a time is read here");
    (text, bytes.split_off(head))
}

fn more(stream: &mut Encrypted, bytes: &mut Vec<u8>) {
    // No more than one answer is read at once: whoever pipelines counts them.
    let mut piece = [0; 16_384];
    let count = stream.read(&mut piece).expect("more of an answer");
    assert!(count > 0, "an end in the middle: {}", String::from_utf8_lossy(bytes));
    bytes.extend_from_slice(&piece[..count]);
}

/// Sends a request and takes its answer.
pub fn ask(stream: &mut Encrypted, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    stream.write_all(request.as_ref()).expect("sent");
    answer(stream)
}

/// Asserts that the server announces its end and then closes.
pub fn assert_announced_end(stream: &mut Encrypted) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an end that TLS announces");
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

/// Returns whether the server has cut a connection off or closed it, without a word of HTTP.
pub fn is_cut(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 100];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
