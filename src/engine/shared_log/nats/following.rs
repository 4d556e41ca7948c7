//! Following a node's stream: a consumer that the server forgets, read with pulls of this host's own.
//!
//! The server keeps no position. Whatever goes wrong (a consumer that is gone, a leader that changed, heartbeats that stay away),
//! a new consumer is made behind the last message that was delivered.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::{BatchConfig, Config};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::{Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::servers::causes;
use crate::base::limits::{
    RELAY_CREDIT_BYTES, SHARED_LOG_CONSUMER_MS, SHARED_LOG_HEARTBEAT_MS, SHARED_LOG_PAUSE_MS_MAX,
    SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_PULL_BYTES, SHARED_LOG_PULL_MESSAGES, SHARED_LOG_PULL_MS,
};
use crate::peer::relay::port::LogEvent;

/// One stream that is followed.
pub(super) struct Following {
    context: Context,
    /// The stream's name.
    stream: String,
    /// The call of `Follow`.
    token: u64,
    /// The last message that was delivered, or behind which to begin.
    after: u64,
    events: mpsc::Sender<LogEvent>,
    /// Bytes of messages that were taken so far.
    taken: watch::Receiver<u64>,
    /// Bytes of messages that were delivered so far.
    delivered: u64,
    /// When the stream was made, nanoseconds since 1970: one that was made again gives its numbers anew.
    made_ns: Option<i128>,
}

/// What a pull came to.
enum Pulled {
    /// Messages, or nothing for as long as it was open.
    Some,
    /// The relay is gone.
    Nobody,
}

impl Following {
    /// Makes the follower of the stream of this name, from behind the number `after`. `taken` tells how many bytes of messages the
    /// relay has taken.
    pub(super) fn new(
        context: Context,
        stream: String,
        token: u64,
        after: u64,
        events: mpsc::Sender<LogEvent>,
        taken: watch::Receiver<u64>,
    ) -> Self {
        Self { context, stream, token, after, events, taken, delivered: 0, made_ns: None }
    }

    /// Follows the stream until nobody listens.
    pub(super) async fn run(mut self) {
        let mut pause = Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
        loop {
            let before = self.after;
            match self.follow().await {
                Ok(()) => return,
                Err(why) => tracing::debug!(stream = self.stream, why, "following anew"),
            }
            if self.after != before {
                pause = Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(Duration::from_millis(SHARED_LOG_PAUSE_MS_MAX));
        }
    }

    /// Follows the stream by one consumer for as long as that is there.
    async fn follow(&mut self) -> Result<(), String> {
        let (consumer, mut inbox, subject) = self.begin().await?;
        loop {
            let batch = BatchConfig {
                batch: SHARED_LOG_PULL_MESSAGES,
                max_bytes: SHARED_LOG_PULL_BYTES,
                expires: Some(Duration::from_millis(SHARED_LOG_PULL_MS)),
                idle_heartbeat: Duration::from_millis(SHARED_LOG_HEARTBEAT_MS),
                ..BatchConfig::default()
            };
            consumer.request_batch(batch, subject.clone().into()).await.map_err(|error| causes(&error))?;
            if let Pulled::Nobody = self.pulled(&mut inbox).await? {
                return Ok(());
            }
        }
    }

    /// Makes a consumer behind what was delivered.
    async fn begin(&mut self) -> Result<(Consumer<Config>, Subscriber, String), String> {
        let stream = self.context.get_stream(&self.stream).await.map_err(|error| causes(&error))?;
        let info = stream.cached_info();
        let made_ns = info.created.unix_timestamp_nanos();
        let is_another = self.made_ns.replace(made_ns).is_some_and(|before_ns| before_ns != made_ns);
        if is_another || info.state.last_sequence < self.after {
            // Made again, or its end is forgotten: numbers are given a second time, and batches tell what is new.
            self.after = 0;
        }
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.after + 1 },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_millis(SHARED_LOG_CONSUMER_MS),
            ..Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| causes(&error))?;
        let client = self.context.client();
        let subject = client.new_inbox();
        let inbox = client.subscribe(subject.clone()).await.map_err(|error| causes(&error))?;
        Ok((consumer, inbox, subject))
    }

    /// Delivers what one pull brings.
    async fn pulled(&mut self, inbox: &mut Subscriber) -> Result<Pulled, String> {
        // Three heartbeats that stay away are no chance.
        let patience = Duration::from_millis(3 * SHARED_LOG_HEARTBEAT_MS + SHARED_LOG_HEARTBEAT_MS / 2);
        let mut messages = 0;
        loop {
            let message = match timeout(patience, inbox.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Err("the connection has ended".to_owned()),
                Err(_) => return Err("no heartbeat".to_owned()),
            };
            match message.status {
                None => {
                    messages += 1;
                    if !self.deliver(&message).await? {
                        return Ok(Pulled::Nobody);
                    }
                    if messages == SHARED_LOG_PULL_MESSAGES {
                        return Ok(Pulled::Some);
                    }
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => return Ok(Pulled::Some),
                // As many bytes as were asked for.
                Some(StatusCode::REQUEST_TERMINATED) if messages > 0 && is_whole(&message) => {
                    return Ok(Pulled::Some);
                }
                Some(status) => {
                    return Err(format!("{status} {}", message.description.unwrap_or_default()));
                }
            }
        }
    }

    /// Delivers a message once there is room for it; false if nobody listens any more.
    async fn deliver(&mut self, message: &Message) -> Result<bool, String> {
        let number =
            number_of(message).ok_or_else(|| format!("no number in {:?}", message.reply.as_deref()))?;
        let delivered = self.delivered;
        let has_room = |taken: &u64| delivered.saturating_sub(*taken) < RELAY_CREDIT_BYTES as u64;
        if self.taken.wait_for(has_room).await.is_err() {
            return Ok(false);
        }
        self.delivered += message.payload.len() as u64;
        self.after = number;
        let event = LogEvent::Message { token: self.token, number, bytes: message.payload.to_vec() };
        Ok(self.events.send(event).await.is_ok())
    }
}

/// Returns whether a pull ended because it had all that it asked for.
fn is_whole(message: &Message) -> bool {
    let words = message.description.as_deref().unwrap_or_default();
    ["Batch Completed", "Message Size Exceeds MaxBytes"].iter().any(|end| words.starts_with(end))
}

/// Returns a message's number in its stream, which stands in the subject that an acknowledgement would go to:
/// `$JS.ACK.stream.consumer.deliveries.NUMBER...`, or the same with a domain and an account before the stream.
fn number_of(message: &Message) -> Option<u64> {
    let parts: Vec<&str> = message.reply.as_deref()?.split('.').collect();
    let at = match parts.len() {
        9 => 5,
        11.. => 7,
        _ => return None,
    };
    parts[at].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(reply: &str) -> Message {
        Message {
            subject: "px".into(),
            reply: Some(reply.into()),
            payload: Vec::new().into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn numbers_are_found_in_both_forms() {
        let of = |reply: &str| number_of(&message(reply));
        assert_eq!(of("$JS.ACK.PX_1.c.1.42.7.1700000000.0"), Some(42));
        assert_eq!(of("$JS.ACK.hub.acct.PX_1.c.1.42.7.1700000000.0.token"), Some(42));
        assert_eq!(of("$JS.ACK.hub.acct.PX_1.c.1.42.7.1700000000.0"), Some(42));
        for other in ["", "_INBOX.a.b", "$JS.ACK.PX_1.c.1.x.7.1.0"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
