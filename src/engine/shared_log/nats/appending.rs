//! Appending to this host's own stream: messages leave in order, each with the number that the one before it has, and what the log
//! says to each comes back by one subscription.

use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{Client, HeaderMap, HeaderValue, Message, StatusCode, Subscriber, header};

use super::servers::causes;
use crate::peer::relay::port::LogEvent;

/// Where answers to appended messages come in.
pub(super) struct Appending {
    client: Client,
    /// What the subjects of answers begin with.
    inbox: String,
}

/// What an answer says.
pub(super) struct Answer {
    pub(super) event: LogEvent,
    /// No stream takes the message: there is none.
    pub(super) is_homeless: bool,
}

impl Appending {
    /// Listens for answers.
    ///
    /// # Errors
    /// Fails with a connection that has ended.
    pub(super) async fn begin(client: &Client) -> Result<(Self, Subscriber), String> {
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|error| causes(&error))?;
        Ok((Self { client: client.clone(), inbox }, answers))
    }

    /// Sends a message, to be appended behind the number `after`; gives what is known at once.
    pub(super) async fn append(
        &self,
        token: u64,
        after: u64,
        subject: String,
        message: Vec<u8>,
    ) -> Option<LogEvent> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(after));
        let reply = format!("{}.{token}", self.inbox);
        let sent = self.client.publish_with_reply_and_headers(subject, reply, headers, message.into()).await;
        sent.err().map(|error| LogEvent::Refused { token, why: causes(&error) })
    }

    /// Reads what the log says to a message; nothing for what is no such answer.
    pub(super) fn answer(&self, message: &Message) -> Option<Answer> {
        let token = message.subject.strip_prefix(self.inbox.as_str())?.strip_prefix('.')?.parse().ok()?;
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let why = "no stream takes this host's messages".to_owned();
            return Some(Answer { event: LogEvent::Refused { token, why }, is_homeless: true });
        }
        let event = match serde_json::from_slice(&message.payload) {
            Ok(Response::<PublishAck>::Ok(ack)) => LogEvent::Appended { token, number: ack.sequence },
            Ok(Response::Err { error }) => LogEvent::Refused { token, why: causes(&error) },
            Err(error) => LogEvent::Refused { token, why: format!("an answer that can't be read: {error}") },
        };
        Some(Answer { event, is_homeless: false })
    }
}
