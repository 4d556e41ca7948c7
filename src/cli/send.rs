//! `pixeld send`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;

use super::CliError;
use crate::base::units;
use pixeld_bench::send::post::Pace;
use pixeld_bench::send::run::{Options, run};

/// Post every pixel of a picture, read all back and say whether the picture is identical
///
/// Each pixel becomes three requests, one for each channel: POST /pixel with x, y, R, G or B, and the value. When the
/// server goes away the transfer waits for it and goes on; when it answers 503 the request is repeated as told.
///
/// A request whose answer was lost is sent again, so the server may list a pixel twice. Identical means: for each x, y
/// and channel the last listed value is the picture's. Transparency is not sent; 16 bits become 8.
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
    /// Start with request N: what a transfer that was given up says to go on from
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Send nothing, only read back and compare
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "\
Exit: 0 identical, 1 not identical or given up, 2 usage.

Examples:
  pixeld send photo.png
  pixeld send photo.jpg http://192.0.2.7:8000 --connections 8
  pixeld send photo.png --check";

fn patience(text: &str) -> Result<Duration, String> {
    units::duration_ms(text).map(Duration::from_millis).ok_or_else(|| units::DURATION_FORM.to_owned())
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let pace = Pace { connections: self.connections, depth: self.pipeline, patience: self.patience };
        let Self { picture, url, from, check: check_only, .. } = self;
        let identical = run(&Options { picture, url, pace, from, check_only }, &mut io::stdout().lock())?;
        Ok(if identical { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
