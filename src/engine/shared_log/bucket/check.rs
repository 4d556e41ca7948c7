//! Whether the bucket compares before it puts, on which the order of messages rests: an object is made twice.

use std::time::{Duration, Instant};

use super::names::Names;
use super::objects::{Objects, Trouble};
use crate::base::ids::NodeId;

/// Words of stores that don't know the condition.
const UNKNOWN: [&str; 2] = ["NotImplemented", "501"];

/// Makes an object twice and removes it; gives how long the first time took.
///
/// # Errors
/// Fails if the second one is not refused, or the bucket does not let this host do what it has to.
pub(super) async fn check(
    objects: &Objects,
    names: &Names,
    (node, random): (NodeId, u64),
    place: &str,
) -> Result<Duration, Trouble> {
    let name = names.check(node, random);
    let begun = Instant::now();
    let made = objects.create(&name, b"first".to_vec()).await;
    let time = begun.elapsed();
    made.map_err(|trouble| match trouble {
        Trouble::Away(why) if UNKNOWN.iter().any(|word| why.contains(word)) => lax(place),
        trouble => trouble,
    })?;
    let again = objects.create(&name, b"second".to_vec()).await;
    // One that stays costs its place and nothing else.
    let removed = objects.remove(&name).await;
    match again {
        Err(Trouble::Taken) => removed.map(|()| time),
        Err(trouble) => Err(trouble),
        Ok(()) => Err(lax(place)),
    }
}

fn lax(place: &str) -> Trouble {
    Trouble::Unfit(format!(
        "{place} does not compare before it puts (`If-None-Match: *` is not heeded), so two processes could write one message: it \
         can't have a log; docs/cluster.md names stores that can"
    ))
}
