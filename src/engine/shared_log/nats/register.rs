//! The register: a stream with a subject for each entry, of which each takes one message, the first.

use std::sync::Arc;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RawMessageErrorKind};
use async_nats::jetstream::{ErrorCode, stream::DiscardPolicy};

use super::names::Names;
use super::servers::causes;
use super::strength;
use crate::base::numbers::u64_at;
use crate::engine::shared::settings::SharedLogSettings;
use crate::peer::relay::port::LogEvent;

/// The register of a cluster. A clone is the same one.
#[derive(Clone)]
pub(super) struct Register {
    context: Context,
    names: Names,
    settings: Arc<SharedLogSettings>,
}

impl Register {
    pub(super) fn new(context: Context, names: Names, settings: Arc<SharedLogSettings>) -> Self {
        Self { context, names, settings }
    }

    /// Writes a number into an entry unless something stands there, or only looks; gives what stands there then.
    ///
    /// # Errors
    /// Fails if nobody answers, or the register can't be made or is weaker than it may be; the number may be written all the same.
    pub(super) async fn enter(&self, token: u64, name: &str, value: Option<u64>) -> Result<LogEvent, String> {
        let Some(number) = value else {
            return Ok(LogEvent::Entered { token, value: self.look(name).await? });
        };
        match self.write(name, number).await {
            Ok(()) => Ok(LogEvent::Entered { token, value }),
            Err(PublishErrorKind::StreamNotFound) => {
                self.make().await?;
                Err("the register was missing and is made".to_owned())
            }
            // Somebody else's may be on its way, and not stand there yet.
            Err(other) => match self.look(name).await? {
                Some(found) => Ok(LogEvent::Entered { token, value: Some(found) }),
                None => Err(format!("the register takes no entry: {other}")),
            },
        }
    }

    async fn write(&self, name: &str, number: u64) -> Result<(), PublishErrorKind> {
        let message = PublishMessage::build()
            .payload(number.to_le_bytes().to_vec().into())
            .expected_stream(self.names.register())
            .expected_last_subject_sequence(0);
        let sent = self.context.send_publish(self.names.entry(name), message).await;
        let acknowledged = sent.map_err(|error| error.kind())?.await;
        acknowledged.map(drop).map_err(|error| error.kind())
    }

    /// Returns what stands in an entry, as the leader of the register's servers has it.
    async fn look(&self, name: &str) -> Result<Option<u64>, String> {
        let stream = match self.context.get_stream(self.names.register()).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return Ok(None);
                }
                _ => return Err(format!("the register does not answer: {}", causes(&error))),
            },
        };
        if let Some(weakness) =
            strength::weakness(&stream.cached_info().config).filter(|_| !self.settings.allow_weak)
        {
            return Err(weakness);
        }
        match stream.get_last_raw_message_by_subject(&self.names.entry(name)).await {
            Ok(message) if message.payload.len() == 8 => Ok(Some(u64_at(&message.payload, 0))),
            Ok(_) => Err("an entry of the register is damaged".to_owned()),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(causes(&error)),
        }
    }

    /// Makes the stream; what stands in it is never removed.
    async fn make(&self) -> Result<(), String> {
        let wanted = Config {
            name: self.names.register(),
            description: Some("pixeld: which host has which seat".to_owned()),
            subjects: vec![self.names.entry("*")],
            num_replicas: self.settings.replicas,
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            deny_delete: true,
            deny_purge: true,
            ..Config::default()
        };
        let made = self.context.create_stream(wanted).await;
        made.map(drop).map_err(|error| format!("the register can't be made: {}", causes(&error)))
    }
}
