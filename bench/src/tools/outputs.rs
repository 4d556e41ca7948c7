//! The outputs of a measurement: which files, and what goes into each.

use crate::report::{Report, ci, csv, hgrm, html, json, table};
use crate::tools::output_file::{OutputFile, Place};
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
        let document: Render = |report| format!("{:#}\n", json::document(report));
        let wanted: [(&str, &Option<PathBuf>, Render, Manner); 7] = [
            ("--save", &self.save, document, Manner::Keep),
            ("--markdown", &self.markdown, ci::markdown, Manner::Add),
            ("--junit", &self.junit, ci::junit, Manner::Replace),
            ("--json", &self.json, document, Manner::Replace),
            ("--hgrm", &self.hgrm, |report| hgrm::render(&report.total.latency), Manner::Replace),
            ("--csv", &self.csv, csv::render, Manner::Replace),
            ("--html", &self.html, html::render, Manner::Replace),
        ];
        let (mut open, mut places) = (Vec::new(), Places::default());
        for (name, path, render, manner) in wanted {
            let Some(path) = path else { continue };
            if let (Manner::Keep, Some(folder)) = (manner, path.parent()) {
                // If it can't be made, opening the file says why.
                let _ = std::fs::create_dir_all(folder);
            }
            open.push((places.open(name, path)?, render, manner));
        }
        Ok(OpenOutputs { has_table: !places.has_stdout(), open })
    }
}

/// The places of outputs that are open: no two have the same one.
#[derive(Debug, Default)]
pub struct Places(Vec<(&'static str, Place)>);

impl Places {
    /// Opens the file of the option `name`; nothing stands for stdout.
    ///
    /// # Errors
    /// Returns a sentence for a path that can't be written, or that leads to the place of an earlier output.
    pub fn open(&mut self, name: &'static str, path: &Path) -> Result<Option<OutputFile>, String> {
        let file = if path == Path::new("-") { None } else { Some(OutputFile::open(path)?) };
        let place = file.as_ref().map_or(Place::Stdout, OutputFile::place);
        let known = self.0.iter().find(|(_, known)| *known == place && place != Place::Nowhere);
        if let Some((other, _)) = known {
            let shown = if place == Place::Stdout { "stdout".into() } else { path.display().to_string() };
            return Err(format!("{other} and {name} both go to {shown}; give each a place of its own"));
        }
        self.0.push((name, place));
        Ok(file.filter(|_| place != Place::Stdout))
    }

    /// Returns whether an output goes to stdout, where nothing else may stand then.
    #[must_use]
    pub fn has_stdout(&self) -> bool {
        self.0.iter().any(|(_, place)| *place == Place::Stdout)
    }
}

impl OpenOutputs {
    /// Returns whether the table goes to stdout: unless an output does.
    #[must_use]
    pub fn has_table(&self) -> bool {
        self.has_table
    }

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
