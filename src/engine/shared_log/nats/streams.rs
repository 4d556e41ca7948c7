//! The streams of a cluster: this host's own, which it makes and looks after, and what stands in those of all.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use async_nats::jetstream::{ErrorCode, stream::Config};
use futures_util::StreamExt;

use super::end::End;
use super::names::Names;
use super::servers::causes;
use super::strength;
use crate::base::ids::NodeId;
use crate::base::units;
use crate::engine::shared::settings::SharedLogSettings;
use crate::peer::relay::port::LogEvent;

/// The streams as this host reaches them. A clone is the same.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) context: Context,
    names: Names,
    own: NodeId,
    settings: Arc<SharedLogSettings>,
}

impl Streams {
    pub(super) fn new(context: Context, names: Names, own: NodeId, settings: Arc<SharedLogSettings>) -> Self {
        Self { context, names, own, settings }
    }

    /// Makes this host's stream if it is missing, and looks whether it is worth what `cluster` promises.
    ///
    /// # Errors
    /// Returns why it can't be made or used.
    pub(super) async fn own(&self) -> Result<(), End> {
        let config = match self.find(self.own).await.map_err(End::Silent)? {
            Some(stream) => stream.cached_info().config.clone(),
            None => self.make().await.map_err(End::Refused)?,
        };
        if let Some(weakness) = self.judge(&config).map_err(End::Refused)? {
            tracing::warn!(weakness, "`cluster` promises less, as log.allow_weak allows");
        }
        Ok(())
    }

    /// Looks whether this host's stream is still worth what `cluster` promises; one that is missing is made when it is next
    /// appended to.
    ///
    /// # Errors
    /// Returns what is wrong with it, or that nobody answers.
    pub(super) async fn check(&self) -> Result<(), End> {
        match self.find(self.own).await.map_err(End::Silent)? {
            Some(stream) => self.judge(&stream.cached_info().config).map(drop).map_err(End::Refused),
            None => Ok(()),
        }
    }

    /// Returns what is weak about a stream if that is allowed.
    fn judge(&self, config: &Config) -> Result<Option<String>, String> {
        if let Some(why) = strength::misfit(config) {
            return Err(why);
        }
        match strength::weakness(config) {
            Some(why) if !self.settings.allow_weak => Err(why),
            weakness => Ok(weakness),
        }
    }

    async fn make(&self) -> Result<Config, String> {
        let wanted = strength::wanted(&self.names, self.own, &self.settings);
        let (name, replicas) = (wanted.name.clone(), wanted.num_replicas);
        let made = self.context.create_stream(wanted).await.map_err(|error| {
            format!(
                "the stream {name} with {replicas} replica(s) can't be made: {}; needed are that many servers with `jetstream {{ }}` in \
                 their configuration, room for {} (log.window_bytes) of each host below their max_file_store, and the right to make it",
                causes(&error),
                units::show_size(self.settings.window_bytes)
            )
        })?;
        tracing::info!(stream = name, replicas, "made this host's stream in the log");
        Ok(made.cached_info().config.clone())
    }

    /// Returns a node's stream; nothing if there is none.
    ///
    /// # Errors
    /// Fails if nobody answers, or somebody that this can't be asked.
    pub(super) async fn find(&self, node: NodeId) -> Result<Option<Stream<Info>>, String> {
        match self.context.get_stream(self.names.stream(node)).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(None)
                }
                _ => Err(format!("the log does not answer: {}", causes(&error))),
            },
        }
    }

    /// Returns the nodes that have a stream.
    ///
    /// # Errors
    /// Fails if nobody answers, or somebody that this can't be asked.
    pub(super) async fn nodes(&self) -> Result<BTreeSet<NodeId>, String> {
        let mut found = BTreeSet::new();
        let mut names = self.context.stream_names();
        while let Some(name) = names.next().await {
            let name =
                name.map_err(|error| format!("the log does not tell its streams: {}", causes(&error)))?;
            found.extend(self.names.node_of_stream(&name));
        }
        Ok(found)
    }

    /// Returns the last message of a node's stream, as the leader of its servers has it.
    ///
    /// # Errors
    /// Fails if nobody answers.
    pub(super) async fn tail(&self, token: u64, node: NodeId) -> Result<LogEvent, String> {
        let Some(stream) = self.find(node).await? else {
            return Ok(LogEvent::Tail { token, first: 1, last: None });
        };
        let state = &stream.cached_info().state;
        if state.messages == 0 {
            return Ok(LogEvent::Tail { token, first: state.last_sequence + 1, last: None });
        }
        let last = match stream.get_raw_message(state.last_sequence).await {
            Err(error) if is_missing(&error.kind()) => {
                // Its number is given, though it is lost.
                stream.get_last_raw_message_by_subject(&self.names.messages(node)).await
            }
            last => last,
        };
        let message = last.map_err(|error| causes(&error))?;
        let last = Some((state.last_sequence, message.payload.to_vec()));
        Ok(LogEvent::Tail { token, first: state.first_sequence, last })
    }

    /// Returns the first message of a node's stream whose number is `number` or above.
    ///
    /// # Errors
    /// Fails if nobody answers.
    pub(super) async fn first_from(&self, token: u64, node: NodeId, number: u64) -> Result<LogEvent, String> {
        let stream =
            self.context.get_stream_no_info(self.names.stream(node)).await.map_err(|error| causes(&error))?;
        let next =
            stream.raw_message_builder().sequence(number.max(1)).next_by_subject(self.names.messages(node));
        let found = match next.send().await {
            Ok(message) => Some((message.sequence, message.payload.to_vec())),
            Err(error) if is_missing(&error.kind()) => None,
            Err(error) => return Err(causes(&error)),
        };
        Ok(LogEvent::Found { token, message: found })
    }
}

/// Returns whether there is no such message, or no stream.
fn is_missing(kind: &RawMessageErrorKind) -> bool {
    match kind {
        RawMessageErrorKind::NoMessageFound => true,
        RawMessageErrorKind::JetStream(error) => {
            [ErrorCode::NO_MESSAGE_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&error.error_code())
        }
        _ => false,
    }
}
