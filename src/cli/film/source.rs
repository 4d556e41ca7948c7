//! Where a film comes from: a data directory, which is read here, or a server, which is asked for each picture.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::CliError;
use super::super::token_file::TokenFile;
use super::super::trusted::Trusted;
use crate::apps::pixel::canvas::bounds::Bounds;
use crate::apps::pixel::canvas::journal::as_applied;
use crate::apps::pixel::canvas::past::NotDrawn;
use crate::apps::pixel::canvas::raster::Raster;
use crate::apps::pixel::canvas::shape::Shape;
use crate::apps::pixel::film::contents::Contents;
use crate::apps::pixel::film::drawing::Drawing;
use crate::apps::pixel::film::limits::{FILM_MEMORY_BYTES, RAISES_MAX};
use crate::apps::pixel::film::schedule::Schedule;
use crate::apps::registry;
use crate::cli::progress::Progress;
use crate::engine::storage::snapshots;
use crate::http::date::rfc3339;
use crate::http::moment;
use crate::log::inspect::{self, InspectError};
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;
use crate::log::recover::joining;
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot;
use crate::os::disk::Disk;
use crate::os::files::RealDisk;
use pixeld_bench::client::fetch::{self, Fetched};
use pixeld_bench::client::target::Target;

/// How long a server may take for a picture: it reads its whole journal.
const ANSWER_WAIT: Duration = Duration::from_secs(600);
/// Time between two questions to a server that draws a picture for somebody else.
const BUSY_WAIT: Duration = Duration::from_millis(500);

/// What can be filmed.
pub(super) struct Facts {
    /// The earliest moment that can be shown, and the last one at which anything changed, microseconds since 1970; nothing where
    /// there is no pixel.
    pub(super) span_us: Option<(u64, u64)>,
    /// Bounds of all cells that were ever set.
    pub(super) bounds: Option<Bounds>,
    /// Pixels in the journal.
    pub(super) pixels: u64,
}

/// Where a film comes from.
pub(super) struct Source {
    pub(super) facts: Facts,
    place: Place,
}

enum Place {
    Directory { path: PathBuf, reader: Arc<Reader>, contents: Box<Contents> },
    Server(Target),
}

impl Source {
    /// Reads a directory, or asks a server what it has.
    ///
    /// # Errors
    /// Returns why it can't be filmed.
    pub(super) fn open(from_where: &str, token: &TokenFile, trusted: &Trusted) -> Result<Self, CliError> {
        if from_where.contains("://") {
            Self::of_server(from_where, token, trusted)
        } else {
            Self::of_directory(Path::new(from_where))
        }
    }

    fn of_directory(path: &Path) -> Result<Self, CliError> {
        let wrong = |source| CliError::Inspect { path: path.to_owned(), source };
        let io_error = |what| move |source| InspectError::Io { what, source };
        let disk = RealDisk::open(path).map_err(io_error("opening the directory")).map_err(wrong)?;
        let disk: Arc<dyn Disk> = Arc::new(disk);
        if joining::is_marked(&*disk).map_err(io_error("listing the directory")).map_err(wrong)? {
            let sentence =
                "it is taking its peer's snapshot, so there is nothing to film yet; try again later";
            return Err(CliError::Film(format!("{}: {sentence}", path.display())));
        }
        let newest = snapshot::load_newest(&*disk).map_err(io_error("reading a snapshot")).map_err(wrong)?;
        // What was healed in segments that are gone.
        let shelf = Shelf::new(disk.clone());
        let restore = |newest| snapshots::restore(&newest, registry::new_applied, Some(&shelf));
        let heals = match newest.map(restore) {
            Some(restored) => {
                let failed = |error| io_error("reading a snapshot")(io::Error::other(error));
                restored.map_err(failed).map_err(wrong)?.heals
            }
            None => Default::default(),
        };
        let progress = Progress::of_reading();
        let mut reader = None;
        let contents = Contents::read(heals, |take| {
            let mut read_bytes = 0;
            let opened = inspect::open(&disk, &mut |batch| {
                take(&as_applied(batch), batch.start);
                read_bytes += batch.end.0 - batch.start.0;
                progress.reach(read_bytes);
            });
            reader = Some(opened?.0);
            Ok(())
        });
        progress.end();
        let (contents, reader) = (contents.map_err(wrong)?, reader.expect("it was read"));
        if contents.has_too_many_raises() {
            return Err(CliError::Film(format!(
                "{}: more than {RAISES_MAX} clears and cuts are in the journal, too many to film",
                path.display()
            )));
        }
        let facts = Facts {
            span_us: contents.span_us(&reader.start_vector()),
            bounds: contents.bounds,
            pixels: contents.pixels,
        };
        Ok(Self {
            facts,
            place: Place::Directory { path: path.to_owned(), reader, contents: Box::new(contents) },
        })
    }

    fn of_server(url: &str, token: &TokenFile, trusted: &Trusted) -> Result<Self, CliError> {
        let token = token.read().map_err(CliError::Usage)?;
        let target = Target::resolve_trusting(url, None, "/", &trusted.trust());
        let target = target.map_err(CliError::Usage)?.with_token(token);
        let answer = get(&target, "/canvas/past")?;
        let facts = if answer.status == 200 { facts_of(&answer.body) } else { None };
        let facts = facts.ok_or_else(|| {
            CliError::Film(format!(
                "{url} does not tell what it can show: {}. Is it a pixeld with a canvas (canvas.memory above 0)?",
                said(&answer)
            ))
        })?;
        Ok(Self { facts, place: Place::Server(target) })
    }

    /// Draws the pictures one after the other; `take` says whether to go on.
    ///
    /// # Errors
    /// Returns why a picture can't be drawn.
    pub(super) fn draw(
        &self,
        schedule: &Schedule,
        shape: &Shape,
        take: &mut dyn FnMut(Raster) -> bool,
    ) -> Result<(), CliError> {
        let moments = (0..schedule.count()).map(|picture| schedule.moment_us(picture));
        match &self.place {
            Place::Directory { path, reader, contents } => {
                let mut drawing = Drawing::new(reader, contents, Some(shape.cells()), FILM_MEMORY_BYTES);
                for moment_us in moments {
                    drawing.advance(moment_us).map_err(|error| not_drawn(path, error))?;
                    let painted = drawing.paint(shape).map_err(|error| CliError::Film(error.to_string()))?;
                    if !take(painted) {
                        break;
                    }
                }
            }
            Place::Server(target) => {
                for moment_us in moments {
                    if !take(picture(target, shape, moment_us)?) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns what is said of a picture that could not be drawn.
fn not_drawn(path: &Path, error: NotDrawn) -> CliError {
    let what = match error {
        NotDrawn::TooLarge => format!(
            "the canvas takes more than {} MiB of memory: film a part of it, with --area",
            FILM_MEMORY_BYTES >> 20
        ),
        NotDrawn::Unreadable(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            "a server removed a segment while it was being filmed; try again".to_owned()
        }
        error => error.to_string(),
    };
    CliError::Film(format!("{}: {what}", path.display()))
}

/// Asks a server for a picture.
fn picture(target: &Target, shape: &Shape, moment_us: u64) -> Result<Raster, CliError> {
    let moment = rfc3339(moment_us);
    let answer = get(target, &format!("/canvas.png?{}&at={moment}", shape.query()))?;
    let refused = || CliError::Film(format!("{} does not show {moment}: {}", target.url, said(&answer)));
    if answer.status == 200 { Raster::of_png(&answer.body).map_err(|_| refused()) } else { Err(refused()) }
}

/// GETs a path, again while the server is busy with another picture.
fn get(target: &Target, path: &str) -> Result<Fetched, CliError> {
    let began = Instant::now();
    loop {
        let answer = fetch::get(&target.at(path), ANSWER_WAIT).map_err(|error| {
            let url = &target.url;
            CliError::Film(format!("no answer from {url}: {error}; is `pixeld serve` running there?"))
        })?;
        if answer.status != 503 || began.elapsed() > ANSWER_WAIT {
            return Ok(answer);
        }
        std::thread::sleep(BUSY_WAIT);
    }
}

fn facts_of(body: &[u8]) -> Option<Facts> {
    let facts: Value = serde_json::from_slice(body).ok()?;
    let time = |name: &str| facts[name].as_str().and_then(moment::read_us);
    let edge = |name: &str| facts["bounds"][name].as_i64().and_then(|edge| i32::try_from(edge).ok());
    let bounds = || {
        let (x_min, x_max) = (edge("x_min")?, edge("x_max")?);
        Some(Bounds { x_min, x_max, y_min: edge("y_min")?, y_max: edge("y_max")? })
    };
    Some(Facts { span_us: time("from").zip(time("to")), bounds: bounds(), pixels: facts["pixels"].as_u64()? })
}

/// Returns what an answer says, in short.
fn said(answer: &Fetched) -> String {
    let sentence = serde_json::from_slice::<Value>(&answer.body).ok();
    let sentence = sentence.as_ref().and_then(|body| body["detail"].as_str());
    format!("{} {}", answer.status, sentence.unwrap_or("without a reason")).trim_end().to_owned()
}
