//! Notes by the place of their records, which both hosts agree on.

use std::collections::BTreeMap;

use pixeld::app::fields::{Fields, push_origin, push_text};
use pixeld::app::state::{Entry, RestoreError, State};
use pixeld::base::ids::{Origin, Seq};
use pixeld::log::format::record;

/// The high nibble of its tags.
pub const APP: u8 = 6;
/// A note.
pub const NOTE: u8 = 0x61;

/// All notes.
#[derive(Default)]
pub struct NotesState(BTreeMap<(Origin, Seq), String>);

impl NotesState {
    /// A line for each.
    pub fn lines(&self) -> String {
        self.0.values().map(|note| format!("{note}\n")).collect()
    }
}

impl State for NotesState {
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        let note = String::from_utf8_lossy(record::payload(record)).into_owned();
        self.0.insert((at.origin, at.seq), note);
        None
    }

    fn kinds(&self) -> &'static [(u8, &'static str)] {
        &[(NOTE, "notes")]
    }

    fn record_bytes_max(&self) -> usize {
        8 * 1024
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        for ((origin, seq), note) in &self.0 {
            push_origin(out, *origin);
            out.extend_from_slice(&seq.to_le_bytes());
            push_text(out, note);
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let (mut fields, mut notes) = (Fields::of(bytes), BTreeMap::new());
        while !fields.is_empty() {
            let read = |fields: &mut Fields<'_>| {
                Some(((fields.origin()?, fields.u64()?), fields.text()?.to_owned()))
            };
            let (place, note) = read(&mut fields).ok_or(RestoreError)?;
            notes.insert(place, note);
        }
        self.0 = notes;
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        record::push(&mut out, NOTE, format!("note {seed}").as_bytes());
        out
    }
}
