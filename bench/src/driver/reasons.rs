//! Why requests and connections failed: each reason in full the first time, then counted.

use crate::client::spoken::protocol;
use crate::driver::tally::Failure;
use std::io;

/// Different reasons of one kind that are told apart.
const REASONS_MAX: usize = 8;
/// Bytes of an answer that is no HTTP that are shown.
const EXCERPT_BYTES: usize = 48;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The kind that it is counted as.
    pub kind: Failure,
    /// The reason for people, with what to do where that is known.
    pub text: String,
    /// How often.
    pub count: u64,
    /// Whether this host is at fault and not the target: it has no port, descriptor or memory left.
    pub is_local: bool,
}

impl Reason {
    /// Makes a reason of what the system said.
    #[must_use]
    pub fn of_system(kind: Failure, error: &io::Error) -> Self {
        let (advice, is_local) = match error.raw_os_error() {
            Some(99) => {
                ("; all local ports are taken: reuse connections, or measure from more addresses", true)
            }
            Some(23 | 24) => ("; raise the limit of open files with `ulimit -n 65536`", true),
            Some(12 | 105) => ("; this host has no memory left for sockets", true),
            Some(101 | 113) => ("; check the route and the firewall", false),
            _ => ("", false),
        };
        Self { kind, text: format!("{error}{advice}"), count: 1, is_local }
    }

    /// Makes a reason of a sentence about the target.
    #[must_use]
    pub fn of_target(kind: Failure, text: String) -> Self {
        Self { kind, text, count: 1, is_local: false }
    }

    /// Makes the reason of an answer that can't be read, with its first bytes.
    #[must_use]
    pub fn of_garbage(what: &impl ToString, bytes: &[u8]) -> Self {
        let shown = bytes[..bytes.len().min(EXCERPT_BYTES)].escape_ascii();
        let advice = protocol(bytes).map_or(String::new(), |advice| format!("; {advice}"));
        Self::of_target(Failure::Garbage, format!("{}: \"{shown}\"{advice}", what.to_string()))
    }

    /// Adds `more` to `known`, the same reasons added up, the most frequent of each kind first.
    pub fn merge(known: &mut Vec<Self>, more: &[Self]) {
        for reason in more {
            reason.clone().enter(known);
        }
        known.sort_by(|a, b| (a.kind as usize).cmp(&(b.kind as usize)).then(b.count.cmp(&a.count)));
    }

    /// Counts it in `known`.
    pub fn enter(self, known: &mut Vec<Self>) {
        let of_kind = known.iter().filter(|reason| reason.kind == self.kind).count();
        match known.iter_mut().find(|reason| reason.kind == self.kind && reason.text == self.text) {
            Some(same) => same.count += self.count,
            None if of_kind < REASONS_MAX => known.push(self),
            None if of_kind == REASONS_MAX => known.push(Self { text: "other reasons".into(), ..self }),
            None => {
                if let Some(others) = known.iter_mut().rfind(|reason| reason.kind == self.kind) {
                    others.count += self.count;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_add_up_and_their_number_is_bounded() {
        let mut known = Vec::new();
        let refused = || Reason::of_system(Failure::Connect, &io::Error::from_raw_os_error(111));
        (0..3).for_each(|_| refused().enter(&mut known));
        for number in 0..20 {
            Reason::of_target(Failure::Garbage, number.to_string()).enter(&mut known);
        }
        assert_eq!((known.len(), known[0].count), (10, 3));
        assert_eq!((known[9].text.as_str(), known[9].count), ("other reasons", 12));
        let mut all = vec![refused()];
        Reason::merge(&mut all, &known);
        assert_eq!((all[0].count, all.iter().map(|reason| reason.count).sum::<u64>()), (4, 24));
    }

    #[test]
    fn this_host_s_faults_are_told_from_the_target_s() {
        for (errno, is_local, said) in [
            (99, true, "local ports"),
            (24, true, "ulimit -n"),
            (105, true, "memory"),
            (101, false, "route"),
            (111, false, "refused"),
            (110, false, "timed out"),
        ] {
            let reason = Reason::of_system(Failure::Connect, &io::Error::from_raw_os_error(errno));
            assert!(reason.is_local == is_local && reason.text.contains(said), "{reason:?}");
        }
        let garbage = Reason::of_garbage(&"no HTTP", b"SSH-2.0-x\r\n");
        assert_eq!(garbage.text, r#"no HTTP: "SSH-2.0-x\r\n"; it speaks SSH: this is another port"#);
    }
}
