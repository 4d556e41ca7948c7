//! Reading at a start: a place that does not read well is tried again, and trouble of the machine is kept apart from damage.
//!
//! Whoever decides what is damaged asks [`Trouble::check`] before anything is refused as damaged or cut off: after too many
//! open files, no memory or no rights nothing is known of the bytes, and the next start decides.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::outcome::RecoverError;
use crate::base::limits::READ_TRIES_MAX;
use crate::os::disk::{DiskFile, is_bad_medium};

/// The first error of reading that says nothing of the medium.
#[derive(Default)]
pub(in crate::log) struct Trouble(Mutex<Option<(String, io::Error)>>);

impl Trouble {
    /// Notes an error, unless the medium is to blame for it or an earlier one was noted.
    fn note(&self, name: &str, error: &io::Error) {
        if !is_bad_medium(error) {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| (name.to_owned(), same(error)));
        }
    }

    /// Fails if there was trouble.
    pub(in crate::log) fn check(&self) -> Result<(), RecoverError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((name, error)) => Err(RecoverError::Machine { name: name.clone(), source: same(error) }),
            None => Ok(()),
        }
    }
}

/// Errors can't be cloned.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Tries again what the medium refuses.
pub(in crate::log) fn patiently<T>(
    trouble: &Trouble,
    name: &str,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(error) if is_bad_medium(&error) && tries < READ_TRIES_MAX => tries += 1,
            outcome => return outcome.inspect_err(|error| trouble.note(name, error)),
        }
    }
}

/// A file whose reads are tried again, and whose trouble is noted.
pub(in crate::log) struct PatientFile {
    pub(in crate::log) file: Arc<dyn DiskFile>,
    pub(in crate::log) name: String,
    pub(in crate::log) trouble: Arc<Trouble>,
}

impl DiskFile for PatientFile {
    fn size_bytes(&self) -> io::Result<u64> {
        patiently(&self.trouble, &self.name, || self.file.size_bytes())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        patiently(&self.trouble, &self.name, || self.file.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_durable_at(blocks, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
