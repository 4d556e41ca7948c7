//! The outputs of a measurement: which files, and what goes into each.

use crate::report::{Report, csv, hgrm, html, json, table};
use crate::tools::output_file::OutputFile;
use std::path::{Path, PathBuf};

/// Files to write.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The report for machines.
    pub json: Option<PathBuf>,
    /// The percentile distribution.
    pub hgrm: Option<PathBuf>,
    /// The time series or the steps.
    pub csv: Option<PathBuf>,
    /// The report with plots.
    pub html: Option<PathBuf>,
    /// Whether the table goes to stdout.
    pub has_table: bool,
}

/// What an output is made by.
type Render = fn(&Report) -> String;

/// The outputs, each opened before the load.
#[derive(Debug)]
pub struct OpenOutputs {
    has_table: bool,
    /// Outputs in the order in which they are written; without a file they go to stdout.
    open: Vec<(Option<OutputFile>, Render)>,
}

impl Outputs {
    /// Opens every file.
    ///
    /// # Errors
    /// A sentence with the first path that can't be written.
    pub fn open(&self) -> Result<OpenOutputs, String> {
        let wanted: [(&Option<PathBuf>, Render); 4] = [
            (&self.json, |report| format!("{:#}\n", json::document(report))),
            (&self.hgrm, |report| hgrm::render(&report.total.latency)),
            (&self.csv, csv::render),
            (&self.html, html::render),
        ];
        let mut open = Vec::new();
        for (path, render) in wanted {
            let Some(path) = path else { continue };
            let file = if path == Path::new("-") { None } else { Some(OutputFile::open(path)?) };
            open.push((file, render));
        }
        Ok(OpenOutputs { has_table: self.has_table, open })
    }
}

impl OpenOutputs {
    /// Writes every output and adds to `text` what goes to stdout; returns a sentence for each that could not be written.
    pub fn write(&mut self, report: &Report, text: &mut String) -> Vec<String> {
        if self.has_table {
            text.push_str(&table::render(report));
        }
        let mut failures = Vec::new();
        for (file, render) in &mut self.open {
            match file {
                None => text.push_str(&render(report)),
                Some(file) => failures.extend(file.write(&render(report)).err()),
            }
        }
        failures
    }
}
