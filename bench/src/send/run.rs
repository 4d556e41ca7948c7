//! The whole of `pixeld send`: post, read back, compare, report.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::tls::Trust;
use crate::client::token::Token;

use super::draw::Draw;
use super::error::SendError;
use super::picture::Picture;
use super::post::{Pace, Post};
use super::readback::read_back;
use super::tally::Verdict;
use super::target::Target;

/// What to send where.
#[derive(Clone, Debug)]
pub struct Options {
    /// A PNG or JPEG.
    pub picture: PathBuf,
    /// The server's address.
    pub url: String,
    /// Whose certificates are trusted for https.
    pub trust: Trust,
    /// The token that the server asks for.
    pub token: Option<Token>,
    /// Connections, depth and patience.
    pub pace: Pace,
    /// Number of the first request; those before it were answered in an earlier run.
    pub from: u64,
    /// Where its upper left pixel stands on the canvas.
    pub at: (i32, i32),
    /// How the terminal shows the picture after it was sent, if it does.
    pub draw: Draw,
    /// Only read back and compare.
    pub check_only: bool,
}

/// Posts the picture, reads it back and writes a report to `out`; gives whether it is identical.
///
/// # Errors
/// Returns what stopped the transfer.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool, SendError> {
    let target = Target::parse(&options.url, &options.trust)?.with_token(options.token.clone());
    let picture = Picture::open(&options.picture)?.placed(options.at)?;
    if !options.check_only {
        let text = post(&picture, &target, options)?;
        report(out, &text)?;
        if let Some(drawing) = options.draw.drawing(picture.rgb()) {
            write(out, &drawing)?;
        }
    }
    let started = Instant::now();
    let bar = bar("reading", picture.samples());
    let (tally, bytes) =
        read_back(&target, &picture, options.pace.patience, &mut |listed| bar.set_position(listed))?;
    bar.finish_and_clear();
    let verdict = tally.verdict(&picture);
    let seconds = started.elapsed();
    let rate = per_second(bytes, seconds) / 1e6;
    report(
        out,
        &format!(
            "read back {} pixels, {:.1} MB in {:.2} s: {rate:.1} MB/s\n{}\n",
            verdict.listed,
            mega(bytes),
            seconds.as_secs_f64(),
            sentence(&verdict)
        ),
    )?;
    Ok(verdict.is_identical())
}

fn report(out: &mut dyn Write, text: &str) -> Result<(), SendError> {
    write(out, text.as_bytes())
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<(), SendError> {
    out.write_all(bytes).and_then(|()| out.flush()).map_err(SendError::Output)
}

fn post(picture: &Picture, target: &Target, options: &Options) -> Result<String, SendError> {
    let from = options.from.min(picture.samples());
    let post = Post::new(picture, target, &options.pace, from);
    let bar = bar("sending", picture.samples() - from);
    let started = Instant::now();
    let result = post.run(&mut |post| bar.set_position(post.answered()));
    bar.finish_and_clear();
    result?;
    let seconds = started.elapsed();
    Ok(format!(
        "sent {} pixels ({} x {} at {},{}, 3 channels{}) in {:.2} s: {:.0} requests/s over {} connections, {} unanswered at a \
         time on each\n{} sent again, {} reconnects\n",
        post.answered(),
        picture.width(),
        picture.height(),
        picture.at().0,
        picture.at().1,
        if from > 0 { format!(", from request {from} on") } else { String::new() },
        seconds.as_secs_f64(),
        per_second(post.answered(), seconds),
        options.pace.connections,
        options.pace.depth,
        post.again(),
        post.reconnects(),
    ))
}

/// Returns a progress bar on stderr; invisible when that is no terminal.
fn bar(verb: &'static str, length: u64) -> ProgressBar {
    let form = "{prefix} [{bar:40}] {human_pos}/{human_len} pixels, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(form).expect("a template of known fields");
    ProgressBar::new(length).with_style(style).with_prefix(verb)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

fn mega(bytes: u64) -> f64 {
    per_second(bytes, Duration::from_secs(1_000_000))
}

/// Returns the verdict for people.
fn sentence(verdict: &Verdict) -> String {
    let Some((sample, value)) = verdict.first else {
        return match verdict.others {
            0 => "identical: every pixel came back with its value".to_owned(),
            others => format!("identical: every pixel came back with its value, beside {others} others"),
        };
    };
    let found = value.map_or("nothing".to_owned(), |value| value.to_string());
    format!(
        "NOT identical: {} values are missing, {} are different; the first: x {}, y {}, channel {} should be {} and is {found}",
        verdict.missing, verdict.different, sample.x, sample.y, sample.channel, sample.value
    )
}
