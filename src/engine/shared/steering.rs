//! Whether new connections are steered to the worker on the CPU that received them.
//!
//! That helps where queue i, its interrupt and worker i share CPU i, and harms everywhere else: over loopback, or with
//! fewer queues than workers, it piles connections up on a few workers. So it is done in the exact topology only.

use std::net::SocketAddr;
use std::path::Path;

use crate::os::topology::{self, Card};

/// What the operator asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Steer {
    /// Steer where the topology is exact.
    #[default]
    Auto,
    /// Never.
    Off,
    /// The same as `Auto`, but it is a warning when the topology is not exact.
    Cbpf,
}

impl Steer {
    /// The values of `steer`.
    pub const NAMES: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("off", Self::Off), ("cbpf", Self::Cbpf)];
}

/// Returns why connections to `address` can't be steered to workers on `cores`; nothing when they can. `root` is where /proc and
/// /sys are found.
#[must_use]
pub fn obstacle(root: &Path, address: SocketAddr, workers: usize, cores: &[usize]) -> Option<String> {
    if address.ip().is_loopback() {
        return Some("the listener is on loopback, which has no queues".to_owned());
    }
    if cores.len() < workers {
        return Some("the workers are not pinned to a core each".to_owned());
    }
    // The program computes CPU modulo workers, so worker i has to be on such a CPU.
    if let Some(place) = (0..workers).find(|&place| cores[place] % workers != place) {
        return Some(format!(
            "worker {place} is on CPU {}, not on one that is {place} modulo {workers}",
            cores[place]
        ));
    }
    match topology::card_of(root, address.ip()) {
        None => Some("it is not clear which network card serves the listener".to_owned()),
        Some(name) => mismatch(&topology::card(root, &name), workers, cores),
    }
}

fn mismatch(card: &Card, workers: usize, cores: &[usize]) -> Option<String> {
    let name = &card.name;
    if card.queues != workers {
        return Some(format!("{name} has {} receive queues for {workers} workers", card.queues));
    }
    if card.has_rps {
        return Some(format!("{name} hands packets on to other CPUs in software (RPS)"));
    }
    if card.interrupts.len() != workers {
        return Some(format!(
            "{} interrupts of {name}'s queues are visible for {workers} workers",
            card.interrupts.len()
        ));
    }
    let astray = card.interrupts.iter().zip(cores).find(|((_, on), core)| on.as_slice() != [**core]);
    astray.map(|((number, on), core)| {
        format!("interrupt {number} of {name} may run on CPUs {on:?}, not on {core} alone")
    })
}
