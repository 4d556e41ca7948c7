//! Watchers of a canvas: many connections to `GET /canvas/live` in one thread, which read whatever comes.
//!
//! `watch HOST:PORT [--watchers N] [--settle S] [--seconds S]`: connects all of them, lets S seconds pass, counts for as long as it
//! is told, and prints one object in JSON. A frame is late by the time from when the server made it, as the frame itself says, to
//! when its last byte was read here, so server and watchers have to be on one host. `cpu` near 1 says that this program was the
//! bottleneck: its figures are those of a slow crowd then.

mod frames;
mod spread;

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use frames::{Frame, Frames};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::time::{ClockId, Timespec, clock_gettime};
use spread::Spread;

const READ_BYTES: usize = 256 * 1024;
const USAGE: &str = "usage: watch HOST:PORT [--watchers N] [--settle SECONDS] [--seconds SECONDS]";
/// How long the loop waits for bytes before it looks at the clock.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Kinds of frames.
const CELLS: u8 = 1;
const RELOAD: u8 = 2;

struct Watcher {
    stream: TcpStream,
    frames: Frames,
    /// When its last frame with cells was made, milliseconds since 1970.
    last_ms: Option<u64>,
}

/// The figures of a run.
#[derive(Default)]
struct Figures {
    frames: u64,
    reloads: u64,
    bytes: u64,
    late: Spread,
    /// Times between two frames of one watcher.
    gaps: Spread,
    ended: usize,
}

impl Figures {
    fn take(&mut self, frame: &Frame, last_ms: &mut Option<u64>, now_ms: u64) {
        match frame.kind {
            CELLS => {
                self.frames += 1;
                self.late.add(now_ms.saturating_sub(frame.made_ms));
                if let Some(before) = last_ms.replace(frame.made_ms) {
                    self.gaps.add(frame.made_ms.saturating_sub(before));
                }
            }
            RELOAD => self.reloads += 1,
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or(USAGE)?;
    let (mut watchers, mut settle, mut seconds) = (100, 2.0, 5.0);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match flag.as_str() {
            "--watchers" => watchers = value.parse()?,
            "--settle" => settle = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let mut crowd = Crowd::connect(&address, watchers)?;
    crowd.watch(Duration::from_secs_f64(settle))?;
    let before = cpu_seconds();
    let figures = crowd.watch(Duration::from_secs_f64(seconds))?;
    let cpu = (cpu_seconds() - before) / seconds;
    let each = figures.frames as f64 / watchers as f64 / seconds;
    let Figures { late, gaps, reloads, bytes, ended, .. } = figures;
    let said = format!(
        "{{\"watchers\":{watchers},\"frames_per_second\":{each:.2},\"late_ms\":{late},\"gap_ms\":{gaps},\"reloads\":{reloads},\
         \"bytes_per_second\":{:.0},\"ended\":{ended},\"cpu\":{cpu:.2}}}\n",
        bytes as f64 / seconds
    );
    std::io::stdout().write_all(said.as_bytes())?;
    Ok(())
}

struct Crowd {
    epoll: std::os::fd::OwnedFd,
    watchers: Vec<Watcher>,
    input: Vec<u8>,
}

impl Crowd {
    fn connect(address: &str, count: usize) -> Result<Self, Box<dyn Error>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut watchers = Vec::with_capacity(count);
        for place in 0..count {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(format!("GET /canvas/live HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(place as u64), EventFlags::IN)?;
            watchers.push(Watcher { stream, frames: Frames::default(), last_ms: None });
        }
        Ok(Self { epoll, watchers, input: vec![0; READ_BYTES] })
    }

    fn watch(&mut self, time: Duration) -> Result<Figures, Box<dyn Error>> {
        let (until, mut figures) = (Instant::now() + time, Figures::default());
        let mut events = Vec::with_capacity(1024);
        while Instant::now() < until {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&TICK)) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            for event in &events {
                self.read(event.data.u64() as usize, &mut figures)?;
            }
        }
        Ok(figures)
    }

    fn read(&mut self, place: usize, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
        let Watcher { stream, frames, last_ms } = &mut self.watchers[place];
        let length = match rustix::net::recv(&*stream, &mut self.input[..], RecvFlags::empty()) {
            Ok((_, length)) => length,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if length == 0 {
            figures.ended += 1;
            epoll::delete(&self.epoll, &*stream)?;
            return Ok(());
        }
        figures.bytes += length as u64;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        frames.take(&self.input[..length], &mut |frame| figures.take(frame, last_ms, now_ms))?;
        Ok(())
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}
