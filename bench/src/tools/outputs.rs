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
    /// Returns a sentence with the first path that can't be written, or into which two outputs would be written.
    pub fn open(&self) -> Result<OpenOutputs, String> {
        self.apart()?;
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

    /// Fails for two outputs that would be written into one another.
    fn apart(&self) -> Result<(), String> {
        let all =
            [("--json", &self.json), ("--hgrm", &self.hgrm), ("--csv", &self.csv), ("--html", &self.html)];
        let given: Vec<(&str, &Path)> =
            all.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?))).collect();
        for (at, (name, path)) in given.iter().enumerate() {
            if let Some((other, _)) = given[..at].iter().find(|(_, known)| known == path) {
                let place =
                    if *path == Path::new("-") { "stdout".into() } else { path.display().to_string() };
                return Err(format!("{other} and {name} both go to {place}; give each a place of its own"));
            }
        }
        Ok(())
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
