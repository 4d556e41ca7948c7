//! What hosts say to each other by way of the log's servers and nobody keeps: beats, questions and answers.

use std::collections::VecDeque;

use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use futures_util::stream::{Select, select};

use super::names::Names;
use super::servers::causes;
use crate::base::ids::NodeId;
use crate::base::limits::SHARED_LOG_QUESTIONS_MAX;
use crate::peer::relay::port::LogEvent;

/// Whom this host talks to, and who waits for its answer.
pub(super) struct Talking {
    client: Client,
    names: Names,
    own: NodeId,
    /// What the subjects of answers begin with.
    inbox: String,
    /// Where answers to others' questions go, the oldest first.
    asked: VecDeque<(u64, Subject)>,
    next_token: u64,
}

/// What comes in.
pub(super) struct Heard {
    pub(super) beats: Subscriber,
    pub(super) questions: Select<Subscriber, Subscriber>,
    pub(super) answers: Subscriber,
}

impl Talking {
    /// Listens to the other hosts.
    ///
    /// # Errors
    /// Fails with a connection that has ended.
    pub(super) async fn begin(client: &Client, names: &Names, own: NodeId) -> Result<(Self, Heard), String> {
        let inbox = client.new_inbox();
        let (any, group) = names.question_to_any();
        let failed = |error| causes(&error);
        let heard = Heard {
            beats: client.subscribe(names.beats()).await.map_err(failed)?,
            questions: select(
                client.subscribe(names.question_to(own)).await.map_err(failed)?,
                client.queue_subscribe(any, group).await.map_err(failed)?,
            ),
            answers: client.subscribe(format!("{inbox}.*")).await.map_err(failed)?,
        };
        let (client, names, asked) = (client.clone(), names.clone(), VecDeque::new());
        Ok((Self { client, names, own, inbox, asked, next_token: 0 }, heard))
    }

    /// Tells all others something.
    pub(super) async fn say(&self, bytes: Vec<u8>) {
        // Nobody may hear it either way; the next one comes soon.
        let _ = self.client.publish(self.names.beat(self.own), bytes.into()).await;
    }

    /// Asks one host, or whichever answers first.
    pub(super) async fn ask(&self, token: u64, to: Option<NodeId>, question: Vec<u8>) {
        let subject = to.map_or_else(|| self.names.question_to_any().0, |node| self.names.question_to(node));
        let reply = format!("{}.{token}", self.inbox);
        // What is not sent is not answered.
        let _ = self.client.publish_with_reply(subject, reply, question.into()).await;
    }

    /// Answers a question.
    pub(super) async fn answer(&mut self, token: u64, answer: Vec<u8>) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == token) else { return };
        if let Some((_, reply)) = self.asked.remove(at) {
            let _ = self.client.publish(reply, answer.into()).await;
        }
    }

    /// Reads what a host tells all others.
    pub(super) fn said(&self, message: Message) -> Option<LogEvent> {
        let node = self.names.node_of_beat(&message.subject)?;
        (node != self.own).then(|| LogEvent::Said { node, bytes: message.payload.to_vec() })
    }

    /// Reads a question of another host, and notes where its answer goes. Of too many the oldest are not answered.
    pub(super) fn asked(&mut self, message: Message) -> Option<LogEvent> {
        let reply = message.reply?;
        let token = self.next_token;
        self.next_token += 1;
        if self.asked.len() >= SHARED_LOG_QUESTIONS_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back((token, reply));
        Some(LogEvent::Asked { token, question: message.payload.to_vec() })
    }

    /// Reads an answer to a question of this host; that nobody is there to answer is none.
    pub(super) fn answered(&self, message: Message) -> Option<LogEvent> {
        let token = message.subject.strip_prefix(self.inbox.as_str())?.strip_prefix('.')?.parse().ok()?;
        let is_answer = message.status != Some(StatusCode::NO_RESPONDERS);
        is_answer.then(|| LogEvent::Answered { token, answer: message.payload.to_vec() })
    }
}
