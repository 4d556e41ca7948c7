//! `pixeld film`: the canvas as a time lapse.

mod output;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::builder::RangedU64ValueParser;

use super::CliError;
use super::interrupt::stop_on_interrupt;
use super::progress::Progress;
use super::token_file::TokenFile;
use super::trusted::Trusted;
use crate::apps::pixel::canvas::bounds::Bounds;
use crate::apps::pixel::canvas::limits::PICTURE_PIXELS_MAX;
use crate::apps::pixel::canvas::raster::Raster;
use crate::apps::pixel::canvas::shape::Shape;
use crate::apps::pixel::film::limits::{FPS_MAX, GIF_FPS_MAX, SIDE_MAX, USUAL_SIZE};
use crate::apps::pixel::film::schedule::Schedule;
use crate::base::units;
use crate::http::date::rfc3339;
use crate::http::moment;
use crate::os::output as out;
use output::{Format, Output};
use pixeld_bench::tools::exit::Exit;
use source::{Facts, Source};

/// Make a time lapse of the canvas from the journal
///
/// Each frame has exactly the pixels that GET /canvas.png?at= shows of its moment. From a data directory the journal is read twice,
/// whatever the number of frames, and a server may be running on it meanwhile. From a URL the server draws each frame by itself and
/// reads its whole journal for it: that is for short films of small journals, and for hosts whose directory is out of reach.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The data directory, or the address of a server
    #[arg(value_name = "DIR|URL")]
    from_where: String,
    /// The film: NAME.gif, NAME.apng, or a picture for each frame, such as frames/%05d.png
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The first moment: RFC 3339 such as 2026-11-29T10:00:00Z, or an age such as 24h; the earliest that can be shown by default
    #[arg(long, value_name = "MOMENT", value_parser = when)]
    from: Option<When>,
    /// The last moment; that of the last change by default
    #[arg(long, value_name = "MOMENT", value_parser = when)]
    to: Option<When>,
    /// Frames per second; at most 50 for a GIF
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(FPS_MAX)))]
    fps: u32,
    /// The film's width and height in pixels, at most: the frames are as large as whole pixels for each cell, or whole cells for
    /// each pixel, allow. 1000x1000 by default
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u64, u64)>,
    /// Seconds on the canvas for each second of the film, such as 3600; by default the film takes ten seconds
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    /// Show these cells only; by default all that were ever set
    #[arg(long, value_name = "X,Y,W,H", value_parser = area, allow_hyphen_values = true)]
    area: Option<Bounds>,
    #[command(flatten)]
    token: TokenFile,
    #[command(flatten)]
    trusted: Trusted,
}

const EXAMPLES: &str = "\
A GIF has 255 colours in a frame: where more of them change at once they are rounded, and the last line says so. An APNG has them all.

Exit: 0 the film was made, 1 it was not, 2 usage, 130 interrupted; an unfinished film leaves nothing behind.

Examples:
  pixeld film ./pixeld-data --out day.gif --from 24h
  pixeld film ./pixeld-data --out all.apng --speed 3600 --fps 30 --size 800x600
  pixeld film ./pixeld-data --out frames/%05d.png && ffmpeg -framerate 25 -i frames/%05d.png film.mp4
  pixeld film http://192.0.2.7:8000 --out corner.gif --area 0,0,64,64";

/// A moment as it is given.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Microseconds since 1970.
    At(u64),
    /// So many milliseconds ago.
    Ago(u64),
}

impl When {
    fn at_us(self, now_us: u64) -> u64 {
        match self {
            Self::At(at_us) => at_us,
            Self::Ago(age_ms) => now_us.saturating_sub(age_ms.saturating_mul(1_000)),
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    let form = "a moment is RFC 3339, such as 2026-11-29T10:00:00Z, or an age, such as 90m, 24h or 7d";
    let age = || units::age_ms(text).map(When::Ago);
    moment::read_us(text).map(When::At).or_else(age).ok_or_else(|| form.to_owned())
}

fn size(text: &str) -> Result<(u64, u64), String> {
    let sides = text
        .split_once(['x', 'X'])
        .and_then(|(width, height)| Some((width.parse::<u64>().ok()?, height.parse::<u64>().ok()?)));
    let fits = |&(width, height): &(u64, u64)| {
        [width, height].iter().all(|side| (1..=SIDE_MAX).contains(side))
            && width * height <= PICTURE_PIXELS_MAX
    };
    sides.filter(fits).ok_or_else(|| {
        format!("a size is WIDTHxHEIGHT, such as 1280x720, of at most {PICTURE_PIXELS_MAX} pixels and {SIDE_MAX} along a side")
    })
}

fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    let is_one = |speed: &f64| speed.is_finite() && (0.001..=1e9).contains(speed);
    number
        .filter(is_one)
        .ok_or_else(|| "a speed is a factor from 0.001 to 1000000000, such as 3600".to_owned())
}

fn area(text: &str) -> Result<Bounds, String> {
    let numbers: Option<Vec<i64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let bounds = |numbers: Vec<i64>| {
        let [x, y, width, height] = numbers[..] else { return None };
        let span = |first: i64, length: i64| {
            let last = first.checked_add(length.checked_sub(1)?)?;
            (length > 0).then_some((i32::try_from(first).ok()?, i32::try_from(last).ok()?))
        };
        let ((x_min, x_max), (y_min, y_max)) = (span(x, width)?, span(y, height)?);
        Some(Bounds { x_min, x_max, y_min, y_max })
    };
    numbers.and_then(bounds).ok_or_else(|| {
        "an area is X,Y,W,H, such as -10,0,64,64: the left and upper cell, then cells in a row and in a column".to_owned()
    })
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let format = Format::of(&self.out).map_err(CliError::Usage)?;
        if matches!(format, Format::Gif) && self.fps > GIF_FPS_MAX {
            return Err(CliError::Usage(format!(
                "a GIF has {GIF_FPS_MAX} frames in a second at most, because browsers slow down those with more: --fps {GIF_FPS_MAX}"
            )));
        }
        // What can't be written is said before all is read.
        let output = Output::open(format, &self.out).map_err(CliError::Film)?;
        let stop = stop_on_interrupt();
        let began = Instant::now();
        let source = Source::open(&self.from_where, &self.token, &self.trusted)?;
        let plan = self.plan(&source.facts)?;
        let made = make(&source, &plan, output, &stop);
        if stop.load(Ordering::SeqCst) {
            return Ok(ExitCode::from(Exit::Interrupted as u8));
        }
        out::print(&(plan.notes.concat() + &self.said(&plan, &made?, &source.facts, began)))
            .map_err(CliError::Output)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Decides when the film plays, and what it shows how large.
    fn plan(&self, facts: &Facts) -> Result<Plan, CliError> {
        let nothing =
            || CliError::Film(format!("{} has no pixels: there is nothing to film", self.from_where));
        let (first_us, last_us) = facts.span_us.ok_or_else(nothing)?;
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let (from_us, to_us) =
            (self.from.map(|when| when.at_us(now_us)), self.to.map(|when| when.at_us(now_us)));
        let to_us = to_us.unwrap_or_else(|| last_us.max(from_us.unwrap_or(0)));
        if to_us < first_us {
            let first = rfc3339(first_us);
            return Err(CliError::Film(format!(
                "the earliest moment that can be shown is {first}: choose a later --to"
            )));
        }
        let mut notes = Vec::new();
        if from_us.is_some_and(|from_us| from_us < first_us) {
            notes.push(format!("nothing before {} can be shown: the film begins there\n", rfc3339(first_us)));
        }
        let from_us = from_us.map_or(first_us, |from_us| from_us.max(first_us));
        let schedule = Schedule::new(from_us, to_us, self.fps, self.speed).map_err(CliError::Usage)?;
        let area = self.area.or(facts.bounds).ok_or_else(nothing)?;
        let most = self.size.unwrap_or(USUAL_SIZE);
        let shape = Shape::fitting(area, most).ok_or_else(|| {
            let Bounds { x_min, x_max, y_min, y_max } = area;
            CliError::Usage(format!(
                "the canvas reaches from {x_min},{y_min} to {x_max},{y_max}, which is too much for {} x {} pixels: film a part of \
                 it, with --area X,Y,W,H, or more pixels, with --size",
                most.0, most.1
            ))
        })?;
        Ok(Plan { schedule, shape, notes })
    }

    /// Returns what is said of a film.
    fn said(&self, plan: &Plan, made: &Made, facts: &Facts, began: Instant) -> String {
        let Plan { schedule, shape, .. } = plan;
        let ((width, height), seconds) = (shape.size(), began.elapsed().as_secs_f64());
        let rounded = if made.is_rounded {
            "some frames have more colours than a GIF takes, so colours are rounded: NAME.apng has them all\n"
        } else {
            ""
        };
        format!(
            "{}: {} frames of {width} x {height}, {:.1} s at {} times the speed of the canvas, from {} to {}, {:.1} MB\n\
             {} pixels in {seconds:.1} s, {:.1} million/s\n{rounded}",
            self.out.display(),
            schedule.count(),
            schedule.seconds(),
            shown(schedule.speed),
            rfc3339(schedule.from_us),
            rfc3339(schedule.to_us),
            made.bytes as f64 / 1e6,
            facts.pixels,
            facts.pixels as f64 / 1e6 / seconds.max(1e-3),
        )
    }
}

/// Returns a factor as people read it.
fn shown(factor: f64) -> String {
    if factor >= 100.0 {
        format!("{factor:.0}")
    } else {
        format!("{factor:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// What is filmed.
struct Plan {
    schedule: Schedule,
    shape: Shape,
    /// What is not as it was asked for, sentences with their line ends.
    notes: Vec<String>,
}

/// A film that is there.
struct Made {
    bytes: u64,
    is_rounded: bool,
}

/// Makes the film: this thread draws the pictures, another one writes them.
fn make(source: &Source, plan: &Plan, output: Output, stop: &AtomicBool) -> Result<Made, CliError> {
    let Plan { schedule, shape, .. } = plan;
    let reel = output.begin(shape.size(), schedule).map_err(CliError::Film)?;
    let progress = Progress::of_frames(schedule.count());
    // One picture is drawn while one is written; none piles up.
    let (give, take) = sync_channel::<Raster>(1);
    let mut reel = reel;
    thread::scope(|threads| {
        let writer = threads.spawn(move || {
            for picture in take {
                reel.add(&picture)?;
            }
            Ok::<_, String>(reel)
        });
        let drawn = source.draw(schedule, shape, &mut |picture| {
            progress.step();
            // Nobody takes it any more if it could not be written: the writer says why.
            !stop.load(Ordering::SeqCst) && give.send(picture).is_ok()
        });
        drop(give);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        progress.end();
        drawn?;
        let reel = written.map_err(CliError::Film)?;
        if stop.load(Ordering::SeqCst) {
            return Ok(Made { bytes: 0, is_rounded: false });
        }
        let (bytes, is_rounded) = reel.finish().map_err(CliError::Film)?;
        Ok(Made { bytes, is_rounded })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_read_or_refused_with_its_form() {
        assert_eq!(size("1280x720"), Ok((1280, 720)));
        for text in ["", "1280", "0x5", "65536x1", "5000x5000", "-1x5", "axb"] {
            assert!(size(text).unwrap_err().contains("1280x720"), "{text}");
        }
        assert_eq!((speed("3600"), speed("0.5x")), (Ok(3600.0), Ok(0.5)));
        for text in ["", "0", "-1", "NaN", "inf", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
        assert_eq!(area("-5,1,10,2"), Ok(Bounds { x_min: -5, x_max: 4, y_min: 1, y_max: 2 }));
        assert_eq!(area("2147483647,0,1,1").map(|area| area.x_max), Ok(i32::MAX));
        for text in
            ["", "1,2,3", "1,2,3,4,5", "0,0,0,1", "0,0,1,-1", "2147483647,0,2,1", "0,0,9223372036854775807,1"]
        {
            assert!(area(text).is_err(), "{text}");
        }
        assert!(matches!(when("2026-11-29T10:00:00Z"), Ok(When::At(1_795_946_400_000_000))));
        assert_eq!(when("2h").unwrap().at_us(7_200_000_001), 1);
        assert!(when("yesterday").unwrap_err().contains("24h"));
    }
}
