//! What is wrong with an input, in the form that FastAPI's clients know:
//! `{"detail":[{"type","loc","msg","input"[,"ctx"]},...]}`.
//!
//! Inputs are echoed from the text of the request itself, less insignificant white space. So a number of a thousand
//! digits or a lone surrogate comes back as it was sent, and nothing is ever built in memory that is deeper or larger
//! than what the client wrote.

use serde_json::value::RawValue;

/// Where the fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// The whole body.
    Body,
    /// A field of the body's object.
    Field(&'a str),
    /// A character's number in the body.
    Character(usize),
    /// A parameter of the query.
    Query(&'a str),
}

/// The value that was wrong.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Valid JSON out of the request.
    Json(&'a str),
    /// Text that is no JSON.
    Text(&'a str),
}

/// What is wrong: the type, message and context of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// A field, or the body, is not there.
    Missing,
    /// A channel that is none of the three.
    NoChannel,
    /// A string that is no integer.
    IntParsing,
    /// A number that is no whole one.
    IntFromFloat,
    /// Neither number, string nor boolean.
    IntType,
    /// Above the bound.
    Above(i64),
    /// Below the bound.
    Below(i64),
    /// The body is no JSON, for the given reason.
    JsonInvalid(&'a str),
    /// JSON, but no object.
    NoObject,
    /// JSON, but no array.
    NoList,
    /// A line or an element longer than this number of bytes.
    TooLong(usize),
    /// A binary record cut short; it takes this number of bytes.
    TooShort(usize),
    /// A cursor that was not made by this service.
    NoCursor,
    /// Neither a time nor a cursor.
    NoMoment,
    /// The cursor of a list with a filter, where all before it has to have been seen.
    FilteredCursor,
    /// A parameter that there is not, where it matters.
    Extra,
    /// A size of cells that is none of those there are.
    NoScale,
}

impl Fault<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NoChannel => "literal_error",
            Self::IntParsing => "int_parsing",
            Self::IntFromFloat => "int_from_float",
            Self::IntType => "int_type",
            Self::Above(_) => "less_than_equal",
            Self::Below(_) => "greater_than_equal",
            Self::JsonInvalid(_) => "json_invalid",
            Self::NoObject => "model_attributes_type",
            Self::NoList => "list_type",
            Self::TooLong(_) => "bytes_too_long",
            Self::TooShort(_) => "bytes_too_short",
            Self::NoCursor | Self::NoMoment | Self::FilteredCursor | Self::NoScale => "value_error",
            Self::Extra => "extra_forbidden",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Missing => "Field required".into(),
            Self::NoChannel => "Input should be 'R', 'G' or 'B'".into(),
            Self::IntParsing => {
                "Input should be a valid integer, unable to parse string as an integer".into()
            }
            Self::IntFromFloat => {
                "Input should be a valid integer, got a number with a fractional part".into()
            }
            Self::IntType => "Input should be a valid integer".into(),
            Self::Above(bound) => format!("Input should be less than or equal to {bound}"),
            Self::Below(bound) => format!("Input should be greater than or equal to {bound}"),
            Self::JsonInvalid(_) => "JSON decode error".into(),
            Self::NoObject => "Input should be a valid dictionary or object to extract fields from".into(),
            Self::NoList => "Input should be a valid list".into(),
            Self::TooLong(bound) => format!("Data should have at most {bound} bytes"),
            Self::TooShort(bound) => format!("Data should have at least {bound} bytes"),
            Self::NoCursor => "Value error, not a cursor of this service".into(),
            Self::NoMoment => {
                "Value error, neither a time such as 2026-11-29T10:00:00Z nor a cursor of this service".into()
            }
            Self::FilteredCursor => {
                "Value error, a cursor of a list with a filter: take one of a list without, or a time".into()
            }
            Self::Extra => "Extra inputs are not permitted".into(),
            Self::NoScale => "Value error, a scale is 1 to 32, or 1/2 to 1/64".into(),
        }
    }

    fn context(&self) -> Option<serde_json::Value> {
        use serde_json::json;
        Some(match self {
            Self::NoChannel => json!({"expected": "'R', 'G' or 'B'"}),
            Self::Above(bound) => json!({"le": bound}),
            Self::Below(bound) => json!({"ge": bound}),
            Self::JsonInvalid(reason) => json!({"error": reason}),
            Self::TooLong(bound) => json!({"max_length": bound}),
            Self::TooShort(bound) => json!({"min_length": bound}),
            _ => return None,
        })
    }
}

/// A list of faults, already in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    entries: Vec<u8>,
}

impl Details {
    /// Returns the list of one fault.
    #[must_use]
    pub fn one(fault: &Fault<'_>, location: Location<'_>, input: Input<'_>) -> Self {
        let mut details = Self::default();
        details.add(fault, location, input);
        details
    }

    /// Adds a fault to the end of the list.
    pub fn add(&mut self, fault: &Fault<'_>, location: Location<'_>, input: Input<'_>) {
        let out = &mut self.entries;
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(fault.kind().as_bytes());
        out.extend_from_slice(b"\",\"loc\":");
        write_location(out, location);
        out.extend_from_slice(b",\"msg\":");
        write_text(out, &fault.message());
        out.extend_from_slice(b",\"input\":");
        match input {
            Input::Json(json) => write_compact(out, json),
            Input::Text(text) => write_text(out, text),
        }
        if let Some(context) = fault.context() {
            out.extend_from_slice(b",\"ctx\":");
            out.extend_from_slice(context.to_string().as_bytes());
        }
        out.push(b'}');
    }

    /// Returns whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends the list, `[{...},...]`.
    pub fn write_list(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        out.extend_from_slice(&self.entries);
        out.push(b']');
    }

    /// Returns the body of an answer: `{"detail":[...]}`.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = b"{\"detail\":".to_vec();
        self.write_list(&mut out);
        out.push(b'}');
        out
    }
}

fn write_location(out: &mut Vec<u8>, location: Location<'_>) {
    let (place, inner) = match location {
        Location::Body => ("body", None),
        Location::Field(name) => ("body", Some(name)),
        Location::Query(name) => ("query", Some(name)),
        Location::Character(number) => {
            return out.extend_from_slice(format!("[\"body\",{number}]").as_bytes());
        }
    };
    out.push(b'[');
    write_text(out, place);
    if let Some(name) = inner {
        out.push(b',');
        write_text(out, name);
    }
    out.push(b']');
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes every write");
}

/// Copies valid JSON without the white space between its tokens.
fn write_compact(out: &mut Vec<u8>, json: &str) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json.as_bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}

/// Returns the text of a captured value, as an echo.
#[must_use]
pub fn echo(value: &RawValue) -> Input<'_> {
    Input::Json(value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_members_in_order() {
        let details = Details::one(&Fault::Above(255), Location::Field("value"), Input::Json("256"));
        let expected = br#"{"detail":[{"type":"less_than_equal","loc":["body","value"],"msg":"Input should be less than or equal to 255","input":256,"ctx":{"le":255}}]}"#;
        assert_eq!(details.body(), expected);
    }

    #[test]
    fn an_echo_loses_only_space_between_tokens() {
        let mut out = Vec::new();
        write_compact(&mut out, "{ \"a b\" :\n[1 , \"\\\" \\\\\" , \"\\\\\"\t] }");
        assert_eq!(out, br#"{"a b":[1,"\" \\","\\"]}"#);
    }
}
