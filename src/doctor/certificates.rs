//! Whether clients take the certificates of HTTPS, and for how long.

use super::finding::Finding;
use super::question::{Certificate, Guard};

/// The check of times, keys and files.
pub(super) const TIME: &str = "security.certificate";
/// The check of chains and names.
pub(super) const CHAIN: &str = "security.chain";

/// Days below which a renewal has failed for two weeks; the alert has the same.
const DAYS_WANTED: u64 = 14;

/// Seconds of a day.
const DAY_S: u64 = 86_400;

const NOT_SPOKEN: &str = "no listener speaks TLS";

/// Looks whether a server takes all of them, and until when clients do.
pub(super) fn time(guard: &Guard) -> Finding {
    let (mut bad, mut ending, mut least) = (Vec::new(), Vec::new(), u64::MAX);
    for certificate in &guard.certificates {
        match certificate {
            Certificate::Hidden(file) => return hidden(TIME, file),
            Certificate::Unusable(why) => bad.push(why.clone()),
            Certificate::Usable { file, until_s: until_s @ 1.., .. } => {
                let days = until_s.div_ceil(DAY_S);
                bad.push(format!("{} is valid in {days} days only, by this machine's clock", file.display()));
            }
            Certificate::Usable { file, days_left, .. } => {
                least = least.min(*days_left);
                if *days_left < DAYS_WANTED {
                    ending.push(format!("{} ends in {days_left} days", file.display()));
                }
            }
        }
    }
    if !bad.is_empty() {
        return Finding::fail(TIME, bad.join("; "), "a certificate that is valid, with its key");
    }
    if !ending.is_empty() {
        let wanted = format!("{DAYS_WANTED} days or more: certbot renew --dry-run");
        return Finding::warn(TIME, ending.join("; "), wanted);
    }
    match guard.certificates.is_empty() {
        true => Finding::pass(TIME, NOT_SPOKEN),
        false => Finding::pass(TIME, format!("{least} days left")),
    }
}

/// Looks whether each of them leads to an authority, and all names that clients come by are there.
pub(super) fn chain(guard: &Guard) -> Finding {
    let mut found = Vec::new();
    for certificate in &guard.certificates {
        match certificate {
            Certificate::Hidden(file) => return hidden(CHAIN, file),
            Certificate::Usable { file, mistrusted: Some(why), .. } => {
                found.push(format!("{}: {why}", file.display()));
            }
            // The other check says it.
            Certificate::Unusable(_) => return Finding::skip(CHAIN, "a certificate can't be used"),
            Certificate::Usable { .. } => {}
        }
    }
    if !guard.unnamed.is_empty() {
        let wanted = "a certificate with the names of --allow-host, and the whole chain (fullchain.pem)";
        found.push(format!("no certificate has the name {}", guard.unnamed.join(", ")));
        return Finding::fail(CHAIN, found.join("; "), wanted);
    }
    if !found.is_empty() {
        let wanted = "the whole chain (fullchain.pem), or your own authority by SSL_CERT_FILE";
        return Finding::warn(CHAIN, found.join("; "), wanted);
    }
    match guard.certificates.is_empty() {
        true => Finding::pass(CHAIN, NOT_SPOKEN),
        false => Finding::pass(CHAIN, "leads to an authority that this machine trusts"),
    }
}

fn hidden(id: &'static str, file: &std::path::Path) -> Finding {
    Finding::skip(id, format!("{}: only the server's user, and root, may read it or its key", file.display()))
}
