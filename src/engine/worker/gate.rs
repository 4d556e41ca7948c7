//! Whether a request may be made: asked once for each head, before any of its body is taken.

use super::context::Context;
use crate::app::access::Scope;
use crate::app::application::{App, Route};
use crate::engine::shared::access::tokens::{Token, Tokens};
use crate::engine::shared::metrics::Reject;
use crate::http::request::Head;
use crate::http::response::Response;

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused.
    pub denied: Option<Denied>,
    /// Its client may see how this host does.
    pub shows_host: bool,
    /// Others may not see what it is answered.
    pub is_guarded: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It has no token.
    NoToken,
    /// What it has is no token that this server knows.
    WrongToken,
    /// Its token lacks this scope.
    Scope(Scope),
}

impl Verdict {
    /// Of a request that may do everything, and of a connection that has made none yet.
    pub const FREE: Self = Self { denied: None, shows_host: true, is_guarded: false };
}

/// Decides about a request to `route`, or to nothing that is served.
pub(super) fn judge(route: Option<(&dyn App, &Route)>, head: &Head<'_>, context: &Context) -> Verdict {
    match &context.rules.tokens {
        None => Verdict::FREE,
        Some(tokens) => with_tokens(tokens, route, head),
    }
}

fn with_tokens(tokens: &Tokens, route: Option<(&dyn App, &Route)>, head: &Head<'_>) -> Verdict {
    let sent = sent(head);
    let token = sent.and_then(|sent| tokens.find(sent));
    let shows_host = token.is_some_and(|token| token.scopes.allow("", Scope::Admin));
    let needed = route.and_then(|(app, route)| Some((app.name(), route.scope(head.method)?)));
    let denied = needed.and_then(|(app, scope)| denied(token, sent.is_some(), app, scope));
    Verdict { denied, shows_host, is_guarded: needed.is_some() }
}

fn denied(token: Option<&Token>, has_sent: bool, app: &str, scope: Scope) -> Option<Denied> {
    match token {
        None if has_sent => Some(Denied::WrongToken),
        None => Some(Denied::NoToken),
        Some(token) => (!token.scopes.allow(app, scope)).then_some(Denied::Scope(scope)),
    }
}

/// Returns the token in a head (RFC 6750, section 2.1); an empty one where the field has another form or stands there twice.
fn sent<'h>(head: &Head<'h>) -> Option<&'h [u8]> {
    let mut values = head.values("authorization");
    let value = values.next()?;
    if values.next().is_some() {
        return Some(b"");
    }
    let bearer = value.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    Some(bearer.map_or(b"", |(_, token)| token.trim_ascii()))
}

impl Denied {
    /// Returns the answer, in the style of the application (RFC 6750, section 3), and counts it.
    pub(super) fn answer(self, app: &dyn App, context: &Context) -> Response {
        match self {
            Self::NoToken => {
                context.reject(Reject::Token);
                app.refusal(
                    401,
                    "A token is needed: send it as `Authorization: Bearer TOKEN`; nothing was done",
                )
                .with("WWW-Authenticate", "Bearer realm=\"pixeld\"")
            }
            Self::WrongToken => {
                context.reject(Reject::Token);
                app.refusal(401, "This server does not know the token; nothing was done")
                    .with("WWW-Authenticate", "Bearer realm=\"pixeld\", error=\"invalid_token\"")
            }
            Self::Scope(scope) => {
                context.reject(Reject::Scope);
                let (app_name, scope) = (app.name(), scope.name());
                let sentence = format!("The token lacks the scope {scope} here; nothing was done");
                let scope = if scope == "admin" { scope.to_owned() } else { format!("{app_name}:{scope}") };
                app.refusal(403, &sentence).with(
                    "WWW-Authenticate",
                    format!("Bearer realm=\"pixeld\", error=\"insufficient_scope\", scope=\"{scope}\""),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    #[test]
    fn a_token_stands_behind_bearer_and_once() {
        let sent_in = |fields: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut slots = HeaderSlots::new();
            let head = parse_head(text.as_bytes(), &mut slots, &Limits::default()).unwrap();
            sent(&head).map(|sent| String::from_utf8(sent.to_vec()).unwrap())
        };
        for (fields, token) in [
            ("", None),
            ("Authorization: Bearer abc\r\n", Some("abc")),
            ("authorization: bEARER   abc \r\n", Some("abc")),
            ("Authorization: Bearer\r\n", Some("")),
            ("Authorization: Basic YTpi\r\n", Some("")),
            ("Authorization: abc\r\n", Some("")),
            ("Authorization: Bearer abc\r\nAuthorization: Bearer abc\r\n", Some("")),
        ] {
            assert_eq!(sent_in(fields).as_deref(), token, "{fields:?}");
        }
    }
}
