//! Arguments for continuous integration: kept reports, and outputs for those who run the job.

use pixeld_bench::input;
use pixeld_bench::tools::baseline::{Baseline, FailIf, place};
use pixeld_bench::tools::diff::check_schema;
use std::path::PathBuf;

/// What is kept, what a run is held against, and how that is reported.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct KeptArguments {
    /// Keep the report under this name, or as this file if it has a slash or ends with .json
    #[arg(long, value_name = "NAME", help_heading = "Baselines")]
    save: Option<String>,
    /// Compare the run with the report that was saved under this name; without --fail-if it must not be slower
    #[arg(long, value_name = "NAME", help_heading = "Baselines")]
    against: Option<String>,
    /// Exit with 5 if this is established for new/old, repeatable: cpu>1.05, p99>1.2, p50>1.1, rate<0.95
    #[arg(long, value_name = "RATIO", value_parser = FailIf::parse, requires = "against", help_heading = "Baselines")]
    fail_if: Vec<FailIf>,
    /// Compare even if the conditions differ
    #[arg(long, requires = "against", help_heading = "Baselines")]
    force: bool,
    /// Summary in Markdown, added to this file, such as "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    pub(super) markdown: Option<PathBuf>,
    /// JUnit's XML: a test case for each thing that must hold
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    pub(super) junit: Option<PathBuf>,
}

impl KeptArguments {
    /// Returns where the report is kept.
    pub(super) fn save(&self) -> Result<Option<PathBuf>, String> {
        self.save.as_deref().map(place).transpose()
    }

    /// Reads what the run is held against.
    pub(super) fn baseline(&self) -> Result<Option<Baseline>, String> {
        let Some(name) = &self.against else { return Ok(None) };
        let path = place(name)?;
        let wrong = |what: String| format!("--against {name}: {what}; keep one with --save {name}");
        let no_report = |what: String| wrong(format!("{}: {what}", path.display()));
        let text = input::text(&path, input::REPORT_BYTES_MAX).map_err(wrong)?;
        let report = serde_json::from_str(&text).map_err(|error| no_report(error.to_string()))?;
        // Told now, not after the load has run for nothing.
        check_schema(&report).map_err(no_report)?;
        Ok(Some(Baseline {
            name: name.clone(),
            report,
            fail_if: self.fail_if.clone(),
            is_forced: self.force,
        }))
    }
}
