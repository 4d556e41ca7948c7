//! Whether clients would take a certificate, asked of its files alone.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError as Broken, RootCertStore};

use super::certificates::{CertificateError, DAY, Loaded, Pair, load};
use crate::os::clock::wall_us;

/// The findings that clients would make.
pub struct Examined {
    /// Seconds until it begins; 0 once it has.
    pub until_s: u64,
    /// Whole days until it ends.
    pub days_left: u64,
    /// Why those don't take it who trust the given authorities.
    pub mistrusted: Option<String>,
    loaded: Loaded,
}

impl Examined {
    /// Reads a pair as the server would, and looks whether one of `authorities` is at the end of the chain.
    ///
    /// # Errors
    /// Fails as the server's start would, if it has ended for one.
    pub fn open(pair: &Pair, authorities: &RootCertStore) -> Result<Self, CertificateError> {
        let loaded = load(pair, &rustls::crypto::ring::default_provider())?;
        let now = wall_us() / 1_000_000;
        Ok(Self {
            until_s: loaded.valid.start.saturating_sub(now),
            days_left: loaded.valid.end.saturating_sub(now) / DAY as u64,
            mistrusted: mistrusted(&loaded, authorities, now),
            loaded,
        })
    }

    /// Returns whether it has this name, or address.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        ServerName::try_from(name).is_ok_and(|name| self.loaded.is_for(&name))
    }
}

/// Returns why the chain leads to none of `authorities`. When it is valid is told apart from that, so it is asked of an hour in which it is.
fn mistrusted(loaded: &Loaded, authorities: &RootCertStore, now: u64) -> Option<String> {
    let (first, rest) = loaded.certified.cert.split_first()?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.max(loaded.valid.start)));
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let verified = ParsedCertificate::try_from(first).and_then(|first| {
        verify_server_cert_signed_by_trust_anchor(&first, authorities, rest, at, algorithms)
    });
    match verified.err()? {
        rustls::Error::InvalidCertificate(Broken::UnknownIssuer) => {
            let given = match rest.len() {
                0 => "the file has the server's certificate alone".to_owned(),
                1 => "the file has one more behind the server's".to_owned(),
                more => format!("the file has {more} more behind the server's"),
            };
            Some(format!("no authority that this machine trusts stands behind it; {given}"))
        }
        error => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    type Authority = (Issuer<'static, KeyPair>, rcgen::Certificate);

    fn authority(name: &str, signed_by: Option<&Authority>) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = match signed_by {
            Some((issuer, _)) => params.signed_by(&key, issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        (Issuer::new(params, key), certificate)
    }

    /// Writes a certificate of `authority` that begins in this year, and `rest` behind it.
    fn write(directory: &Path, authority: &Authority, begin: i32, rest: &str) -> Pair {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(begin, 1, 1);
        params.not_after = rcgen::date_time_ymd(2099, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority.0).unwrap();
        let pair = Pair { certificate: directory.join("chain.pem"), key: directory.join("key.pem") };
        std::fs::write(&pair.certificate, certificate.pem() + rest).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    #[test]
    fn a_chain_has_to_lead_to_an_authority_and_time_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let root = authority("root", None);
        let between = authority("between", Some(&root));
        let mut trusted = RootCertStore::empty();
        trusted.add(root.1.der().clone()).unwrap();
        let open = |pair: Pair, trusted: &RootCertStore| Examined::open(&pair, trusted).unwrap();

        let whole = open(write(directory.path(), &between, 2020, &between.1.pem()), &trusted);
        assert_eq!((whole.mistrusted, whole.until_s), (None, 0));
        assert!(whole.days_left > 7_000);
        let cut = open(write(directory.path(), &between, 2020, ""), &trusted);
        let why = cut.mistrusted.unwrap();
        assert!(why.contains("stands behind it; the file has the server's certificate alone"), "{why}");
        let unknown = write(directory.path(), &between, 2020, &between.1.pem());
        assert!(
            open(unknown, &RootCertStore::empty())
                .mistrusted
                .unwrap()
                .ends_with("one more behind the server's")
        );
        let early = open(write(directory.path(), &root, 2090, ""), &trusted);
        assert!(early.mistrusted.is_none() && early.until_s > 0);
    }

    #[test]
    fn names_are_those_of_the_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let root = authority("root", None);
        let pair = write(directory.path(), &root, 2020, "");
        let examined = Examined::open(&pair, &RootCertStore::empty()).unwrap();
        assert!(examined.is_for("a.test") && examined.is_for("A.TEST"));
        assert!(!examined.is_for("b.a.test") && !examined.is_for("127.0.0.1") && !examined.is_for("*"));
    }
}
