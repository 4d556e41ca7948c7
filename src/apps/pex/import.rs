//! Taking over the count of the original server: the one line of five numbers that it keeps in its file.

use super::digits;
use super::record::Wish;
use super::state::PexState;
use crate::app::applied::Applied;

/// The numbers of the line, in its order.
pub const FIELDS: [&str; 5] = ["Hitcount", "Position", "Previous", "Current", "Next"];

/// What the line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// Requests that were counted.
    pub hits: u64,
    /// The position.
    pub position: u64,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not a line of five numbers.
    #[error("expected one line {line}, found {found}", line = FIELDS.join(","))]
    Form {
        /// What was found instead.
        found: String,
    },
    /// A field is no number.
    #[error("{field} is {text:?}, which is not a whole number from {least} to {most}")]
    Number {
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        least: i64,
        /// What may stand there.
        most: u64,
    },
    /// The numbers do not belong together.
    #[error(
        "{field} is {found}, but at Position {position} it is {expected} (in 64 bits, as the original counts)"
    )]
    Disagrees {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: i128,
        /// The position that the line names.
        position: u64,
        /// What would have to stand there.
        expected: u64,
    },
    /// The position is beyond the bound.
    #[error("Position is {position}, but pex.max_position is {last}: set that to {position} or more")]
    Beyond {
        /// The position.
        position: u64,
        /// The bound.
        last: u64,
    },
}

impl Import {
    /// Reads the file's content; `last` is the last position there may be. The names of the numbers may stand in a line
    /// above them.
    ///
    /// # Errors
    /// Returns what is wrong. The three numbers must be those of the position, modulo 2^64: the original wraps around there.
    pub fn read(content: &[u8], last: u64) -> Result<Self, ImportError> {
        let text = std::str::from_utf8(content).map_err(|_| form("not a text"))?;
        let mut lines: Vec<_> = text.lines().map(str::trim).collect();
        while lines.last() == Some(&"") {
            lines.pop();
        }
        let line = match lines[..] {
            [] => return Err(form("empty")),
            [line] => line,
            [names, line] if names == FIELDS.join(",") => line,
            _ => return Err(form(&format!("{} lines", lines.len()))),
        };
        let texts: Vec<_> = line.split(',').map(str::trim).collect();
        if texts.len() != FIELDS.len() {
            return Err(form(&format!("a line of {}", texts.len())));
        }
        let number = |at: usize| natural(FIELDS[at], texts[at]);
        let (hits, position) = (number(0)?, number(1)?);
        for (at, n) in [(2, position.saturating_sub(1)), (3, position), (4, position.saturating_add(1))] {
            agrees(FIELDS[at], texts[at], position, digits::wrapped(n))?;
        }
        if position > last {
            return Err(ImportError::Beyond { position, last });
        }
        Ok(Self { hits, position })
    }

    /// Returns the record that takes it over.
    #[must_use]
    pub fn record(self) -> Vec<u8> {
        Wish::Import { hits: self.hits, position: self.position }.encode()
    }
}

/// Checks whether an import may be made on top of what is there.
///
/// # Errors
/// Returns what is there already.
pub fn is_welcome(applied: &Applied) -> Result<(), String> {
    match applied.state::<PexState>() {
        Some(state) if !state.is_empty() => Err(format!(
            "the Fibonacci service stands at position {} after {} hits, and only an empty one takes an import; nothing \
             was changed. Start without --import-fibo",
            state.position(),
            state.hits()
        )),
        _ => Ok(()),
    }
}

fn form(found: &str) -> ImportError {
    ImportError::Form { found: found.to_owned() }
}

fn natural(field: &'static str, text: &str) -> Result<u64, ImportError> {
    let error = || ImportError::Number { field, text: text.to_owned(), least: 0, most: u64::MAX };
    text.parse().map_err(|_| error())
}

/// Checks whether `text` is `expected`, also when it was written as a signed number of 64 bits.
fn agrees(field: &'static str, text: &str, position: u64, expected: u64) -> Result<(), ImportError> {
    let most = u64::MAX;
    let error = || ImportError::Number { field, text: text.to_owned(), least: i64::MIN, most };
    let found: i128 = text.parse().map_err(|_| error())?;
    if found < i128::from(i64::MIN) || found > i128::from(most) {
        return Err(error());
    }
    if found == i128::from(expected) || found == i128::from(expected.cast_signed()) {
        return Ok(());
    }
    Err(ImportError::Disagrees { field, found, position, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: u64 = 1_000;

    #[test]
    fn lines_as_the_original_writes_them() {
        for (text, hits, position) in [
            ("0,0,0,0,1", 0, 0),
            ("1,1,0,1,1\n", 1, 1),
            ("17,10,34,55,89\r\n", 17, 10),
            (" 17, 10, 34, 55, 89 \n\n", 17, 10),
            ("Hitcount,Position,Previous,Current,Next\n17,10,34,55,89\n", 17, 10),
            ("99,93,7540113804746346429,12200160415121876738,1293530146158671551", 99, 93),
            ("99,93,7540113804746346429,-6246583658587674878,1293530146158671551", 99, 93),
        ] {
            assert_eq!(Import::read(text.as_bytes(), LAST), Ok(Import { hits, position }), "{text:?}");
        }
    }

    #[test]
    fn a_broken_file_is_answered_with_what_is_wrong() {
        for (text, reason) in [
            ("", "expected one line Hitcount,Position,Previous,Current,Next, found empty"),
            ("1,2", "expected one line Hitcount,Position,Previous,Current,Next, found a line of 2"),
            (
                "0,0,0,0,1\n0,0,0,0,1",
                "expected one line Hitcount,Position,Previous,Current,Next, found 2 lines",
            ),
            ("x,0,0,0,1", "Hitcount is \"x\", which is not a whole number from 0 to 18446744073709551615"),
            ("1,-1,0,0,1", "Position is \"-1\", which is not a whole number from 0 to 18446744073709551615"),
            (
                "1,1,0,,1",
                "Current is \"\", which is not a whole number from -9223372036854775808 to 18446744073709551615",
            ),
            (
                "17,10,34,54,89",
                "Current is 54, but at Position 10 it is 55 (in 64 bits, as the original counts)",
            ),
            ("17,0,1,0,1", "Previous is 1, but at Position 0 it is 0 (in 64 bits, as the original counts)"),
        ] {
            let error = Import::read(text.as_bytes(), LAST).expect_err(text);
            assert_eq!(error.to_string(), reason);
        }
        let (previous, current, next) =
            (digits::wrapped(1_000), digits::wrapped(1_001), digits::wrapped(1_002));
        let beyond = Import::read(format!("1,1001,{previous},{current},{next}").as_bytes(), LAST);
        assert_eq!(beyond, Err(ImportError::Beyond { position: 1_001, last: 1_000 }));
        assert_eq!(Import::read(&[0xFF], LAST), Err(form("not a text")));
    }
}
