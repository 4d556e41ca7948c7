//! A server that speaks TLS with a certificate of its own, for the tests of `pixeld bench`.

use super::whole_request;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server saw of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name that the client asked for (SNI).
    pub name: Option<String>,
    /// The protocol that was agreed on (ALPN).
    pub protocol: Option<Vec<u8>>,
    /// Whole requests, heads and bodies.
    pub requests: Vec<String>,
}

pub struct Encrypted {
    pub address: SocketAddr,
    /// Its certificate, PEM.
    pub authority: PathBuf,
    /// A line for each connection that ended its handshake.
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Encrypted {
    /// Starts one for `localhost` and `127.0.0.1` that answers each request with `answer` and closes when asked to.
    pub fn start(folder: &Path, versions: &[&'static SupportedProtocolVersion], answer: Vec<u8>) -> Self {
        Self::start_ending(folder, versions, answer, false)
    }

    /// As [`Encrypted::start`]; says its end after each answer, and closes the socket when the client has.
    pub fn start_lingering(folder: &Path, answer: Vec<u8>) -> Self {
        Self::start_ending(folder, &[&rustls::version::TLS13], answer, true)
    }

    fn start_ending(
        folder: &Path,
        versions: &[&'static SupportedProtocolVersion],
        answer: Vec<u8>,
        lingers: bool,
    ) -> Self {
        let names = ["localhost".to_string(), "127.0.0.1".to_string()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, all, answer) = (Arc::clone(&config), Arc::clone(&all), answer.clone());
                thread::spawn(move || serve(stream, config, &all, &answer, lingers));
            }
        });
        Self { address, authority, seen }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, all: &Mutex<Vec<Seen>>, answer: &[u8], lingers: bool) {
    stream.set_nodelay(true).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return;
        }
    }
    let name = stream.conn.server_name().map(str::to_string);
    let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
    let at = {
        let mut all = all.lock().unwrap();
        all.push(Seen { name, protocol, requests: Vec::new() });
        all.len() - 1
    };
    let (mut input, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some((head, body)) = whole_request(&input) {
            let request = String::from_utf8(input.drain(..head + body).collect()).unwrap();
            let closes = request.to_ascii_lowercase().contains("connection: close");
            all.lock().unwrap()[at].requests.push(request);
            if stream.write_all(answer).is_err() {
                return;
            }
            if closes || lingers {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                while lingers && matches!(stream.sock.read(&mut buffer), Ok(1..)) {}
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => input.extend_from_slice(&buffer[..bytes]),
        }
    }
}
