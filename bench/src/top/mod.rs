//! `pixeld top`: what hosts do, live, on one screen of a terminal.
//!
//! Each host is asked for its `/metrics` by a thread of its own ([`hosts`]), so that one that does not answer holds up nobody.
//! Two answers give [`figures`]; [`columns`] draws them side by side, [`text`] prints them once.

pub mod columns;
pub mod figures;
pub mod hosts;
pub mod text;

use crate::client::target::Target;
use hosts::{Host, News};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Most hosts on one screen.
pub const HOSTS_MAX: usize = 4;
/// Shortest pause between two questions to a host.
pub const EVERY_MIN: Duration = Duration::from_millis(100);
/// How long the loop waits for a key before it looks for news.
const LOOK: Duration = Duration::from_millis(50);

/// Shows these hosts until q, Escape or Ctrl-C is pressed, or `stop` is set. The terminal is given back in any case, also by a
/// thread that panics.
///
/// # Errors
/// Returns the terminal's error.
pub fn show(targets: &[Target], every: Duration, stop: &AtomicBool) -> io::Result<()> {
    let mut hosts: Vec<Host> = targets.iter().map(|target| Host::new(&target.host)).collect();
    let news = hosts::watch(targets, every);
    let mut terminal = ratatui::try_init()?;
    let outcome = turns(&mut terminal, &mut hosts, &news, stop);
    ratatui::restore();
    outcome
}

fn turns(
    terminal: &mut DefaultTerminal,
    hosts: &mut [Host],
    news: &Receiver<News>,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut is_new = true;
    while !stop.load(Ordering::SeqCst) {
        for News { host, page, at } in news.try_iter() {
            hosts[host].take(page, at);
            is_new = true;
        }
        if std::mem::take(&mut is_new) {
            terminal.draw(|frame| columns::draw(frame, hosts))?;
        }
        if event::poll(LOOK)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Release => {}
                Event::Key(key) if ends(key.code, key.modifiers) => return Ok(()),
                // A terminal whose size changed is drawn anew.
                _ => is_new = true,
            }
        }
    }
    Ok(())
}

/// Returns whether a key ends the program: raw mode leaves Ctrl-C to it.
fn ends(code: KeyCode, modifiers: KeyModifiers) -> bool {
    match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Returns a snapshot of these hosts as text, made of two answers that lie `every` apart, and whether all of them answered.
#[must_use]
pub fn once(targets: &[Target], every: Duration) -> (String, bool) {
    let mut hosts: Vec<Host> = targets.iter().map(|target| Host::new(&target.host)).collect();
    let news = hosts::watch(targets, every);
    while hosts.iter().any(|host| !host.is_settled()) {
        let Ok(News { host, page, at }) = news.recv() else { break };
        if !hosts[host].is_settled() {
            hosts[host].take(page, at);
        }
    }
    let has_all = hosts.iter().all(|host| host.figures().is_ok());
    (text::snapshot(&hosts), has_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_keys_end_it() {
        assert!(ends(KeyCode::Char('q'), KeyModifiers::NONE) && ends(KeyCode::Esc, KeyModifiers::NONE));
        assert!(ends(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!ends(KeyCode::Char('c'), KeyModifiers::NONE) && !ends(KeyCode::Enter, KeyModifiers::NONE));
    }
}
