//! The hosts that are watched: a thread asks each of them, and what it answers becomes figures with their recent past.

use super::figures::Figures;
use crate::client::fetch;
use crate::client::target::Target;
use crate::driver::stages::Exposition;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a host may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Figures kept for the plots.
pub const KEPT: usize = 240;

/// What a host said, or why it said nothing.
pub struct News {
    /// Place of the host among those that are watched.
    pub host: usize,
    /// Its page, or a sentence.
    pub page: Result<Exposition, String>,
    /// When the answer was there.
    pub at: Instant,
}

/// One host as it is known.
pub struct Host {
    /// Name or address and port.
    pub name: String,
    before: Option<(Exposition, Instant)>,
    figures: Result<Figures, String>,
    /// Requests per second, the oldest first; nothing for a time without an answer.
    pub requests: VecDeque<Option<u64>>,
    /// Records per second, likewise.
    pub records: VecDeque<Option<u64>>,
}

impl Host {
    /// Returns a host of which nothing is known yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            before: None,
            figures: Err(String::new()),
            requests: VecDeque::new(),
            records: VecDeque::new(),
        }
    }

    /// Returns its latest figures.
    ///
    /// # Errors
    /// Returns a sentence where it gave no answer; an empty one before there were two answers.
    pub fn figures(&self) -> Result<&Figures, &str> {
        self.figures.as_ref().map_err(String::as_str)
    }

    /// Returns whether there are figures, or a reason why not.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(&self.figures, Err(why) if why.is_empty())
    }

    /// Takes an answer that was there at this time, or why there was none.
    pub fn take(&mut self, page: Result<Exposition, String>, at: Instant) {
        match page {
            Ok(now) => {
                if let Some((before, since)) = &self.before {
                    let seconds = at.duration_since(*since).as_secs_f64();
                    self.figures = Ok(Figures::between(before, &now, seconds, wall_s()));
                }
                self.before = Some((now, at));
            }
            Err(why) => {
                self.before = None;
                self.figures = Err(why);
            }
        }
        let rate = |of: fn(&Figures) -> Option<f64>| {
            self.figures.as_ref().ok().and_then(of).map(|rate| rate.round() as u64)
        };
        let (requests, records) = (rate(|figures| figures.requests), rate(|figures| figures.records));
        for (kept, value) in [(&mut self.requests, requests), (&mut self.records, records)] {
            kept.push_back(value);
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
    }
}

fn wall_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Asks each target again and again, with `every` between the beginnings of two questions, until nobody takes the answers.
#[must_use]
pub fn watch(targets: &[Target], every: Duration) -> Receiver<News> {
    let (sender, receiver) = channel();
    for (host, target) in targets.iter().enumerate() {
        let (target, sender) = (target.at("/metrics"), sender.clone());
        thread::spawn(move || ask(host, &target, every, &sender));
    }
    receiver
}

fn ask(host: usize, target: &Target, every: Duration, sender: &Sender<News>) {
    loop {
        let begun = Instant::now();
        let page = page(target);
        if sender.send(News { host, page, at: Instant::now() }).is_err() {
            return;
        }
        thread::sleep(every.saturating_sub(begun.elapsed()));
    }
}

fn page(target: &Target) -> Result<Exposition, String> {
    let answer = fetch::get(target, PATIENCE).map_err(|error| format!("no answer: {error}"))?;
    if matches!(answer.status, 401 | 403) {
        let status = answer.status;
        return Err(format!(
            "{} answers {status}; a token with the scope admin is needed: --token-file",
            target.url
        ));
    }
    if answer.status != 200 {
        return Err(format!(
            "{} answers {}; is it a pixeld, or are its metrics at its --admin-listen?",
            target.url, answer.status
        ));
    }
    Exposition::parse(&String::from_utf8_lossy(&answer.body))
        .ok_or_else(|| format!("{} has no metrics; is it a pixeld?", target.url))
}

#[cfg(test)]
mod tests {
    use super::super::figures::example::{BEFORE, NOW};
    use super::*;

    #[test]
    fn two_answers_make_figures_and_a_missing_one_begins_anew() {
        let page = |text| Ok(Exposition::parse(text).expect("a page"));
        let mut host = Host::new("a:1");
        let begun = Instant::now();
        host.take(page(BEFORE), begun);
        assert!(!host.is_settled() && host.figures().is_err());
        host.take(page(NOW), begun + Duration::from_secs(10));
        assert_eq!(host.figures().expect("figures").requests, Some(2002.0));
        host.take(Err("no answer: refused".to_owned()), begun + Duration::from_secs(11));
        assert_eq!((host.figures().err(), host.is_settled()), (Some("no answer: refused"), true));
        host.take(page(NOW), begun + Duration::from_secs(12));
        assert_eq!(host.requests, [None, Some(2002), None, None]);
        for _ in 0..2 * KEPT {
            host.take(page(NOW), begun + Duration::from_secs(13));
        }
        assert_eq!(host.records.len(), KEPT);
    }
}
