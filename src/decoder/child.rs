//! The decoder's own side: takes orders from standard input, one after the other, until that ends.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::frame::{Flaw, ORDER_BYTES, OrderHead, OutcomeHead};
use crate::apps::pictures::limits::{DECODER_KEPT_BYTES, THUMBNAIL_BYTES_MAX};
use crate::apps::pictures::thumbnail::{Fault, thumbnail};
use crate::os::cage;
use crate::os::confinement::{Confinement, ResidentMemory};
use crate::os::signal::exit_now;
use crate::os::thread::{self, Turn};

/// Runs as a decoder with `memory_bytes` of memory, which runs as `turn` says. Ends the process when standard input ends, whatever
/// it is at then.
///
/// # Errors
/// Fails when it can't be confined, or its pipes fail.
pub fn run(memory_bytes: u64, turn: Turn) -> io::Result<()> {
    Confinement { name: c"decoder", memory_bytes, turn }.apply()?;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let memory = ResidentMemory::open()?;
    // A kernel without Landlock still filters the calls that open files.
    cage::take_files_away()?;
    let (sender, orders) = channel();
    let started = Arc::new(Barrier::new(2));
    let has_started = Arc::clone(&started);
    // Beside the thread that decodes, so that the end of the host is noticed while a picture is decoded.
    thread::spawn("orders", move || {
        has_started.wait();
        exit_now(i32::from(take_orders(input, &sender).is_err()))
    })?;
    // What a thread does as it starts is not in the filter, so that one has to be through with it.
    started.wait();
    cage::filter_calls()?;
    for (head, picture) in orders {
        let result = work(&head, &picture);
        drop(picture);
        // Memory that the allocator would keep goes back with the process.
        let is_last = memory.is_above(DECODER_KEPT_BYTES);
        let length = result.as_ref().map_or(0, Vec::len) as u32;
        let result = result.map_err(|fault| (Flaw::of(&fault), fault));
        let head =
            OutcomeHead { result: result.as_ref().map(|_| length).map_err(|(flaw, _)| *flaw), is_last };
        out.write_all(&head.to_bytes())?;
        out.write_all(&result.unwrap_or_default())?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Passes orders on until there are no more.
fn take_orders(mut input: File, sender: &Sender<(OrderHead, Vec<u8>)>) -> io::Result<()> {
    let mut head = [0; ORDER_BYTES];
    loop {
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let head = OrderHead::read(&head).ok_or(io::ErrorKind::InvalidData)?;
        let mut picture = vec![0; head.picture_bytes as usize];
        input.read_exact(&mut picture)?;
        if sender.send((head, picture)).is_err() {
            // The other thread is about to end the process.
            return Ok(());
        }
    }
}

fn work(head: &OrderHead, picture: &[u8]) -> Result<Vec<u8>, Fault> {
    #[cfg(debug_assertions)]
    misbehave(picture);
    // Time that others had the CPU for does not count.
    let until = thread::cpu_time() + Duration::from_millis(u64::from(head.patience_ms));
    let thumbnail = thumbnail(picture, &head.order, &|| thread::cpu_time() >= until)?;
    if thumbnail.len() > THUMBNAIL_BYTES_MAX { Err(Fault::Corrupted) } else { Ok(thumbnail) }
}

/// Pictures with which tests provoke what no decoder should do. Not in a release build.
#[cfg(debug_assertions)]
fn misbehave(picture: &[u8]) {
    match picture {
        b"PIXELD-TEST panic" => panic!("a test asked for it"),
        b"PIXELD-TEST loop" => loop {
            std::hint::spin_loop();
        },
        b"PIXELD-TEST memory" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 16 << 20]);
            }
        }
        _ => {
            if let Some(what) = picture.strip_prefix(b"PIXELD-TEST ") {
                cage::attempt(what);
            }
        }
    }
}
