//! A decoder: the process that makes thumbnails of pictures from strangers.
//!
//! ```text
//! job thread: order, picture --pipe--> decoder: decode, scale, encode --pipe--> outcome, thumbnail
//! ```
//!
//! A decoder of pictures may crash, never end or eat memory, and only a process of its own can be stopped in each of
//! these cases without harm to others. It lives as long as it behaves and is started when the next picture comes.
//! It runs only while nobody else wants its core; where that comes to nothing, one takes its place that merely has the
//! least weight.
//! `docs/decisions/0012` tells what it costs.

pub(crate) mod child;
pub(crate) mod frame;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::apps::pictures::limits::{
    DECODER_GRACE_MS, DECODER_HUNGRY_MS, DECODER_MEMORY_BYTES, DECODER_PIECE_BYTES, DECODER_PIXEL_BYTES,
    DECODER_STARVING_MS, DECODER_STARVING_PARTS, DECODER_WALL_FACTOR, THUMBNAIL_BYTES_MAX,
};
use crate::apps::pictures::thumbnail::{Fault, Order};
use crate::apps::pictures::thumbnailer::{Bounds, Failure, Thumbnailer};
use crate::log::blobs::store::BlobReader;
use crate::os::subprocess::{Deadline, OWN_PROGRAM, Share, Subprocess};
use crate::os::thread::Turn;
use frame::{OUTCOME_BYTES, OrderHead, OutcomeHead};

/// The hidden subcommand that is a decoder.
pub const SUBCOMMAND: &str = "decode-pictures";
/// Its option for [`Turn::Least`].
pub const LEAST: &str = "least";

/// How long a decoder is looked on as it gets nothing.
const STARVING: Duration = Duration::from_millis(DECODER_STARVING_MS);
/// How long decoders are then started with [`Turn::Least`].
const HUNGRY: Duration = Duration::from_millis(DECODER_HUNGRY_MS);

/// What a decoder is given.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program; its own, but for tests.
    pub program: PathBuf,
    /// Memory that it may use, bytes, beside what a picture of more than `picture_bytes_max` needs.
    pub memory_bytes: u64,
    /// Bytes of a picture for which that is enough.
    pub picture_bytes_max: u64,
    /// CPU time after which it gives up a picture by itself.
    pub patience: Duration,
    /// CPU time after which it is killed, beyond that.
    pub grace: Duration,
    /// When it runs, unless it gets nothing then.
    pub turn: Turn,
}

impl Settings {
    /// Makes the bounds for pictures of at most `pixels_max` pixels and `picture_bytes_max` bytes that may take `patience`.
    #[must_use]
    pub fn new(pixels_max: u64, picture_bytes_max: u64, patience: Duration) -> Self {
        let pixels_bytes = pixels_max.saturating_mul(DECODER_PIXEL_BYTES);
        Self {
            program: OWN_PROGRAM.into(),
            memory_bytes: DECODER_MEMORY_BYTES
                .saturating_add(pixels_bytes)
                .saturating_add(picture_bytes_max.saturating_mul(2)),
            picture_bytes_max,
            patience,
            grace: Duration::from_millis(DECODER_GRACE_MS),
            turn: Turn::Idle,
        }
    }

    /// Returns the memory for a picture of this many bytes. One may be larger than the bound that was in force when the server
    /// started: the bound can be raised while it runs.
    fn memory_for(&self, picture_bytes: u64) -> u64 {
        let beyond = picture_bytes.saturating_sub(self.picture_bytes_max);
        self.memory_bytes.saturating_add(beyond.saturating_mul(2))
    }
}

/// One decoder, for one thread at a time. Nothing is started before the first picture comes.
pub struct Decoder {
    settings: Settings,
    process: Option<Subprocess>,
    /// Memory that the process was given, bytes.
    memory_bytes: u64,
    /// When it runs.
    turn: Turn,
    /// When it came out last that one got next to nothing of a busy machine.
    starved: Option<Instant>,
    started: u64,
}

/// Returns a decoder within these bounds; it is started when the first picture comes.
#[must_use]
pub fn thumbnailer(bounds: &Bounds) -> Box<dyn Thumbnailer> {
    let Bounds { pixels_max, picture_bytes_max, deadline } = *bounds;
    Box::new(Decoder::new(Settings::new(pixels_max, picture_bytes_max, deadline)))
}

/// What went wrong between the two processes.
enum Trouble {
    /// Its pipes are closed.
    Ended,
    /// The time is up.
    Late,
    /// It gets next to nothing of the CPU.
    Starved,
    /// What it says makes no sense.
    Nonsense,
    /// The picture can't be read.
    Source(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Late,
            io::ErrorKind::ResourceBusy => Self::Starved,
            _ => Self::Ended,
        }
    }
}

impl Decoder {
    /// Makes one that will be started when it is needed.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, process: None, memory_bytes: 0, turn: Turn::Idle, starved: None, started: 0 }
    }

    /// Returns the process that waits for the next picture, if there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Subprocess::id)
    }

    /// Returns how many processes were started.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Returns the process of the last picture if it still lives and has memory enough, or a new one.
    fn process(&mut self, picture_bytes: u64) -> io::Result<Subprocess> {
        let needed = self.settings.memory_for(picture_bytes);
        let is_hungry = self.starved.is_some_and(|since| since.elapsed() < HUNGRY);
        let turn = if is_hungry { Turn::Least } else { self.settings.turn };
        if let Some(mut process) = self.process.take()
            && self.memory_bytes >= needed
            && self.turn == turn
            && !process.has_ended()
        {
            return Ok(process);
        }
        let memory = needed.to_string();
        let least = format!("--{LEAST}");
        let arguments = [SUBCOMMAND, &memory, &least];
        let arguments = if turn == Turn::Least { &arguments[..] } else { &arguments[..2] };
        let process = Subprocess::start(&self.settings.program, "pixeld", arguments)?;
        (self.memory_bytes, self.turn) = (needed, turn);
        self.started += 1;
        Ok(process)
    }

    /// Sends the order and the picture, piece by piece, and takes the outcome.
    fn ask(
        &self,
        process: &Subprocess,
        picture: &dyn BlobReader,
        order: &Order,
        deadline: &Deadline,
    ) -> Result<(OutcomeHead, Vec<u8>), Trouble> {
        let too_large = |_| Trouble::Source(io::ErrorKind::FileTooLarge.into());
        let picture_bytes = u32::try_from(picture.size_bytes()).map_err(too_large)?;
        let patience_ms = u32::try_from(self.settings.patience.as_millis()).unwrap_or(u32::MAX);
        process.write(&OrderHead { order: *order, patience_ms, picture_bytes }.to_bytes(), deadline)?;
        let mut piece = vec![0; DECODER_PIECE_BYTES.min(picture_bytes as usize)];
        let mut sent = 0;
        while sent < picture_bytes as usize {
            let length = piece.len().min(picture_bytes as usize - sent);
            picture.read_at(&mut piece[..length], sent as u64).map_err(Trouble::Source)?;
            process.write(&piece[..length], deadline)?;
            sent += length;
        }
        let mut head = [0; OUTCOME_BYTES];
        process.read(&mut head, deadline)?;
        let head = OutcomeHead::read(&head).ok_or(Trouble::Nonsense)?;
        let length = head.result.unwrap_or(0) as usize;
        if length > THUMBNAIL_BYTES_MAX {
            return Err(Trouble::Nonsense);
        }
        let mut thumbnail = vec![0; length];
        process.read(&mut thumbnail, deadline)?;
        Ok((head, thumbnail))
    }

    /// Returns the deadline of a picture, which comes sooner for a process that gives way to all others and gets no CPU time.
    fn deadline(&self, process: &Subprocess) -> Deadline {
        let cpu = self.settings.patience + self.settings.grace;
        let wall = cpu.saturating_mul(DECODER_WALL_FACTOR);
        match self.turn {
            Turn::Idle => process.within_if_fed(
                cpu,
                wall,
                Share { cpu: STARVING / DECODER_STARVING_PARTS, of: STARVING },
            ),
            Turn::Least => process.within(cpu, wall),
        }
    }
}

impl Thumbnailer for Decoder {
    fn thumbnail(&mut self, picture: &dyn BlobReader, order: &Order) -> Result<Vec<u8>, Failure> {
        loop {
            let process = self.process(picture.size_bytes()).map_err(Failure::NoDecoder)?;
            let began = Instant::now();
            let deadline = self.deadline(&process);
            return match self.ask(&process, picture, order, &deadline) {
                Ok((head, thumbnail)) => {
                    if !head.is_last {
                        self.process = Some(process);
                    }
                    head.result.map(|_| thumbnail).map_err(|flaw| flaw.fault(order).into())
                }
                Err(Trouble::Starved) => {
                    // Not again for the next one: that has the least weight.
                    self.starved = Some(Instant::now());
                    continue;
                }
                Err(Trouble::Ended) => Err(Failure::Died { how: process.end() }),
                Err(Trouble::Late) => Err(Failure::Killed { after: began.elapsed() }),
                Err(Trouble::Nonsense) => Err(Failure::Died { how: "it answered nonsense".to_owned() }),
                Err(Trouble::Source(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                    Err(Fault::Corrupted.into())
                }
                Err(Trouble::Source(error)) => Err(Failure::Unreadable(error)),
            };
        }
    }
}
