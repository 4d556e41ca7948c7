//! Certificates of HTTPS: read at the start, chosen by the name that a client asks for, and read again when they were renewed.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::validity;
use crate::os::clock::wall_us;
use crate::os::regular;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Bytes of a file in PEM that are read: chains have some thousands.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// The files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why certificates can't be used. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("{path}: {source}; give the files of the certificate by --tls-cert and --tls-key, and let this user read them", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate in it.
    #[error("{path} has no certificate in PEM; give the whole chain, certbot's is fullchain.pem", path = .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{path} has no private key in PEM; certbot's is privkey.pem", path = .0.display())]
    NoKey(PathBuf),
    /// The key is of another certificate.
    #[error(
        "{key} is not the key of the certificate in {certificate}; give both in the same order, each --tls-cert with its --tls-key",
        key = .0.key.display(), certificate = .0.certificate.display()
    )]
    OtherKey(Pair),
    /// The certificate that the key is of stands behind another one.
    #[error(
        "{path} has the server's own certificate behind another one; put it first, and those of the authorities behind it: cat own.pem \
         authority.pem > fullchain.pem", path = .0.display()
    )]
    Order(PathBuf),
    /// It needs a passphrase.
    #[error(
        "{path}: the key has a passphrase, and nobody is there to type it; take it off: openssl pkey -in {path} -out NEW, and let only \
         this user read NEW", path = .0.display()
    )]
    Locked(PathBuf),
    /// Browsers would not read it either.
    #[error("{path}: TLS takes no such certificate ({reason}); issue one of X.509 version 3, with its names as subjectAltName", path = .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Error of rustls.
        reason: String,
    },
    /// Its time is over.
    #[error("the certificate in {path} ended {days} days ago; renew it, with certbot: certbot renew", path = .path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// Whole days since then.
        days: i64,
    },
    /// It, or its key, is of a kind that TLS here does not take.
    #[error("{path}: {reason}; take a key of RSA with 2048 bits or more, ECDSA P-256 or P-384, or Ed25519", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Error of rustls.
        reason: String,
    },
    /// TLS itself can't begin.
    #[error("TLS can't begin: {0}; ask again later")]
    Tls(String),
}

/// What a look at the files came to.
pub type Reloaded = Result<(), CertificateError>;

/// All certificates of a server.
pub struct Certificates {
    pairs: Vec<Pair>,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<Vec<Loaded>>>,
    seen: Mutex<Seen>,
    is_refused: AtomicBool,
}

/// One certificate in use.
pub(super) struct Loaded {
    pub(super) certified: Arc<CertifiedKey>,
    /// From when to when it is valid, seconds since 1970.
    pub(super) valid: Range<u64>,
}

/// What is known of the files: those that were read last, and those of the look before this one.
struct Seen {
    read: Vec<Stamp>,
    before: Vec<Stamp>,
}

/// By which a file that was replaced is known, or one that may be read now: which file it is, its length, and when its content and
/// its permissions changed. A copy may have the length and the time of what it replaces.
type Stamp = Option<(u64, u64, u64, SystemTime, (i64, i64))>;

impl Certificates {
    /// Reads all pairs.
    pub(super) fn open(
        pairs: Vec<Pair>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, CertificateError> {
        let stamps = stamps(&pairs);
        let loaded = load_all(&pairs, &provider)?;
        Ok(Arc::new(Self {
            pairs,
            provider,
            current: RwLock::new(Arc::new(loaded)),
            seen: Mutex::new(Seen { read: stamps.clone(), before: stamps }),
            is_refused: AtomicBool::new(false),
        }))
    }

    /// Reads all pairs again and uses them from now on, or none of them.
    pub(super) fn reload(&self) -> Reloaded {
        let stamps = stamps(&self.pairs);
        let loaded = load_all(&self.pairs, &self.provider);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Seen { read: stamps.clone(), before: stamps };
        self.is_refused.store(loaded.is_err(), Ordering::Relaxed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded?);
        Ok(())
    }

    /// Returns whether the files are others than those that were read, and the same as at the call before.
    pub(super) fn have_settled(&self) -> bool {
        let now = stamps(&self.pairs);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has_settled = now != seen.read && now == seen.before;
        seen.before = now;
        has_settled
    }

    /// Returns for each certificate in use its file and the whole days until it ends, negative from then on.
    #[must_use]
    pub fn days_left(&self) -> Vec<(&Path, i64)> {
        let now = (wall_us() / 1_000_000) as i64;
        let current = self.current();
        let left = current.iter().map(|loaded| (loaded.valid.end as i64 - now).div_euclid(DAY));
        self.pairs.iter().map(|pair| &*pair.certificate).zip(left).collect()
    }

    /// Returns whether the files were last found unusable, so that older certificates are in use.
    #[must_use]
    pub fn are_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    fn current(&self) -> Arc<Vec<Loaded>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("pairs", &self.pairs).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    /// Returns the first certificate for the name that the client asks for whose key it can verify. A name that no certificate
    /// has, and no name, get the first one, as from nginx: the client tells its user.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let suits =
            |loaded: &&Loaded| loaded.certified.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = current
            .iter()
            .filter(|_| current.len() > 1)
            .filter(|loaded| name.as_ref().is_some_and(|name| loaded.is_for(name)))
            .find(suits);
        let chosen = named.or_else(|| current.iter().find(suits)).or(current.first());
        chosen.map(|loaded| loaded.certified.clone())
    }
}

impl Loaded {
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        let first = self.certified.end_entity_cert().and_then(ParsedCertificate::try_from);
        first.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

fn load_all(pairs: &[Pair], provider: &CryptoProvider) -> Result<Vec<Loaded>, CertificateError> {
    pairs.iter().map(|pair| load(pair, provider)).collect()
}

pub(super) fn load(pair: &Pair, provider: &CryptoProvider) -> Result<Loaded, CertificateError> {
    let read = |path: &PathBuf| {
        regular::read(path, PEM_BYTES_MAX)
            .map_err(|source| CertificateError::Unreadable { path: path.clone(), source })
    };
    let unusable = |path: &PathBuf, reason: String| CertificateError::Unusable { path: path.clone(), reason };
    let text = read(&pair.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate(pair.certificate.clone()))?;
    let first = chain.first().ok_or_else(|| CertificateError::NoCertificate(pair.certificate.clone()))?;
    let valid = validity::span_of(first)
        .ok_or_else(|| unusable(&pair.certificate, "this is not a certificate of X.509".to_owned()))?;
    if let Err(error) = ParsedCertificate::try_from(first) {
        return Err(CertificateError::Form { path: pair.certificate.clone(), reason: error.to_string() });
    }
    let key = key_in(&read(&pair.key)?, &pair.key)?;
    let certified = certified(pair, chain, &key, provider)?;
    let over = (wall_us() / 1_000_000) as i64 - valid.end as i64;
    if over >= 0 {
        return Err(CertificateError::Ended { path: pair.certificate.clone(), days: over / DAY });
    }
    Ok(Loaded { certified: Arc::new(certified), valid })
}

fn key_in(text: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    // `BEGIN ENCRYPTED PRIVATE KEY`, or `Proc-Type: 4,ENCRYPTED` of OpenSSL before 1.0.
    let is_locked = || memchr::memmem::find(text, b"ENCRYPTED").is_some();
    PrivateKeyDer::from_pem_slice(text).map_err(|_| match is_locked() {
        true => CertificateError::Locked(path.to_owned()),
        false => CertificateError::NoKey(path.to_owned()),
    })
}

/// Returns the chain with its key; tells a chain in the wrong order from a key of another certificate.
fn certified(
    pair: &Pair,
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let of = |chain| CertifiedKey::from_der(chain, key.clone_key(), provider);
    let behind = chain.get(1..).unwrap_or_default().to_vec();
    of(chain).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) if behind.into_iter().any(|other| of(vec![other]).is_ok()) => {
            CertificateError::Order(pair.certificate.clone())
        }
        rustls::Error::InconsistentKeys(_) => CertificateError::OtherKey(pair.clone()),
        error => CertificateError::Unusable { path: pair.key.clone(), reason: error.to_string() },
    })
}

fn stamps(pairs: &[Pair]) -> Vec<Stamp> {
    let files = pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
    // Followed where they are links, as certbot's are.
    let stamp = |path: &PathBuf| {
        let about = fs::metadata(path).ok()?;
        let changed = (about.ctime(), about.ctime_nsec());
        Some((about.dev(), about.ino(), about.len(), about.modified().ok()?, changed))
    };
    files.map(stamp).collect()
}
