//! Whether a request may be made: asked once for each head, before any of its body is taken.

use std::net::IpAddr;

use super::context::Context;
use crate::app::access::Scope;
use crate::app::application::{App, Body, Route};
use crate::app::router::Root;
use crate::base::rate::Rate;
use crate::engine::shared::access::Rules;
use crate::engine::shared::access::tokens::{Token, Tokens};
use crate::engine::shared::metrics::Reject;
use crate::http::forwarded;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::sites;

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused.
    pub denied: Option<Denied>,
    /// Its client may see how this host does.
    pub shows_host: bool,
    /// Others may not see what it is answered.
    pub is_guarded: bool,
    /// It was drawn from an allowance, so the next one like it has to be, too.
    pub is_counted: bool,
    /// Every page may see what the application answers.
    pub is_for_every_site: bool,
    /// A page of another site may see the answer: the place of its origin in the rules in force.
    pub origin: Option<u16>,
    /// The place of its token in the rules in force.
    token: Option<u16>,
}

/// Says of what a client should send a token that it is none (RFC 6750, section 3).
pub(super) const INVALID_TOKEN: &str = "Bearer realm=\"pixeld\", error=\"invalid_token\"";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It has no token.
    NoToken,
    /// What it has is no token that this server knows.
    WrongToken,
    /// Its token lacks this scope.
    Scope(Scope),
    /// Its Host is not one of this server's names.
    Host,
    /// A page of another site sent it.
    Elsewhere,
    /// Its body has a coding.
    Coding,
    /// It is one too many.
    TooMany(TooMany),
}

/// Of what a request is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Whose allowance is empty: `address` or `token`.
    whose: &'static str,
    /// Seconds until there is one more.
    wait_s: u32,
    /// Requests in a full allowance.
    burst: u32,
    /// Seconds in which an empty one becomes full.
    window_s: u32,
}

impl Verdict {
    /// Of a request that may do everything, and of a connection that has made none yet.
    pub const FREE: Self = Self {
        denied: None,
        shows_host: true,
        is_guarded: false,
        is_counted: false,
        is_for_every_site: false,
        origin: None,
        token: None,
    };

    /// Returns whether the next request with the same head comes to the same, whoever sends it.
    pub(super) fn may_be_remembered(&self) -> bool {
        !self.is_counted && self.origin.is_none()
    }

    /// Has it stand under rules that came after `earlier` ones, under which it was made: places in those may be others' now. A request
    /// that is under way by a token that is gone is refused.
    pub(super) fn carry_over(&mut self, earlier: &Rules, now: &Rules) {
        self.origin = self.origin.and_then(|place| now.origin_now(earlier, place));
        if let (Some(place), Some(tokens)) = (self.token, &now.tokens) {
            self.token = earlier.tokens.as_ref().and_then(|earlier| tokens.place_now(earlier, place));
            if self.token.is_none() && self.is_guarded && self.denied.is_none() {
                self.denied = Some(Denied::WrongToken);
            }
        } else {
            self.token = None;
        }
    }

    /// Returns why a request that was let in may not go on by the rules in force, where it needs `scope` of the application `app`.
    pub(super) fn revoked(&self, app: &str, scope: Scope, rules: &Rules) -> Option<Denied> {
        let tokens = rules.tokens.as_ref()?;
        let token = self.token.and_then(|place| tokens.at(place));
        self.denied.or_else(|| lacking(token, false, app, scope))
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    /// What its listener shows.
    pub(super) root: Root,
    /// Who its connection is with, if that is known.
    pub(super) client: Option<IpAddr>,
}

/// Decides about a request to `route`, or to nothing that is served.
pub(super) fn judge(
    from: From,
    route: Option<(&dyn App, &Route)>,
    head: &Head<'_>,
    context: &Context,
) -> Verdict {
    let rules = &*context.rules;
    let is_for_every_site = route.is_some_and(|(app, _)| app.is_for_every_site());
    let mut verdict = Verdict { shows_host: from.root.shows_host(), is_for_every_site, ..Verdict::FREE };
    // Before all else: a page may see why it is refused, too.
    if !rules.origins.is_empty() {
        verdict.origin = head.header("origin").and_then(|origin| rules.origin(origin));
    }
    verdict.denied = by_address(rules, from.client, head, &mut verdict.is_counted, context)
        .or_else(|| by_site(rules, route, head, &verdict));
    if verdict.denied.is_none()
        && let Some(tokens) = &rules.tokens
    {
        by_token(tokens, route, head, &mut verdict, context);
    }
    verdict.denied = verdict.denied.or_else(|| by_coding(route, head));
    verdict
}

/// Draws a request from the allowance of its client's address.
fn by_address(
    rules: &Rules,
    peer: Option<IpAddr>,
    head: &Head<'_>,
    is_counted: &mut bool,
    context: &Context,
) -> Option<Denied> {
    let (by_address, peer) = (rules.by_address.as_ref()?, peer?);
    *is_counted = true;
    let client = forwarded::client(peer, head, |address| rules.trusts(address));
    // A proxy that asks for itself looks whether the server is there. One that does not say for whom it asks is bounded itself:
    // its clients would not be bounded at all.
    if rules.trusts(client) && !forwarded::is_for_another(head) {
        return None;
    }
    let drawn = by_address.allowances.draw(client, by_address.rate, context.now.us());
    drawn.err().map(|wait_us| too_many("address", wait_us, by_address.rate))
}

/// Looks whether the request came for this server, and from one of its own pages if it changes something.
fn by_site(
    rules: &Rules,
    route: Option<(&dyn App, &Route)>,
    head: &Head<'_>,
    verdict: &Verdict,
) -> Option<Denied> {
    let is_named = || {
        let name = sites::host_name(head);
        rules.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    };
    if !rules.hosts.is_empty() && !is_named() {
        return Some(Denied::Host);
    }
    let (app, route) = route?;
    let changes = matches!(route.scope_of(head), Some(Scope::Write | Scope::Delete));
    let is_refused =
        changes && verdict.origin.is_none() && !app.is_for_every_site() && sites::is_elsewhere(head);
    is_refused.then_some(Denied::Elsewhere)
}

/// Looks whether the body comes as it is. A mirror, which is for every method, reads none.
fn by_coding(route: Option<(&dyn App, &Route)>, head: &Head<'_>) -> Option<Denied> {
    let reads = route.is_some_and(|(_, route)| route.method.is_some() && !matches!(route.body, Body::None));
    let is_coded = || {
        let mut codings = head.values("content-encoding").flat_map(|list| list.split(|byte| *byte == b','));
        let is_none = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
        codings.any(|coding| !is_none(coding.trim_ascii()))
    };
    (reads && is_coded()).then_some(Denied::Coding)
}

fn by_token(
    tokens: &Tokens,
    route: Option<(&dyn App, &Route)>,
    head: &Head<'_>,
    verdict: &mut Verdict,
    context: &Context,
) {
    let sent = sent(head);
    verdict.token = sent.and_then(|sent| tokens.find(sent));
    let token = verdict.token.and_then(|place| tokens.at(place));
    let needed = route.and_then(|(app, route)| Some((app.name(), route.scope_of(head)?)));
    verdict.shows_host &= token.is_some_and(|token| token.scopes.allow("", Scope::Admin));
    verdict.is_guarded = needed.is_some();
    verdict.denied = needed.and_then(|(app, scope)| lacking(token, sent.is_some(), app, scope));
    if let Some(token) = token.filter(|token| token.rate.is_some() && verdict.denied.is_none()) {
        verdict.is_counted = true;
        let drawn = token.draw(context.now.us());
        verdict.denied = drawn.err().map(|(wait_us, rate)| too_many("token", wait_us, rate));
    }
}

fn lacking(token: Option<&Token>, has_sent: bool, app: &str, scope: Scope) -> Option<Denied> {
    match token {
        None if has_sent => Some(Denied::WrongToken),
        None => Some(Denied::NoToken),
        Some(token) => (!token.scopes.allow(app, scope)).then_some(Denied::Scope(scope)),
    }
}

fn too_many(whose: &'static str, wait_us: u64, rate: Rate) -> Denied {
    let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Denied::TooMany(TooMany {
        whose,
        wait_s: short(wait_us.div_ceil(1_000_000)),
        burst: short(rate.burst()),
        window_s: short(rate.window_s()),
    })
}

/// Returns the token in a head (RFC 6750, section 2.1); an empty one where the field has another form or stands there twice.
fn sent<'h>(head: &Head<'h>) -> Option<&'h [u8]> {
    let mut values = head.values("authorization");
    let value = values.next()?;
    if values.next().is_some() {
        return Some(b"");
    }
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    // Another scheme is no token, be it a wrong one (RFC 6750, section 3.1).
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

impl Denied {
    /// Returns the answer, in the style of the application, and counts it.
    pub(super) fn answer(self, app: &dyn App, context: &Context) -> Response {
        match self {
            Self::NoToken => {
                context.reject(Reject::Token);
                let sentence =
                    "A token is needed: send it as `Authorization: Bearer TOKEN`; nothing was done";
                app.refusal(401, sentence).with("WWW-Authenticate", "Bearer realm=\"pixeld\"")
            }
            Self::WrongToken => {
                context.reject(Reject::Token);
                app.refusal(401, "This server does not know the token; nothing was done")
                    .with("WWW-Authenticate", INVALID_TOKEN)
            }
            Self::Scope(scope) => {
                context.reject(Reject::Scope);
                lacks_scope(app, scope)
            }
            Self::Host => {
                context.reject(Reject::Host);
                app.refusal(421, "This server does not go by the name in the field Host; nothing was done")
            }
            Self::Elsewhere => {
                context.reject(Reject::Site);
                app.refusal(
                    403,
                    "A page of another site sent this, and its origin is not allowed here; nothing was done",
                )
            }
            // With what is taken instead (RFC 9110, section 12.5.3).
            Self::Coding => {
                context.reject(Reject::Coding);
                app.refusal(415, "Send the body without a Content-Encoding; nothing was done")
                    .with("Accept-Encoding", "identity")
            }
            Self::TooMany(too_many) => {
                context.reject(Reject::Rate);
                too_many.answer(app)
            }
        }
    }
}

/// Returns the answer to a token without the scope (RFC 6750, section 3.1).
fn lacks_scope(app: &dyn App, scope: Scope) -> Response {
    let named = match scope {
        Scope::Admin => scope.name().to_owned(),
        _ => format!("{}:{}", app.name(), scope.name()),
    };
    let sentence = format!("The token lacks the scope {} here; nothing was done", scope.name());
    app.refusal(403, &sentence).with(
        "WWW-Authenticate",
        format!("Bearer realm=\"pixeld\", error=\"insufficient_scope\", scope=\"{named}\""),
    )
}

impl TooMany {
    /// Returns the answer to one too many (RFC 6585, section 4), with what draft-ietf-httpapi-ratelimit-headers-10 says of the allowance.
    fn answer(self, app: &dyn App) -> Response {
        let Self { whose, wait_s, burst, window_s } = self;
        let sentence =
            format!("Too many requests of this {whose}; nothing was done, send again after {wait_s} s");
        app.refusal(429, &sentence)
            .with("Retry-After", wait_s.to_string())
            .with("RateLimit-Policy", format!("\"{whose}\";q={burst};w={window_s}"))
            .with("RateLimit", format!("\"{whose}\";r=0;t={wait_s}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::access::Scopes;
    use crate::base::limits::Limits;
    use crate::engine::shared::access::tokens::line_of;
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
            ("Authorization: Basic YTpi\r\n", None),
            ("Authorization: abc\r\n", None),
            ("Authorization: Bearer abc\r\nAuthorization: Bearer abc\r\n", Some("")),
        ] {
            assert_eq!(sent_in(fields).as_deref(), token, "{fields:?}");
        }
    }

    /// Rules with these origins, and tokens with these names, scopes and secrets.
    fn rules(origins: &[&str], tokens: &[(&str, &str)]) -> Rules {
        let line = |(name, scopes): &(&str, &str)| {
            line_of(name, &Scopes::parse(scopes, &["pixel"]).unwrap(), name, None) + "\n"
        };
        let lines: String = tokens.iter().map(line).collect();
        Rules {
            tokens: Some(Tokens::parse(&lines, &["pixel"]).unwrap()),
            origins: origins.iter().map(|origin| (*origin).into()).collect(),
            ..Rules::default()
        }
    }

    /// An answer may be under way while the rules change.
    #[test]
    fn places_in_rules_are_those_of_the_same_in_later_rules() {
        let earlier = rules(&["https://a", "https://b"], &[("a", "write"), ("b", "write")]);
        let later = rules(&["https://c", "https://d", "https://b"], &[("c", "read"), ("b", "write")]);
        let of = |place: u16| {
            let (origin, token) = (Some(place), Some(place));
            let mut verdict = Verdict { origin, token, is_guarded: true, ..Verdict::FREE };
            verdict.carry_over(&earlier, &later);
            (verdict.origin, verdict.token, verdict.denied)
        };
        assert_eq!(of(0), (None, None, Some(Denied::WrongToken)), "no other page's origin, no other token");
        assert_eq!(of(1), (Some(2), Some(1), None));
        let mut verdict = Verdict { token: Some(0), ..Verdict::FREE };
        verdict.carry_over(&earlier, &Rules::default());
        assert_eq!((verdict.token, verdict.denied), (None, None), "nobody needs one any more");
    }

    #[test]
    fn a_body_goes_on_while_its_token_still_allows_it() {
        let earlier = rules(&[], &[("a", "write"), ("b", "write"), ("c", "write")]);
        let later = rules(&[], &[("c", "read"), ("a", "pixel:write")]);
        let revoked = |token: Option<u16>| {
            let mut verdict = Verdict { token, is_guarded: token.is_some(), ..Verdict::FREE };
            verdict.carry_over(&earlier, &later);
            verdict.revoked("pixel", Scope::Write, &later)
        };
        assert_eq!((revoked(Some(0)), revoked(Some(1))), (None, Some(Denied::WrongToken)));
        assert_eq!(revoked(Some(2)), Some(Denied::Scope(Scope::Write)));
        assert_eq!(revoked(None), Some(Denied::NoToken), "begun while nobody needed one");
        assert_eq!(Verdict::FREE.revoked("pixel", Scope::Write, &Rules::default()), None);
    }
}
