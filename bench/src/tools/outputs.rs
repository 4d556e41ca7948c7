//! The outputs of a measurement: which files, and what goes into each.

use crate::report::{Report, ci, csv, hgrm, html, json, table};
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
    /// The kept report of `--save`, a report for machines.
    pub save: Option<PathBuf>,
    /// The summary in Markdown, which is added to the file.
    pub markdown: Option<PathBuf>,
    /// JUnit's XML.
    pub junit: Option<PathBuf>,
    /// Whether the table goes to stdout.
    pub has_table: bool,
}

/// What an output is made by.
type Render = fn(&Report) -> String;

/// How an output gets into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// In place of what was there.
    Replace,
    /// Behind what was there.
    Add,
    /// In place of what was there, but only if the run is worth to be kept.
    Keep,
}

/// The outputs, each opened before the load.
#[derive(Debug)]
pub struct OpenOutputs {
    has_table: bool,
    /// Outputs in the order in which they are written; without a file they go to stdout.
    open: Vec<(Option<OutputFile>, Render, Manner)>,
}

impl Outputs {
    /// Opens every file.
    ///
    /// # Errors
    /// Returns a sentence with the first path that can't be written, or into which two outputs would be written.
    pub fn open(&self) -> Result<OpenOutputs, String> {
        self.apart()?;
        let document: Render = |report| format!("{:#}\n", json::document(report));
        let wanted: [(&Option<PathBuf>, Render, Manner); 7] = [
            (&self.save, document, Manner::Keep),
            (&self.markdown, ci::markdown, Manner::Add),
            (&self.junit, ci::junit, Manner::Replace),
            (&self.json, document, Manner::Replace),
            (&self.hgrm, |report| hgrm::render(&report.total.latency), Manner::Replace),
            (&self.csv, csv::render, Manner::Replace),
            (&self.html, html::render, Manner::Replace),
        ];
        let mut open = Vec::new();
        for (path, render, manner) in wanted {
            let Some(path) = path else { continue };
            if let (Manner::Keep, Some(folder)) = (manner, path.parent()) {
                // If it can't be made, opening the file says why.
                let _ = std::fs::create_dir_all(folder);
            }
            let file = if path == Path::new("-") { None } else { Some(OutputFile::open(path)?) };
            open.push((file, render, manner));
        }
        Ok(OpenOutputs { has_table: self.has_table, open })
    }

    /// Fails for two outputs that would be written into one another.
    fn apart(&self) -> Result<(), String> {
        let all = [
            ("--save", &self.save),
            ("--markdown", &self.markdown),
            ("--junit", &self.junit),
            ("--json", &self.json),
            ("--hgrm", &self.hgrm),
            ("--csv", &self.csv),
            ("--html", &self.html),
        ];
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
        let is_whole = !report.is_interrupted && report.total.answers > 0 && report.faults.is_empty();
        for (file, render, manner) in &mut self.open {
            match file {
                None => text.push_str(&render(report)),
                Some(_) if *manner == Manner::Keep && !is_whole => {}
                Some(file) if *manner == Manner::Add => failures.extend(file.append(&render(report)).err()),
                Some(file) => failures.extend(file.write(&render(report)).err()),
            }
        }
        failures
    }
}
