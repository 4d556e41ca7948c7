//! Toys with keys, and orders: of those with one name the earliest stands, whether it is in memory or on the disk.
//!
//! An item goes to the disk only while its name has no other claim. Whatever claims that name later finds out by the filters of the
//! runs that an old item may have it, and is in doubt until somebody has read: then the old one is in memory again, and everything is
//! as if it had never gone. So of one name either no item is on the disk, or none is in memory, or there is a doubt.

/// About what a toy without a key takes in memory beside its name, in three maps, bytes.
const TOY_BYTES: u64 = 300;
/// The same of a toy with a key, in six maps.
const KEYED_BYTES: u64 = 690;
/// The same of an order, in three maps.
const ORDER_BYTES: u64 = 470;

/// In the outcome of a record: whether it stands is not known before somebody has read.
pub const IN_DOUBT: u64 = 1 << 63;

/// Knowledge of a name without reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// This stands for it.
    Known(T),
    /// There is something in memory, and perhaps something on the disk, too.
    Doubt,
    /// There may be something on the disk.
    Old,
    /// Nothing has it.
    Free,
}

/// Returns about what a toy without a key takes in memory, bytes.
#[must_use]
pub fn plain_bytes(name: &str) -> u64 {
    TOY_BYTES + name.len() as u64
}

/// The same of a toy with a key.
#[must_use]
pub fn keyed_bytes(name: &str) -> u64 {
    KEYED_BYTES + name.len() as u64
}

/// The same of an order.
#[must_use]
pub fn order_bytes(product: &str) -> u64 {
    ORDER_BYTES + product.len() as u64
}
