//! What listeners answer that only send everybody to HTTPS.

use std::path::Path;
use std::sync::Arc;

use super::settings::{ListenerKind, Settings};
use crate::app::application::{Job, JobStep, Start};
use crate::base::limits::ACME_ANSWER_BYTES_MAX;
use crate::http::caching::Caching;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::os::regular;

/// The port of HTTPS that no URL names.
const USUAL_PORT: u16 = 443;
/// Where a client of ACME has its answers looked for (RFC 8555, section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// The way to HTTPS.
pub struct Redirect {
    /// The port of the listener of HTTPS.
    port: u16,
    acme_dir: Option<Arc<Path>>,
}

/// What a request to such a listener comes to.
pub enum Redirected {
    /// This answer.
    Answer(Response),
    /// What a job finds on the disk.
    Look(Box<dyn Job>),
}

impl Redirect {
    /// Returns the way of a server with these settings; nothing for one without listeners that redirect. The first listener of
    /// HTTPS is where it leads to.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let first = |kind| settings.listen.iter().find(|listen| listen.kind == kind);
        first(ListenerKind::Redirect)?;
        let port = first(ListenerKind::Https)?.address.port();
        let acme_dir = settings.https.as_ref().and_then(|https| https.acme_dir.clone()).map(Arc::from);
        Some(Self { port, acme_dir })
    }

    /// Returns whether a request is for a challenge of ACME, which is answered here.
    #[must_use]
    pub fn is_challenge(&self, head: &Head<'_>) -> bool {
        self.challenge(head).is_some()
    }

    /// Returns where a challenge is looked for, and its token.
    fn challenge<'h>(&self, head: &Head<'h>) -> Option<(&Arc<Path>, &'h str)> {
        let directory = self.acme_dir.as_ref().filter(|_| is_read(head))?;
        Some((directory, head.path.strip_prefix(CHALLENGES)?))
    }

    /// Returns what a request comes to: a challenge of ACME its answer, every other one the same URL with `https`. GET and HEAD are
    /// answered 301; others 308, which a client repeats with its method and body (RFC 9110, section 15.4.9).
    #[must_use]
    pub fn answer(&self, head: &Head<'_>) -> Redirected {
        if let Some((directory, token)) = self.challenge(head) {
            return match is_token(token) {
                true => Redirected::Look(Box::new(Challenge {
                    directory: directory.clone(),
                    token: token.to_owned(),
                })),
                false => Redirected::Answer(no_challenge()),
            };
        }
        let Some(host) = head.host().and_then(host_of) else {
            let why = "Only https is served here; name the host by the field Host, or ask by https.\n";
            return Redirected::Answer(Response::new(400, "text/plain; charset=utf-8", why));
        };
        let port = if self.port == USUAL_PORT { String::new() } else { format!(":{}", self.port) };
        let path = if head.path == "*" { "/" } else { head.path };
        let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
        let status = if is_read(head) { 301 } else { 308 };
        let response =
            Response::new(status, "", "").with("Location", format!("https://{host}{port}{path}{query}"));
        Redirected::Answer(response)
    }
}

fn is_read(head: &Head<'_>) -> bool {
    matches!(head.method, Method::Get | Method::Head)
}

/// Returns the host of a field Host without its port; nothing for what is no host.
fn host_of(field: &str) -> Option<&str> {
    let end = match field.strip_prefix('[') {
        Some(_) => field.find(']')? + 1,
        None => field.find(':').unwrap_or(field.len()),
    };
    let (host, port) = field.split_at(end);
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte));
    (!host.is_empty() && is_host && is_port).then_some(host)
}

/// Returns whether it can be the token of a challenge: letters of base64url, so nothing that leads out of the directory.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn no_challenge() -> Response {
    Response::new(404, "text/plain; charset=utf-8", "There is no such challenge.\n")
}

/// Looks for the answer to a challenge.
struct Challenge {
    directory: Arc<Path>,
    token: String,
}

impl Challenge {
    /// Reads the answer. Whoever may write into the directory could show everybody any file of the server by a link out of it.
    fn find(&self) -> Option<Vec<u8>> {
        let directory = self.directory.canonicalize().ok()?;
        let path = directory.join(&CHALLENGES[1..]).join(&self.token).canonicalize().ok()?;
        let answer =
            regular::read(&path, ACME_ANSWER_BYTES_MAX).ok().filter(|_| path.starts_with(&directory));
        answer.filter(|answer| answer.len() as u64 <= ACME_ANSWER_BYTES_MAX)
    }
}

impl Job for Challenge {
    fn start(&mut self) -> Start {
        let answer = self
            .find()
            .map_or_else(no_challenge, |answer| Response::new(200, "application/octet-stream", answer));
        Start::Whole(answer.kept_by(Caching::default()))
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_with_or_without_a_port_and_nothing_else() {
        for (field, host) in [
            ("example.com", Some("example.com")),
            ("example.com:80", Some("example.com")),
            ("[::1]:8080", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("127.0.0.1:", Some("127.0.0.1")),
            ("", None),
            (":80", None),
            ("a/b", None),
            ("user@evil", None),
            ("a:80@evil", None),
            ("[::1", None),
            ("a b", None),
        ] {
            assert_eq!(host_of(field), host, "{field}");
        }
    }

    #[test]
    fn no_token_leads_out_of_its_directory() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"));
        for bad in ["", "..", ".", "a/b", "a%2fb", "../../etc/passwd", "a.b", "a\0b"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
