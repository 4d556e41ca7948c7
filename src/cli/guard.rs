//! What a server does about strangers before it serves, and after a reload: it says that they may do everything, and keeps tokens and keys to itself.

use std::net::SocketAddr;

use crate::config::access::Access;
use crate::config::https_files::HttpsFiles;
use crate::os::cores;

/// Says that everybody may do everything, where others than this machine's users are among them and nobody said that this is
/// meant.
pub(super) fn warn_of_strangers(addresses: &[SocketAddr], access: &Access) {
    let public = addresses.iter().filter(|at| !at.ip().is_loopback()).map(ToString::to_string);
    let public: Vec<String> = public.collect();
    if access.tokens.is_none() && !access.open && !public.is_empty() {
        tracing::warn!(
            addresses = public.join(","),
            "everybody who can reach these may read, write and delete everything: say who may with --tokens (`pixeld token \
             new --help`), or confirm with --open that this is intended"
        );
    }
}

/// Has no core written from now on, if requests have tokens in them, or keys of certificates are in memory.
pub(super) fn keep_secrets(access: &Access, https: &HttpsFiles) {
    let has_secrets = access.tokens.is_some() || !https.keys.is_empty();
    if has_secrets && let Err(error) = cores::forbid() {
        tracing::warn!(%error, "a crash may leave tokens and keys in a core dump; forbid these: LimitCORE=0 in a unit");
    }
}
