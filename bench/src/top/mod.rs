//! `pixeld top`: what hosts do, live, on one screen of a terminal.
//!
//! Each host is asked for its `/metrics` by a thread of its own ([`hosts`]), so that one that does not answer holds up nobody.
//! Two answers give [`figures`]; [`columns`] draws them side by side, [`text`] prints them once.

pub mod columns;
pub mod figures;
pub mod hosts;
pub mod text;

use crate::client::target::Target;
use crate::screen::keys::{Keys, Pressed};
use hosts::{Host, News};
use ratatui::DefaultTerminal;
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

/// Shows these hosts until q or Ctrl-C is pressed, the terminal has gone, or `stop` is set. The terminal is given back in any case, also by a
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
    let keys = Keys::open()?;
    let (mut is_new, mut shown) = (true, terminal.size()?);
    while !stop.load(Ordering::SeqCst) {
        for News { host, page, at } in news.try_iter() {
            hosts[host].take(page, at);
            is_new = true;
        }
        let size = terminal.size()?;
        is_new |= std::mem::replace(&mut shown, size) != size;
        if std::mem::take(&mut is_new) {
            terminal.draw(|frame| columns::draw(frame, hosts))?;
        }
        match keys.next(LOOK) {
            Pressed::End | Pressed::Gone => return Ok(()),
            Pressed::Nothing => {}
        }
    }
    Ok(())
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
