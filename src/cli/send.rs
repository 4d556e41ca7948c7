//! `pixeld send`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;

use super::CliError;
use super::token_file::TokenFile;
use super::trusted::Trusted;
use crate::base::units;
use pixeld_bench::send::draw::Draw;
use pixeld_bench::send::post::Pace;
use pixeld_bench::send::run::{Options, run};

/// Post every pixel of a picture, read them back and say whether the picture is identical
///
/// Each pixel becomes three requests, one for each channel: POST /pixel with x, y, R, G or B, and the value. If the
/// server goes away, the transfer waits for it and continues; a request that is answered 503 is repeated as the answer says.
///
/// A request whose answer was lost is sent again, so the server may list a pixel twice. Identical means: for each x, y
/// and channel the last listed value is the picture's. Transparency is not sent; 16 bits become 8.
///
/// On a terminal the picture that was sent is drawn, as large as it fits: as sixel graphics where the terminal says that it
/// has them, else with half blocks. Not where NO_COLOR is set.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A PNG or JPEG
    picture: PathBuf,
    /// Address of the server
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
    /// Connections
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    connections: usize,
    /// Requests sent ahead of their answers on each connection
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pipeline: usize,
    /// How long to wait for a server that does not answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = patience)]
    patience: Duration,
    /// Start with request N, as a transfer that was given up tells you to
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Put the upper left pixel here: column and row, also negative
    #[arg(long, value_name = "X,Y", default_value = "0,0", allow_hyphen_values = true, value_parser = place)]
    at: (i32, i32),
    /// Draw the picture once it is sent: auto in the terminal's best form, sixel or blocks to any stdout, or never
    #[arg(long, value_name = "HOW", default_value = "auto")]
    draw: How,
    /// Send nothing, only read back and compare
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    token: TokenFile,
    #[command(flatten)]
    trusted: Trusted,
}

/// The words for [`Draw`].
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum How {
    Auto,
    Sixel,
    Blocks,
    Never,
}

const EXAMPLES: &str = "\
Exit: 0 identical, 1 not identical or given up, 2 usage.

Examples:
  pixeld send photo.png
  pixeld send photo.jpg http://192.0.2.7:8000 --connections 8
  pixeld send logo.png --at -64,200
  pixeld send logo.png --draw blocks | less -R
  pixeld send photo.png https://pixels.example
  pixeld send photo.png --check";

fn patience(text: &str) -> Result<Duration, String> {
    units::duration_ms(text).map(Duration::from_millis).ok_or_else(|| units::DURATION_FORM.to_owned())
}

fn place(text: &str) -> Result<(i32, i32), String> {
    let number = |part: &str| part.trim().parse::<i32>().ok();
    let parts = text.split_once(',').and_then(|(x, y)| number(x).zip(number(y)));
    parts.ok_or_else(|| "two whole numbers of 32 bits with a comma between them, such as 100,-20".to_owned())
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let pace = Pace { connections: self.connections, depth: self.pipeline, patience: self.patience };
        let draw = match self.draw {
            How::Auto => Draw::Auto,
            How::Sixel => Draw::Sixel,
            How::Blocks => Draw::Blocks,
            How::Never => Draw::Never,
        };
        let token = self.token.read().map_err(CliError::Usage)?;
        let trust = self.trusted.trust();
        let Self { picture, url, from, at, check: check_only, .. } = self;
        let options = Options { picture, url, token, trust, pace, from, at, draw, check_only };
        let identical = run(&options, &mut io::stdout().lock())?;
        Ok(if identical { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
