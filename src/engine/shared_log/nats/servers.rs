//! The servers of the log: which one is tried next, and what is said when one can't be used.
//!
//! A client lives as long as its connection: with a new one everything is asked for anew, and nothing that an old one had queued is
//! sent late.

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::mpsc;

use crate::base::ids::NodeId;
use crate::base::limits::{
    SHARED_LOG_CALL_MS, SHARED_LOG_CONNECT_MS, SHARED_LOG_PAUSE_MS_MAX, SHARED_LOG_PAUSE_MS_MIN,
    SHARED_LOG_PING_MS,
};
use crate::engine::shared::settings::SharedLogSettings;

/// What a connection tells between two looks; what comes beyond that is dropped, and no word of it is needed.
const EVENTS_MAX: usize = 64;

/// A connection to one of the servers.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) events: mpsc::Receiver<Event>,
    /// Which server it is.
    pub(super) server: String,
}

/// The servers, tried in turn.
pub(super) struct Servers {
    urls: Vec<String>,
    next: usize,
    /// Tries in a row that have failed.
    failures: usize,
}

impl Servers {
    /// Begins with the server that `random` picks, so that hosts spread over them.
    pub(super) fn new(urls: &[String], random: u64) -> Self {
        let next = (random % urls.len().max(1) as u64) as usize;
        Self { urls: urls.to_vec(), next, failures: 0 }
    }

    /// Connects to the next server.
    ///
    /// # Errors
    /// Returns why it can't be used, in words for an operator.
    pub(super) async fn connect(
        &mut self,
        settings: &SharedLogSettings,
        credentials: Option<&str>,
        node: NodeId,
    ) -> Result<Connected, String> {
        tokio::time::sleep(self.pause()).await;
        let url = self.urls[self.next].clone();
        self.next = (self.next + 1) % self.urls.len();
        self.failures += 1;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let options = options(settings, credentials, node)?.event_callback(move |event| {
            let _ = sender.try_send(event);
            std::future::ready(())
        });
        let client = options.connect(url.as_str()).await.map_err(|error| {
            // The causes say what the first line only names.
            told(&url, error.kind(), &causes(&error), credentials.is_some())
        })?;
        Ok(Connected { client, events, server: url })
    }

    /// Notes that the last one was of use: the next failure is the first.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Returns how long to wait before the next try: not at all before each server was tried once.
    fn pause(&self) -> Duration {
        let rounds = (self.failures / self.urls.len().max(1)).min(8) as u32;
        let ms = if rounds == 0 { 0 } else { SHARED_LOG_PAUSE_MS_MIN << (rounds - 1) };
        Duration::from_millis(ms.min(SHARED_LOG_PAUSE_MS_MAX))
    }
}

fn options(
    settings: &SharedLogSettings,
    credentials: Option<&str>,
    node: NodeId,
) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(format!("pixeld {node}"))
        .connection_timeout(Duration::from_millis(SHARED_LOG_CONNECT_MS))
        .request_timeout(Some(Duration::from_millis(SHARED_LOG_CALL_MS)))
        .ping_interval(Duration::from_millis(SHARED_LOG_PING_MS))
        .ignore_discovered_servers()
        // What this host says is for others.
        .no_echo()
        .max_reconnects(1);
    if let Some(credentials) = credentials {
        options = match Credentials::read(credentials)? {
            Credentials::Jwt(text) => {
                options.credentials(text).map_err(|error| format!("--log-credentials: {error}"))?
            }
            Credentials::Seed(seed) => options.nkey(seed.to_owned()),
            Credentials::Password(user, password) => {
                options.user_and_password(user.to_owned(), password.to_owned())
            }
        };
    }
    if let Some(authority) = &settings.authority {
        options = options.add_root_certificates(authority.clone()).require_tls(true);
    }
    Ok(options)
}

/// What a file of credentials may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// A token and the key that it is for (`nsc generate creds`).
    Jwt(&'a str),
    /// A key (`nk -gen user`).
    Seed(&'a str),
    /// A user and a password.
    Password(&'a str, &'a str),
}

impl<'a> Credentials<'a> {
    /// Reads what a file has.
    ///
    /// # Errors
    /// Fails for a file of another form, and says which there are.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        if text.contains("-----BEGIN NATS USER JWT-----") {
            return Ok(Self::Jwt(text));
        }
        let line = text.trim();
        match line.split_once(':') {
            Some((user, password)) if !line.contains('\n') => Ok(Self::Password(user, password)),
            None if line.starts_with("SU") && !line.contains(char::is_whitespace) => Ok(Self::Seed(line)),
            _ => {
                Err("it has neither a JWT with its key (.creds), nor a key alone (SU...), nor USER:PASSWORD"
                    .to_owned())
            }
        }
    }
}

/// Returns an error with its causes in one line, none of them twice.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn told(url: &str, kind: ConnectErrorKind, why: &str, has_credentials: bool) -> String {
    match kind {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication if has_credentials => {
            format!("{url} does not accept the credentials of --log-credentials ({why})")
        }
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            format!("{url} asks for credentials ({why}): start this host with --log-credentials FILE")
        }
        // A certificate that is refused while the connection is made is an error of reading and writing.
        kind if kind == ConnectErrorKind::Tls || why.contains("certificate") => format!(
            "{url}: TLS failed ({why}): --log-ca has to be the authority that signed the server's certificate, which has to name \
             that host"
        ),
        ConnectErrorKind::TimedOut => {
            format!("{url} does not answer; does it run, and does a firewall let it through?")
        }
        ConnectErrorKind::Dns => format!("{url}: the name has no address ({why})"),
        _ => format!("{url} can't be reached ({why}); does the server run there?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_tried_before_the_first_pause_and_pauses_grow_to_a_second() {
        let urls = ["nats://a:1", "nats://b:1", "nats://c:1"].map(str::to_owned);
        let mut servers = Servers::new(&urls, 4);
        assert_eq!((servers.next, servers.pause()), (1, Duration::ZERO));
        let mut longest = Duration::ZERO;
        for failures in 0..100 {
            servers.failures = failures;
            assert_eq!(servers.pause().is_zero(), failures < 3, "{failures}");
            longest = longest.max(servers.pause());
        }
        assert_eq!(longest, Duration::from_millis(SHARED_LOG_PAUSE_MS_MAX));
        servers.succeeded();
        assert_eq!(servers.pause(), Duration::ZERO);
    }

    #[test]
    fn credentials_are_read_in_each_form() {
        let jwt = "-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n";
        assert_eq!(Credentials::read(jwt), Ok(Credentials::Jwt(jwt)));
        assert_eq!(Credentials::read("SUACSSL3\n"), Ok(Credentials::Seed("SUACSSL3")));
        assert_eq!(Credentials::read("pixeld:s3:cret\n"), Ok(Credentials::Password("pixeld", "s3:cret")));
        for other in ["", "a", "a:b\nc:d", "SUA B"] {
            assert!(Credentials::read(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn what_an_operator_has_to_mend_is_said() {
        let refused = told("nats://a:1", ConnectErrorKind::AuthorizationViolation, "no", false);
        assert!(refused.contains("start this host with --log-credentials"), "{refused}");
        let refused = told("nats://a:1", ConnectErrorKind::AuthorizationViolation, "no", true);
        assert!(refused.contains("does not accept"), "{refused}");
        for (kind, why) in
            [(ConnectErrorKind::Tls, "no"), (ConnectErrorKind::Io, "invalid peer certificate: UnknownIssuer")]
        {
            let refused = told("tls://a:1", kind, why, true);
            assert!(refused.contains("TLS failed") && refused.contains("--log-ca"), "{refused}");
        }
        assert!(
            told("nats://a:1", ConnectErrorKind::Io, "refused", true).contains("does the server run there")
        );
    }
}
