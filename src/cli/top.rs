//! `pixeld top`: what hosts do, live.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use super::CliError;
use super::interrupt::stop_on_interrupt;
use super::token_file::TokenFile;
use super::trusted::Trusted;
use crate::base::units;
use crate::os::output;
use pixeld_bench::client::target::Target;
use pixeld_bench::top::{self, EVERY_MIN, HOSTS_MAX};

/// Show what one or more hosts are doing, live: rates, stages of a write, workers, the peer
///
/// Each host is asked for /metrics; two hosts stand side by side. q or Ctrl-C ends it. Percentiles cover the time
/// between two requests, each rounded up to the bound of its bucket.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The hosts, four at most
    #[arg(default_value = "http://127.0.0.1:8000")]
    urls: Vec<String>,
    /// Time between two requests for /metrics, 100ms or more
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    interval: Duration,
    /// Print the figures of one interval and end; works without a terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    token: TokenFile,
    #[command(flatten)]
    trusted: Trusted,
}

const EXAMPLES: &str = "\
Exit: 0 ended by a key or, with --once, all hosts answered, 1 a host gave no answer (--once) or the terminal failed, 2 usage.

Examples:
  pixeld top
  pixeld top http://10.0.0.1:8000 http://10.0.0.2:8000
  pixeld top --once --interval 5s > figures.txt";

fn every(text: &str) -> Result<Duration, String> {
    let every = units::duration_ms(text).map(Duration::from_millis).filter(|every| *every >= EVERY_MIN);
    every.ok_or_else(|| format!("{}, 100ms or more", units::DURATION_FORM))
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        if self.urls.len() > HOSTS_MAX {
            let (given, most) = (self.urls.len(), HOSTS_MAX);
            return Err(CliError::Usage(format!(
                "{given} hosts don't fit on one screen, {most} do; show the others on another terminal"
            )));
        }
        let token = self.token.read().map_err(CliError::Usage)?;
        let trust = self.trusted.trust();
        let resolve = |url| {
            let target = Target::resolve_trusting(url, None, "/metrics", &trust)?;
            Ok::<_, String>(target.with_token(token.clone()))
        };
        let targets = self.urls.iter().map(|url: &String| resolve(url));
        let targets = targets.collect::<Result<Vec<_>, _>>().map_err(CliError::Usage)?;
        if self.once {
            let (text, has_all) = top::once(&targets, self.interval);
            output::print(&text).map_err(CliError::Output)?;
            return Ok(if has_all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            let sentence =
                "pixeld top draws on a terminal, and there is none; --once prints the figures as text";
            return Err(CliError::Usage(sentence.to_owned()));
        }
        top::show(&targets, self.interval, &stop_on_interrupt()).map_err(CliError::Terminal)?;
        Ok(ExitCode::SUCCESS)
    }
}
