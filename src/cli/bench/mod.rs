//! `pixeld bench`: measuring, and the tools around it.

mod agents;
mod compare;
mod ending;
mod idle;
mod kept;
mod measure;
mod of_wrk;
mod pins;
mod scenario_file;
mod sources;
mod tools;

use super::CliError;
use crate::cli::interrupt::stop_on_interrupt;
use crate::os::output;
use ending::Stop;
use pixeld_bench::tools::exit::Exit;
use pixeld_bench::tools::session::{Done, Order, carry_out};
use std::process::ExitCode;

/// Measure an HTTP server, and name the bottleneck
///
/// Without options: a closed loop of 64 connections for 10 s that posts a different pixel with each request.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    tool: Option<tools::Tool>,
    #[command(flatten)]
    measure: measure::Measure,
}

const EXAMPLES: &str = "\
Exit: 0 ok, 1 the run or a check of it failed, or nothing was answered, 2 usage, 3 a goal was missed or --abort-if held, 4 the client was \
the bottleneck or waited for its CPU (with --strict), 5 slower than the baseline (errors on one side only: 1), 6 an \
acknowledged write was lost, altered or stored twice, 130 interrupted (the report is still written), 141 stdout was closed early. If \
several apply, the most serious one counts: 6, 130, 1, 4, 3, 5.

Examples:
  pixeld bench                                        # as fast as 64 connections ask
  pixeld bench -r 50k --goal 'p99<2ms' --goal errors=0
  pixeld bench --steps 100,200,500,1000,2000,5000 --step-duration 30s --html ramp.html
  pixeld bench --start 'pixeld serve --data-dir /tmp/d' --verify --chaos 'kill server@5s'
  pixeld bench http://10.0.0.7:8000/health -m GET -c 256 -t 4 -p 16
  pixeld bench http://10.0.0.9:8000 --agents 10.0.0.1,10.0.0.2 --token-file token -c 256      # see `pixeld bench agent --help`
  pixeld bench --scenario bench/scenarios/ramp.toml --step-duration 5s";

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let outcome = match self.tool {
            Some(tool) => tool.run(),
            None => measured(&self.measure),
        };
        match outcome {
            Ok(exit) => Ok(exit.into()),
            Err(Stop::Usage(what)) => Ok(report(&what, Exit::Usage)),
            Err(Stop::Failed(what)) => Ok(report(&what, Exit::Failed)),
            Err(Stop::Output(error)) => Err(CliError::Output(error)),
            Err(Stop::Interrupted(what)) => Ok(report(&what, Exit::Interrupted)),
        }
    }
}

fn measured(measure: &measure::Measure) -> Result<Exit, Stop> {
    let order = order(measure).map_err(Stop::Usage)?;
    order.check_baseline().map_err(Stop::Usage)?;
    let mut outputs = order.outputs.open().map_err(Stop::Usage)?;
    let stop = stop_on_interrupt();
    let Done { exit, text, failure } =
        carry_out(&order, &mut outputs, &stop).map_err(|what| Stop::failed(&stop, what))?;
    match output::print(&text) {
        // What was found out weighs more than that nobody reads the table.
        Err(error) if exit != Exit::Ok => output::report(CliError::Output(error)),
        result => result.map_err(Stop::Output)?,
    }
    failure.map_or(Ok(exit), |why| Err(Stop::Failed(why)))
}

fn order(measure: &measure::Measure) -> Result<Order, String> {
    match &measure.scenario {
        Some(file) => scenario_file::measurement(file)?.order(),
        None => measure.order(),
    }
}

fn report(what: &str, exit: Exit) -> ExitCode {
    output::report(format_args!("pixeld bench: {what}"));
    exit.into()
}

#[cfg(test)]
mod tests {
    use pixeld_bench::quantity::duration_ns;
    use proptest::prelude::*;

    use crate::base::units::duration_ms;

    proptest! {
        #[test]
        fn what_a_setting_takes_as_a_duration_is_as_long_for_the_load_generator(
            number in 0_u64..100_000,
            unit in prop::sample::select(vec!["ms", "s", "m", "h", " s", "  ms", "d", "us", ""]),
        ) {
            let text = format!("{number}{unit}");
            if let Some(ms) = duration_ms(&text) {
                prop_assert_eq!(duration_ns(&text), Ok(ms * 1_000_000));
            }
        }
    }
}
