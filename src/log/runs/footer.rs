//! The head and the end of a run's file: what is read when it is opened.
//!
//! ```text
//! head      0 'PXR1'   4 u32 version   8 u8 application   9 zeros up to 16
//! blocks    of one table after the other
//! footer    u64 bytes  u64 bytes in blobs   the places (base/places.rs)   u32 tables, each as table.rs says
//! end       0 u64 where the footer starts   8 u64 its bytes   16 u32 its crc32c   20 'PXR1'
//! ```

use super::bytes::Bytes;
use super::item::Amounts;
use super::table::Table;
use crate::base::numbers::{u32_at, u64_at};
use crate::base::places::Places;

/// First and last bytes of a run.
pub const RUN_MAGIC: [u8; 4] = *b"PXR1";
const VERSION: u32 = 2;
/// The first one, whose items are read as those of now: what came later has a form that no earlier program reads.
const VERSION_FIRST: u32 = 1;
/// Bytes before the first block.
pub const HEAD_BYTES: usize = 16;
/// Bytes of the end.
pub const END_BYTES: usize = 24;

/// What is known of a run without reading its blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Footer {
    /// What its items come to.
    pub amounts: Amounts,
    /// Their places.
    pub places: Places,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// Returns the head of a run of an application.
#[must_use]
pub fn head(app: u8) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&RUN_MAGIC);
    head[4..8].copy_from_slice(&VERSION.to_le_bytes());
    head[8] = app;
    head
}

/// Returns the application whose run begins so.
///
/// # Errors
/// Returns what else it is.
pub fn app_of(head: &[u8; HEAD_BYTES]) -> Result<u8, String> {
    match (head[..4] == RUN_MAGIC, u32_at(head, 4)) {
        (true, VERSION_FIRST..=VERSION) => Ok(head[8]),
        (true, version) => Err(format!("it has version {version}: a later pixeld wrote it")),
        _ => Err("it is no run".to_owned()),
    }
}

/// Returns whether a content that begins with these bytes is a run.
#[must_use]
pub fn is_run(first: &[u8]) -> bool {
    first.starts_with(&RUN_MAGIC)
}

impl Footer {
    /// Returns its bytes, and the end behind them, where it starts at `offset`.
    #[must_use]
    pub fn encode(&self, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.amounts.bytes.to_le_bytes());
        out.extend_from_slice(&self.amounts.contents_bytes.to_le_bytes());
        self.places.push(&mut out);
        out.extend_from_slice(&u32::try_from(self.tables.len()).expect("a byte names each").to_le_bytes());
        self.tables.iter().for_each(|table| table.push(&mut out));
        let (length, crc) = (out.len() as u64, crc32c::crc32c(&out));
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&RUN_MAGIC);
        out
    }

    /// Returns where the footer starts and how long it is, as the end of a file of `size_bytes` says.
    #[must_use]
    pub fn span(end: &[u8; END_BYTES], size_bytes: u64) -> Option<(u64, usize)> {
        let (offset, length) = (u64_at(end, 0), u64_at(end, 8));
        let whole = offset.checked_add(length)?.checked_add(END_BYTES as u64)?;
        (end[20..] == RUN_MAGIC && whole == size_bytes).then_some((offset, usize::try_from(length).ok()?))
    }

    /// Reads its bytes; nothing if they are damaged.
    #[must_use]
    pub fn decode(stored: &[u8], end: &[u8; END_BYTES]) -> Option<Self> {
        if crc32c::crc32c(stored) != u32_at(end, 16) {
            return None;
        }
        let mut bytes = Bytes(stored);
        let amounts = Amounts { bytes: bytes.u64()?, contents_bytes: bytes.u64()? };
        let (places, length) = Places::read(bytes.0)?;
        bytes.0 = &bytes.0[length..];
        let tables = (0..bytes.u32()?).map(|_| Table::read(&mut bytes)).collect::<Option<_>>()?;
        bytes.0.is_empty().then_some(Self { amounts, places, tables })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_this_version_and_of_the_first_one_are_read() {
        let of_version = |version: u8| {
            let mut head = head(5);
            head[4] = version;
            app_of(&head)
        };
        assert_eq!((of_version(1), of_version(2), head(5)[4]), (Ok(5), Ok(5), 2));
        assert!(of_version(3).is_err_and(|why| why.contains("version 3")));
        assert!(of_version(0).is_err());
    }
}
