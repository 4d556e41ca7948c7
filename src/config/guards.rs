//! The keys about who may do what: a row for each, and the rules that they come to.

use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;

use super::access::Access;
use super::effective::{Config, Listen, is_listen, listen, listen_form};
use super::error::{ConfigError, Origin};
use super::table::{Row, row};
use crate::apps::registry;
use crate::base::limits::TOKENS_FILE_BYTES_MAX;
use crate::base::network::{NETWORK_FORM, Network};
use crate::base::rate::{RATE_FORM, Rate};
use crate::base::setting::{Form, Preset, Setting};
use crate::engine::shared::access::tokens::Tokens;
use crate::engine::shared::access::{ByAddress, Rules};
use crate::os::address::Address;
use crate::os::regular;

const PATH: Form = Form::Or("none", "", &Form::Text("a path", |text| !text.is_empty()));

/// Every setting about who may do what.
pub static ROWS: [Row; 7] = [
    row(
        Setting::new(
            "tokens",
            "FILE",
            "File of the tokens that requests need, a line NAME SCOPES SHA256 for each, as `pixeld token new` prints it; \
             without one everybody may do everything",
            PATH,
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| config.access.tokens = value.text().map(|path| Path::new(path).into()),
    ),
    row(
        Setting::switch("open", "Do not warn at the start that everybody may do everything"),
        |config, value| config.access.open = value.is_true(),
    ),
    row(
        Setting::new(
            "admin_listen",
            "ADDR,...",
            "Addresses for operators: /metrics, the details of /health, and DELETE are served only there",
            Form::Or("none", "", &Form::List(listen_form, is_listen)),
            Preset::Text("none"),
        ),
        |config, value| config.admin_listen = value.elements().iter().filter_map(|text| listen(text)).collect(),
    ),
    row(
        Setting::new(
            "rate",
            "RATE",
            "Requests allowed for one client's address, or one IPv6 network of 64 bits; beyond that 429",
            Form::Or("none", "", &Form::Text(RATE_FORM, |text| Rate::parse(text).is_some())),
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| config.access.rate = value.text().and_then(Rate::parse),
    ),
    row(
        Setting::new(
            "trusted_proxies",
            "NETWORK,...",
            "Proxies that are believed when they name their client, by Forwarded, X-Forwarded-For, or the PROXY protocol",
            Form::Or("none", "", &Form::List(|| NETWORK_FORM.to_owned(), |text| Network::parse(text).is_some())),
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| {
            config.access.proxies = value.elements().iter().filter_map(|text| Network::parse(text)).collect();
        },
    ),
    row(
        Setting::new(
            "allow_host",
            "NAME,...",
            "Names in the field Host that are served, without a port; requests for others are answered 421",
            Form::Or("none", "", &Form::List(|| HOST_FORM.to_owned(), is_host)),
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| config.access.hosts = value.elements().iter().map(|name| name.to_lowercase().into()).collect(),
    ),
    row(
        Setting::new(
            "allow_origin",
            "ORIGIN,...",
            "Origins of other sites that may ask and see the answers (CORS); * for all",
            Form::Or("none", "", &Form::List(|| ORIGIN_FORM.to_owned(), is_origin)),
            Preset::Text("none"),
        )
        .reloads(),
        |config, value| config.access.origins = value.elements().iter().map(|origin| origin.as_str().into()).collect(),
    ),
];

const HOST_FORM: &str = "a name or an address without a port, such as example.org or [::1]";
const ORIGIN_FORM: &str = "a scheme, a name and a port if it is an unusual one, as browsers send it, such as https://example.org or \
     http://a.example:8080, each by itself without a *, or * alone";

fn is_host(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.bytes().all(is_letter),
    }
}

/// Returns whether a browser may send this as its page's origin (RFC 6454, section 6.2): another text would match nobody.
fn is_origin(text: &str) -> bool {
    let is_named = |usual: &str, rest: &str| {
        // What follows the last colon of an address in brackets is no port.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let is_port =
            |port: &str| port != usual && !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
        is_host(host) && port.is_none_or(is_port)
    };
    match text.split_once("://") {
        Some(("http", rest)) => is_named("80", rest),
        Some(("https", rest)) => is_named("443", rest),
        _ => text == "*",
    }
}

/// Returns every key whose value will not do beside the others, and what would.
pub(super) fn contradictions(config: &Config) -> Vec<(&'static str, &'static str)> {
    let all = config.listen.iter().chain(&config.admin_listen);
    let needs_proxies = all.into_iter().any(|listen| listen.is_announced) && config.access.proxies.is_empty();
    let proxies = ("trusted_proxies", "the addresses of the proxies, for a listener with ?proxy");
    needs_proxies.then_some(proxies).into_iter().chain(shared_address(config)).collect()
}

/// Returns the key of an address that another one has, too: the kernel would give each of both some of the connections.
fn shared_address(config: &Config) -> Option<(&'static str, &'static str)> {
    const ALLOWED: &str = "addresses that no other listener has, or another port";
    // One that is no name may be written in several ways.
    let plain = |address: &Address| address.literal().map_or_else(|| address.clone(), Address::from);
    let of = |key, listeners: &'_ [Listen]| {
        listeners.iter().map(|listen| (key, plain(&listen.address))).collect::<Vec<_>>()
    };
    let redirect = config.https.redirect.iter().map(|address| ("tls.redirect", plain(address)));
    let all =
        [of("listen", &config.listen), of("admin_listen", &config.admin_listen), redirect.collect()].concat();
    // The system gives each a port of its own.
    let is_chosen = |address: &Address| address.to_string().ends_with(":0");
    let again = all.iter().enumerate().find(|(at, (_, address))| {
        !is_chosen(address) && all[..*at].iter().any(|(_, earlier)| earlier == address)
    });
    again.map(|(_, (key, _))| (*key, ALLOWED))
}

/// Returns the rules that this configuration comes to. Reads the files that it names.
///
/// # Errors
/// Returns what is wrong with a file; `origin` says where a key was set.
pub(super) fn rules(config: &Config, origin: impl Fn(&str) -> Origin) -> Result<Arc<Rules>, ConfigError> {
    let tokens = match &config.access.tokens {
        None => None,
        Some(path) => Some(tokens(path, origin("tokens"))?),
    };
    let Access { rate, proxies, hosts, origins, .. } = config.access.clone();
    let by_address = rate.map(|rate| ByAddress { rate, allowances: Arc::default() });
    Ok(Arc::new(Rules { tokens, by_address, proxies, hosts, origins }))
}

fn tokens(path: &Path, origin: Origin) -> Result<Tokens, ConfigError> {
    let unreadable =
        |reason: String| ConfigError::Unreadable { origin: origin.clone(), path: path.into(), reason };
    let text =
        regular::read_text(path, TOKENS_FILE_BYTES_MAX).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > TOKENS_FILE_BYTES_MAX {
        return Err(unreadable(format!("it has more than {TOKENS_FILE_BYTES_MAX} bytes")));
    }
    Tokens::parse(&text, &registry::names()).map_err(|bad| ConfigError::Tokens {
        path: path.into(),
        line: bad.line,
        reason: bad.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins_are_those_that_can_match() {
        for good in ["example.org", "127.0.0.1", "[::1]", "a_b"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "[x y]", "[]", "[::1", "[127.0.0.1]", "a:80", "*.a", "a\nb"] {
            assert!(!is_host(bad), "{bad:?}");
        }
        for good in ["*", "https://a", "http://a:8080", "https://a:80", "http://[::1]", "http://[::1]:8080"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "https://",
            "https://a:443",
            "http://a:80",
            "https://*.a",
            "https://a\nb",
            "https://a/",
            "https://a:",
            "https://a:08",
            "https://a:x",
            "https://a:99999",
            "https://[x y]",
            "https://[::1]:443",
            "ftp://a",
            "https://u@a",
            "null",
        ] {
            assert!(!is_origin(bad), "{bad:?}");
        }
    }
}
