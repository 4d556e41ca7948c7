//! The configuration in force.

use std::fmt::Write as _;

use super::access::Access;
use super::error::Origin;
use super::https_files::HttpsFiles;
use super::peer::Peer;
use crate::apps::registry;
use crate::base::setting::Values;
use crate::engine::shared::settings::{ListenerKind, Settings, SharedLogSettings};
use crate::os::address::Address;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 lets the system choose.
    pub address: Address,
    /// The application whose page `/` shows and in whose style an unknown path answers, or `index`.
    pub root: &'static str,
    /// What it speaks.
    pub kind: ListenerKind,
    /// A proxy says who each connection is of, before its first request.
    pub is_announced: bool,
}

/// The form of the lines on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `time level message key=value`, for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One effective value, for `--print-config` and for comparing configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key as the file spells it, with its table before a dot.
    pub key: &'static str,
    /// The value as the file spells it.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The configuration of a server.
#[derive(Clone)]
pub struct Config {
    /// What the engine is started with, but for what names have to be looked up for and the applications.
    pub settings: Settings,
    /// Addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Addresses for operators.
    pub admin_listen: Vec<Listen>,
    /// Enabled applications, by their names in [`registry`].
    pub apps: Vec<&'static str>,
    /// Who may do what.
    pub access: Access,
    /// The peer.
    pub peer: Peer,
    /// Certificates and what else HTTPS has.
    pub https: HttpsFiles,
    /// The log that hosts share; one without servers is none.
    pub shared_log: SharedLogSettings,
    /// Least severity that is logged, one of [`super::table::LOG_LEVELS`].
    pub log_level: &'static str,
    /// Form of a log line.
    pub log_format: LogFormat,
    /// The values of all settings.
    pub values: Values,
    /// All values as text with origins, the tables in the order of their names.
    pub entries: Vec<Entry>,
}

impl Config {
    /// Returns whether nobody has set this key.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.origin == Origin::Default)
    }

    /// Returns the effective configuration as a TOML file; each value with a comment that tells where it came from.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for entry in &self.entries {
            let (prefix, name) = entry.key.split_once('.').unwrap_or(("", entry.key));
            if prefix != table {
                let _ = writeln!(text, "\n[{prefix}]");
                table = prefix;
            }
            let setting = format!("{name} = {}", entry.value);
            let _ = writeln!(text, "{setting:<40} # {}", entry.origin);
        }
        text
    }
}

/// What `/` may show beside the pages of applications.
pub(super) const INDEX: &str = "index";

/// Returns what an address to listen on may look like.
pub(super) fn listen_form() -> String {
    let roots = registry::roots().join(", ");
    format!(
        "ADDRESS:PORT or ADDRESS:PORT=ROOT, such as 127.0.0.1:8000, https://0.0.0.0:443 or [::]:8000=index, with a ROOT of {INDEX}, {roots}; \
         with ?proxy behind, proxies announce each connection (PROXY protocol), as in http://0.0.0.0:80?proxy"
    )
}

/// Returns whether `text` is an address to listen on.
pub(super) fn is_listen(text: &str) -> bool {
    listen(text).is_some()
}

/// Returns the address to listen on that `text` says, or nothing if it says none.
pub(super) fn listen(text: &str) -> Option<Listen> {
    let (kind, text) = match text.strip_prefix("https://") {
        Some(rest) => (ListenerKind::Https, rest),
        None => (ListenerKind::Http, text.strip_prefix("http://").unwrap_or(text)),
    };
    let (text, is_announced) = text.strip_suffix("?proxy").map_or((text, false), |text| (text, true));
    let (address, root) = text.split_once('=').unwrap_or((text, INDEX));
    let roots = [INDEX].into_iter().chain(registry::roots());
    let root = roots.into_iter().find(|name| *name == root)?;
    Some(Listen { address: Address::parse(address)?, root, kind, is_announced })
}
