//! The `[limits]` table: a row for each field of [`Limits`], with what may be set.

use super::units;
use crate::base::limits::{HEADER_FIELDS_MAX, Limits};

/// A field of [`Limits`] by its unit.
#[derive(Debug)]
pub enum Field<'a> {
    /// Bytes, written as a size.
    Bytes(&'a mut usize),
    /// A plain number.
    Count(&'a mut usize),
    /// Milliseconds, written as a duration.
    Millis(&'a mut u64),
    /// Bytes per second, written as a size.
    Rate(&'a mut u64),
}

/// A row of the table.
#[derive(Debug)]
pub struct Limit {
    /// The field's name.
    pub name: &'static str,
    /// The table that it stands in: `limits`, or that of its application, whose name the field's name begins with.
    pub table: &'static str,
    /// Least value, in the field's unit.
    pub least: u64,
    /// Greatest value, in the field's unit.
    pub most: u64,
    field: for<'a> fn(&'a mut Limits) -> Field<'a>,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const HOUR: u64 = 3_600_000;

macro_rules! limit {
    ($name:ident: $unit:ident, $least:expr, $most:expr) => {
        limit!($name in "limits": $unit, $least, $most)
    };
    ($name:ident in $table:literal: $unit:ident, $least:expr, $most:expr) => {
        Limit {
            name: stringify!($name),
            table: $table,
            least: $least,
            most: $most,
            field: |limits| Field::$unit(&mut limits.$name),
        }
    };
}

/// Every field of [`Limits`], in its order.
pub const LIMITS: [Limit; 23] = [
    limit!(request_line_bytes: Bytes, 256, 64 * KIB),
    limit!(header_bytes: Bytes, KIB, MIB),
    limit!(header_field_bytes: Bytes, 256, MIB),
    limit!(header_fields: Count, 8, HEADER_FIELDS_MAX as u64),
    limit!(pixel_body_bytes: Bytes, 64, MIB),
    limit!(batch_body_bytes: Bytes, 64, GIB),
    limit!(chunk_line_bytes: Bytes, 18, 4 * KIB),
    limit!(trailer_bytes: Bytes, 0, 64 * KIB),
    limit!(first_byte_ms: Millis, 10, HOUR),
    limit!(header_ms: Millis, 10, HOUR),
    limit!(body_grace_ms: Millis, 10, HOUR),
    limit!(body_rate_bytes: Rate, 0, MIB),
    limit!(idle_ms: Millis, 10, HOUR),
    limit!(idle_crowded_ms: Millis, 10, HOUR),
    limit!(write_stall_ms: Millis, 10, HOUR),
    limit!(pipeline_requests: Count, 1, 4096),
    limit!(output_bytes: Bytes, 4 * KIB, 64 * MIB),
    limit!(connections: Count, 1, 1_000_000),
    limit!(buffered_bytes: Bytes, MIB, 64 * GIB),
    limit!(lane_full_ms: Millis, 1, 60_000),
    limit!(peer_waiters: Count, 1, 10_000_000),
    limit!(board_max_picture in "board": Bytes, KIB, GIB),
    // A blob may have 256 MiB.
    limit!(thumbs_max_body in "thumbs": Bytes, KIB, 256 * MIB),
];

impl Limit {
    /// The key: the name behind its table's.
    #[must_use]
    pub fn key(&self) -> String {
        let name = self.name.strip_prefix(self.table).and_then(|rest| rest.strip_prefix('_'));
        format!("{}.{}", self.table, name.unwrap_or(self.name))
    }

    /// Sets the field from `text`.
    ///
    /// # Errors
    /// What is allowed, when the text has another form or the value is out of bounds.
    pub fn set(&self, limits: &mut Limits, text: &str) -> Result<(), String> {
        let field = (self.field)(limits);
        let value = match field {
            Field::Bytes(_) | Field::Rate(_) => units::size(text),
            Field::Count(_) => text.parse().ok(),
            Field::Millis(_) => text.parse().ok().or_else(|| units::duration_ms(text)),
        };
        let value = value.filter(|value| (self.least..=self.most).contains(value));
        let value = value.ok_or_else(|| self.allowed(&field))?;
        match field {
            Field::Bytes(place) | Field::Count(place) => {
                *place = usize::try_from(value).map_err(|_| "less on this machine".to_owned())?;
            }
            Field::Millis(place) | Field::Rate(place) => *place = value,
        }
        Ok(())
    }

    /// The field's value as it may be written.
    #[must_use]
    pub fn show(&self, limits: &Limits) -> String {
        let mut limits = limits.clone();
        match (self.field)(&mut limits) {
            Field::Bytes(bytes) => units::show_size(*bytes as u64),
            Field::Rate(bytes) => units::show_size(*bytes),
            Field::Count(count) => count.to_string(),
            Field::Millis(ms) => units::show_duration(*ms),
        }
    }

    fn allowed(&self, field: &Field<'_>) -> String {
        let (form, show): (&str, fn(u64) -> String) = match field {
            Field::Bytes(_) => ("a size", units::show_size),
            Field::Rate(_) => ("bytes per second", units::show_size),
            Field::Count(_) => ("a number", |count| count.to_string()),
            Field::Millis(_) => ("a duration (a number alone is milliseconds)", units::show_duration),
        };
        format!("{form} from {} to {}", show(self.least), show(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_row_in_order_and_its_default_is_allowed() {
        let shown = format!("{:?}", Limits::default());
        let fields =
            shown.trim_start_matches("Limits { ").split(", ").filter_map(|field| field.split(':').next());
        let rows: Vec<&str> = LIMITS.iter().map(|limit| limit.name).collect();
        assert_eq!(rows, fields.collect::<Vec<_>>());
        for limit in &LIMITS {
            let (mut limits, text) = (Limits::default(), limit.show(&Limits::default()));
            assert_eq!(limit.set(&mut limits, &text), Ok(()), "{} = {text}", limit.name);
            assert_eq!(limits, Limits::default());
        }
    }

    #[test]
    fn no_time_is_longer_than_an_hour() {
        let mut limits = Limits::default();
        for limit in LIMITS.iter().filter(|limit| limit.name.ends_with("_ms")) {
            let refused = limit.set(&mut limits, "3600001").expect_err(limit.name);
            assert!(refused.starts_with("a duration"), "{}: {refused}", limit.name);
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn values_are_bounded_and_the_error_says_how() {
        let limit = |name: &str| LIMITS.iter().find(|limit| limit.name == name).expect("a limit");
        let mut limits = Limits::default();
        assert_eq!(limit("idle_ms").set(&mut limits, "250"), Ok(()));
        assert_eq!(limits.idle_ms, 250);
        assert_eq!(limit("idle_ms").set(&mut limits, "1m"), Ok(()));
        assert_eq!(limits.idle_ms, 60_000);
        let refused = limit("header_fields").set(&mut limits, "65");
        assert_eq!(refused, Err("a number from 8 to 64".to_owned()));
        let refused = limit("header_bytes").set(&mut limits, "2MiB");
        assert_eq!(refused, Err("a size from 1KiB to 1MiB".to_owned()));
        assert!(limit("connections").set(&mut limits, "many").is_err());
    }
}
