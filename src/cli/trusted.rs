//! `--cacert` and `--insecure`, of every command that asks a server by https.

use std::path::PathBuf;

use pixeld_bench::client::tls::{Authorities, Trust};

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Trusted {
    /// Authorities to trust for https, in PEM, in place of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Take any certificate for https
    #[arg(long)]
    insecure: bool,
}

impl Trusted {
    /// Returns what connections by https trust.
    pub(super) fn trust(&self) -> Trust {
        Trust { authorities: self.cacert.clone().map(Authorities::File), is_unchecked: self.insecure }
    }
}
