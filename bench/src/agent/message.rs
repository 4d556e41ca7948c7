//! What a master and an agent say to each other: a line of JSON each, told apart by `say`.

use crate::agent::figures::{FinishedText, TallyText};
use crate::agent::order::OrderText;
use crate::agent::shown::plain;
use serde::{Deserialize, Serialize};

/// Version of the messages. Both sides need the same, and the same version of the program: figures of two generators that
/// differ are no figures of one.
pub const PROTOCOL: u32 = 1;
/// Version of the program.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// Who speaks. This part of the greetings stays as it is in later versions, so that each can name the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Version of the messages.
    pub protocol: u32,
    /// Version of the program.
    pub pixeld: String,
}

impl Version {
    /// Returns this program's.
    #[must_use]
    pub fn own() -> Self {
        Self { protocol: PROTOCOL, pixeld: PROGRAM.to_string() }
    }

    /// Shows it for people.
    #[must_use]
    pub fn show(&self) -> String {
        format!("pixeld {} (protocol {})", plain(&self.pixeld), self.protocol)
    }
}

/// A line from a master to an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToAgent {
    /// The greeting.
    Hello {
        /// Who speaks.
        #[serde(flatten)]
        version: Version,
        /// That it has the token; without a token nothing.
        proof: Option<String>,
    },
    /// Orders a run: the agent connects and answers `Ready`.
    Order(Box<OrderText>),
    /// To be answered at once with the same number.
    Ping {
        /// Which one.
        number: u64,
    },
    /// Start the clock.
    Go {
        /// Time from the arrival of this to the start, nanoseconds.
        in_ns: u64,
    },
    /// End the load at once and send what was counted.
    Stop,
    /// Still here.
    Alive,
}

/// A line from an agent to its master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToMaster {
    /// The greeting.
    Hello {
        /// Who speaks.
        #[serde(flatten)]
        version: Version,
        /// That it has the token.
        proof: Option<String>,
        /// Name of its host.
        host: String,
        /// Threads that it would take: half of its CPUs.
        threads: usize,
    },
    /// The master is not taken; the connection ends.
    Refused {
        /// Who speaks.
        #[serde(flatten)]
        version: Version,
        /// Why.
        why: Refusal,
        /// The same in a sentence.
        text: String,
    },
    /// The connections of the order are made, the clock can be started.
    Ready {
        /// Time of a TCP handshake with the target, nanoseconds; 0 if not measured.
        round_trip_ns: u64,
        /// True if the target runs on the agent's host.
        is_local: bool,
    },
    /// The order can't be carried out.
    Failed {
        /// Why.
        text: String,
    },
    /// Answer to a ping.
    Pong {
        /// Which one.
        number: u64,
    },
    /// Figures of an interval, over all threads.
    Interval {
        /// Which one, from 0.
        index: u64,
        /// What was counted in it.
        #[serde(flatten)]
        tally: Box<TallyText>,
    },
    /// The next acknowledged numbers of a thread.
    Acknowledged {
        /// Which thread.
        thread: usize,
        /// Words of 64 bits, the lowest number in the lowest bit, little endian, base64.
        words: String,
    },
    /// A thread has ended.
    Thread(Box<FinishedText>),
    /// All threads have ended and nothing of this order follows.
    Done {
        /// What its host did within the measured part.
        host: HostText,
    },
    /// Still here.
    Alive,
    /// The agent ends.
    Leaving,
}

/// Why a master is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It speaks another version.
    Version,
    /// It has another token or none, or a token where the agent has none.
    Token,
    /// Another master directs the agent.
    Busy,
}

/// Shares of an agent's host within the measured part, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostText {
    /// Time without work.
    pub idle: f64,
    /// Time in soft interrupts.
    pub softirq: f64,
    /// Time that a hypervisor gave to others.
    pub stolen: f64,
    /// Segments sent again.
    pub retransmits: f64,
}

/// Writes a message as a line.
#[must_use]
pub fn line(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages have text keys and finite numbers")
}

/// Reads a line as a message.
///
/// # Errors
/// Returns a sentence for what is none.
pub fn read<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| format!("it said what is no message ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn greetings_keep_their_form() {
        let hello = ToAgent::Hello { version: Version { protocol: 7, pixeld: "9.9".into() }, proof: None };
        let text = r#"{"say":"hello","protocol":7,"pixeld":"9.9","proof":null}"#;
        assert_eq!(line(&hello), text);
        let later = r#"{"say":"hello","protocol":7,"pixeld":"9.9","proof":null,"more":[1]}"#;
        assert_eq!(read::<ToAgent>(later.as_bytes()), Ok(hello), "a later version may say more");
        let refused = r#"{"say":"refused","protocol":1,"pixeld":"0.1.0","why":"busy","text":"x"}"#;
        let read = read::<ToMaster>(refused.as_bytes()).unwrap();
        assert!(matches!(read, ToMaster::Refused { why: Refusal::Busy, .. }), "{read:?}");
    }

    /// Adds the names of all fields of a value, and of what is in it.
    fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| {
                found.insert(name.clone());
                fields(value, found);
            }),
            serde_json::Value::Array(all) => all.iter().for_each(|value| fields(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_message_and_field_is_described() {
        let text = include_str!("../../../docs/bench-agents.md");
        let version = Version::own;
        let to_agent = [
            ToAgent::Hello { version: version(), proof: None },
            ToAgent::Order(Box::new(OrderText::sample())),
            ToAgent::Ping { number: 0 },
            ToAgent::Go { in_ns: 0 },
            ToAgent::Stop,
            ToAgent::Alive,
        ];
        let words = String::new;
        let to_master = [
            ToMaster::Hello { version: version(), proof: None, host: words(), threads: 1 },
            ToMaster::Refused { version: version(), why: Refusal::Busy, text: words() },
            ToMaster::Ready { round_trip_ns: 0, is_local: true },
            ToMaster::Failed { text: words() },
            ToMaster::Pong { number: 0 },
            ToMaster::Interval { index: 0, tally: Box::default() },
            ToMaster::Acknowledged { thread: 0, words: words() },
            ToMaster::Thread(Box::new(FinishedText::sample())),
            ToMaster::Done { host: HostText::default() },
            ToMaster::Alive,
            ToMaster::Leaving,
        ];
        let lines: Vec<String> = to_agent.iter().map(line).chain(to_master.iter().map(line)).collect();
        for line in lines {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let mut names = BTreeSet::from([value["say"].as_str().unwrap().to_string()]);
            fields(&value, &mut names);
            for name in names {
                let is_named = text.contains(&format!("`{name}`")) || text.contains(&format!("\"{name}\""));
                assert!(is_named, "docs/bench-agents.md does not name `{name}` of {line}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (read::<ToAgent>(&bytes), read::<ToMaster>(&bytes));
        }

        #[test]
        fn any_line_that_looks_like_one_is_a_message_or_refused(
            word in "hello|order|ping|go|stop|alive|ready|interval|acknowledged|thread|done",
            rest in "(,\"[a-z_]{1,12}\":(null|true|-?[0-9]{1,22}|\"[A-Za-z0-9+/=]{0,40}\"|\\[\\]|\\{\\})){0,12}",
        ) {
            let line = format!("{{\"say\":\"{word}\"{rest}}}");
            let _ = (read::<ToAgent>(line.as_bytes()), read::<ToMaster>(line.as_bytes()));
        }
    }
}
