//! What the relay calls for.

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Followed, Session};
use crate::base::ids::NodeId;
use crate::peer::relay::port::{LogCall, LogEvent};

use super::super::done::Done;
use super::super::following::Following;
use super::super::objects::Trouble;
use super::super::pictures::Piece;
use super::super::register;
use super::super::streams::Streams;

impl Session {
    /// Does what the relay calls for, or begins to.
    pub(super) async fn call(&mut self, call: LogCall) {
        match call {
            LogCall::Append { token, after, message, .. } => {
                let refused = self.appending.append(token, after, message);
                self.tell(refused).await;
                self.append();
            }
            LogCall::Tail { token, node } => self.ask_end(token, node),
            LogCall::Find { token, node, number } => {
                let streams = self.streams.clone();
                self.ask(async move { streams.first_from(token, node, number).await });
            }
            LogCall::Follow { token, node, after } => self.follow(token, node, after),
            LogCall::Unfollow { node } => {
                let before = self.followed.remove(&node);
                before.iter().for_each(|before| before.task.abort());
            }
            LogCall::Taken { token, bytes } => {
                let followed = self.followed.values().find(|followed| followed.token == token);
                let taken = followed.iter().map(|followed| &followed.taken);
                taken.for_each(|taken| taken.send_modify(|taken| *taken += bytes as u64));
            }
            LogCall::Put { id, total, offset, bytes } => {
                // The task that takes them ends with the session.
                let _ = self.pieces.send(Piece { id, total, offset, bytes });
            }
            LogCall::Get { id, offset } => {
                let giving = self.giving.clone();
                self.ask(async move { giving.piece(id, offset).await });
            }
            LogCall::Enter { token, name, value } => {
                let Streams { objects, names, .. } = self.streams.clone();
                self.ask(async move { register::enter(objects, names, (token, name), value).await });
            }
            LogCall::Say { bytes } => self.talking.say(bytes),
            LogCall::Ask { token, to, question } => {
                let (answered, asked) = self.talking.ask(token, to, question, Instant::now());
                self.tell(answered).await;
                if let Some(number) = asked {
                    let answer = self.talking.look_for_answer(number);
                    self.tasks.spawn(async move { Done::Answered(number, answer.await) });
                }
            }
            LogCall::Answer { token, answer } => {
                if let Some(answering) = self.talking.answer(token, answer) {
                    self.tasks.spawn(async move { Done::Tended(answering.await) });
                }
            }
            LogCall::Reconnect => {}
        }
    }

    /// Tells the relay something.
    pub(super) async fn tell(&self, event: Option<LogEvent>) {
        if let Some(event) = event {
            // A relay that is gone is noticed by the calls that it does not make.
            let _ = self.events.send(event).await;
        }
    }

    /// Makes the next object of this host's stream, if one is due.
    pub(super) fn append(&mut self) {
        let Some((number, content)) = self.appending.next() else { return };
        let (streams, node) = (self.streams.clone(), self.node);
        self.tasks.spawn(async move {
            let bytes = content.len() as u64;
            let name = streams.names.message(node, number);
            Done::Appended(bytes, streams.objects.create(&name, content).await)
        });
    }

    /// Asks the bucket something; what is not answered is asked again by the relay.
    fn ask(&mut self, answer: impl Future<Output = Result<LogEvent, Trouble>> + Send + 'static) {
        self.tasks.spawn(async move {
            answer.await.map_or_else(|trouble| Done::Tended(Err(trouble)), Done::Event)
        });
    }

    fn ask_end(&mut self, token: u64, node: NodeId) {
        let (streams, is_own) = (self.streams.clone(), node == self.node);
        self.tasks.spawn(async move {
            match streams.tail(token, node).await {
                Ok(event) if is_own => Done::Ended(event),
                Ok(event) => Done::Event(event),
                Err(trouble) => Done::Tended(Err(trouble)),
            }
        });
    }

    /// Follows a node's stream, and no longer from where it was followed before.
    fn follow(&mut self, token: u64, node: NodeId, after: u64) {
        let (taken, receiver) = watch::channel(0);
        let following =
            Following::new(self.streams.clone(), node, (token, after), self.events.clone(), receiver);
        let task = self.tasks.spawn(async move {
            following.run().await;
            Done::Nothing
        });
        if let Some(before) = self.followed.insert(node, Followed { token, taken, task }) {
            before.task.abort();
        }
    }
}
