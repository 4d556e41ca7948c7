//! The keys about HTTPS: a row for each, and what they have to have to do with each other.

use std::time::Duration;

use super::effective::{Config, Listen};
use super::table::{Row, row};
use crate::base::limits::CERTIFICATES_MAX;
use crate::base::setting::{Form, Preset, Setting};
use crate::base::units;
use crate::engine::shared::settings::ListenerKind;
use crate::os::address::Address;

const FILES: Form =
    Form::Or("none", "", &Form::List(|| "paths of files".to_owned(), |text| !text.is_empty()));
const DIRECTORY: Form = Form::Or("none", "", &Form::Text("a path", |text| !text.is_empty()));
const ADDRESSES: Form = Form::Or(
    "none",
    "",
    &Form::List(|| "ADDRESS:PORT such as 0.0.0.0:80".to_owned(), |text| redirect(text).is_some()),
);
const AGE: Form =
    Form::Or("none", "", &Form::Text("a time such as 180d or 1h", |text| units::age_ms(text).is_some()));

/// Every setting about HTTPS.
pub static ROWS: [Row; 5] = [
    row(
        Setting::new(
            "tls.cert",
            "FILE",
            "Certificate of the https listeners with its chain, in PEM; repeatable, a client gets the one for the name that it asks for",
            FILES,
            Preset::Text("none"),
        ),
        |config, value| config.https.certificates = value.elements().iter().map(Into::into).collect(),
    ),
    row(
        Setting::new(
            "tls.key",
            "FILE",
            "Its private key, in PEM; as many as there are certificates, in the same order",
            FILES,
            Preset::Text("none"),
        ),
        |config, value| config.https.keys = value.elements().iter().map(Into::into).collect(),
    ),
    row(
        Setting::new(
            "tls.redirect",
            "ADDR",
            "Address without TLS that sends every request to the first https listener, repeatable",
            ADDRESSES,
            Preset::Text("none"),
        )
        .named("redirect"),
        |config, value| config.https.redirect = value.elements().iter().filter_map(|text| redirect(text)).collect(),
    ),
    row(
        Setting::new(
            "tls.acme_dir",
            "DIR",
            "Webroot of an ACME client such as certbot; the redirecting address serves /.well-known/acme-challenge/ from it",
            DIRECTORY,
            Preset::Text("none"),
        )
        .named("acme-dir"),
        |config, value| config.https.acme_dir = value.text().map(Into::into),
    ),
    row(
        Setting::new(
            "tls.hsts",
            "TIME",
            "How long browsers must use https only (Strict-Transport-Security); it can't be undone before that",
            AGE,
            Preset::Text("none"),
        )
        .named("hsts"),
        |config, value| config.https.hsts = value.text().and_then(units::age_ms).map(Duration::from_millis),
    ),
];

/// Returns every key whose value will not do beside the others, and what would.
pub(super) fn contradictions(config: &Config) -> Vec<(&'static str, &'static str)> {
    let https = &config.https;
    let speaks = |listen: &Listen| listen.kind == ListenerKind::Https;
    // Nobody is led to what operators have for themselves.
    let leads_somewhere = config.listen.iter().any(speaks);
    let is_spoken = leads_somewhere || config.admin_listen.iter().any(speaks);
    let (has_certificates, redirects) = (!https.certificates.is_empty(), !https.redirect.is_empty());
    [
        (
            is_spoken && !has_certificates,
            "tls.cert",
            "the file of a certificate, and tls.key that of its key: --tls-cert FILE --tls-key FILE beside --listen https://ADDR",
        ),
        (!is_spoken && has_certificates, "tls.cert", "none without --listen https://ADDR"),
        (
            https.certificates.len() != https.keys.len(),
            "tls.key",
            "as many files as tls.cert has, in the same order: each --tls-cert FILE with its --tls-key FILE",
        ),
        (https.certificates.len() > CERTIFICATES_MAX, "tls.cert", "at most 64 certificates"),
        (!leads_somewhere && redirects, "tls.redirect", "none without --listen https://ADDR, where it leads to"),
        (!redirects && https.acme_dir.is_some(), "tls.acme_dir", "none without --redirect ADDR, which answers from it"),
        (!is_spoken && https.hsts.is_some(), "tls.hsts", "none without --listen https://ADDR"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, key, allowed)| is_wrong.then_some((key, allowed)))
    .collect()
}

/// Reads an address that redirects.
fn redirect(text: &str) -> Option<Address> {
    Address::parse(text.strip_prefix("http://").unwrap_or(text))
}
