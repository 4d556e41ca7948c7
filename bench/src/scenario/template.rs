//! Bodies that differ from request to request, written in tens of nanoseconds.
//!
//! A template is text with placeholders: `{{n}}` is the request's number, `{{n % 256}}` its remainder,
//! `{{rand 0 255}}` a random number of the range (both ends included), `{{pick R G B}}` one of the words. `{{{{` writes two
//! braces; closing ones need no sign.
//! It is compiled once; writing a body copies literals and formats integers, nothing else.

use crate::scenario::random::Random;

/// The body of `pixeld bench` unless another one is given: every pixel is a different one.
pub const PIXEL: &str = r#"{"x":{{n}},"y":{{rand 0 999}},"channel":"{{pick R G B}}","value":{{rand 0 255}}}"#;

/// A mistake in a template, with the column (from 1) where it starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad template, column {column}: {what}")]
pub struct TemplateError {
    /// Column of the placeholder's first brace, counted in characters from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Number,
    Remainder(u64),
    Between { low: i64, span: u64 },
    Pick(Vec<Vec<u8>>),
}

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    /// What it was made of.
    source: Vec<u8>,
    /// What reports call it instead.
    name: Option<String>,
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Returns [`TemplateError`] with the column of the first placeholder that can't be understood.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            push_literal(&mut pieces, &rest[..open]);
            let at = text.len() - rest.len() + open;
            if rest[open..].starts_with("{{{{") {
                push_literal(&mut pieces, "{{");
                rest = &rest[open + 4..];
                continue;
            }
            let wrong = |what: String| TemplateError { column: text[..at].chars().count() + 1, what };
            let close = rest[open..]
                .find("}}")
                .ok_or_else(|| wrong("`{{` without `}}`; `{{{{` writes braces".into()))?;
            pieces.push(placeholder(&rest[open + 2..open + close]).map_err(wrong)?);
            rest = &rest[open + close + 2..];
        }
        push_literal(&mut pieces, rest);
        Ok(Self { pieces, source: text.as_bytes().to_vec(), name: None })
    }

    /// Returns a template without placeholders, for bytes that are not text.
    #[must_use]
    pub fn literal(bytes: Vec<u8>) -> Self {
        let source = bytes.clone();
        let pieces = if bytes.is_empty() { Vec::new() } else { vec![Piece::Literal(bytes)] };
        Self { pieces, source, name: None }
    }

    /// Gives it a name, for reports of runs whose templates differ and mean the same.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_string()), ..self }
    }

    /// Returns what reports show of it: its name, or else what it was made of.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        self.name.as_ref().map_or(&self.source, |name| name.as_bytes())
    }

    /// Returns the text that it can be compiled from again; nothing for bytes that were taken as they are.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.source).ok()?;
        Self::compile(text).is_ok_and(|again| again.pieces == self.pieces).then_some(text)
    }

    /// Returns the bytes that it was made of, whatever its name.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.source
    }

    /// Returns whether every body is the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Appends the body of request `number` to `out`.
    #[inline]
    pub fn write(&self, number: u64, random: &mut Random, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Number => out.extend_from_slice(digits.format(number).as_bytes()),
                Piece::Remainder(modulus) => {
                    out.extend_from_slice(digits.format(number % modulus).as_bytes());
                }
                Piece::Between { low, span } => {
                    let value = low.wrapping_add(random.below(*span) as i64);
                    out.extend_from_slice(digits.format(value).as_bytes());
                }
                Piece::Pick(words) => {
                    out.extend_from_slice(&words[random.below(words.len() as u64) as usize]);
                }
            }
        }
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.as_bytes().to_vec()));
    }
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    let words: Vec<&str> = inside.split_whitespace().collect();
    match words.as_slice() {
        ["n"] => Ok(Piece::Number),
        ["n", "%", modulus] => match modulus.parse() {
            Ok(modulus) if modulus > 0 => Ok(Piece::Remainder(modulus)),
            _ => Err(format!("`{modulus}` is no divisor; write for example {{{{n % 256}}}}")),
        },
        ["rand", low, high] => between(low, high),
        ["rand", ..] => Err("rand takes two numbers; write for example {{rand 0 255}}".into()),
        ["pick", words @ ..] if !words.is_empty() => {
            Ok(Piece::Pick(words.iter().map(|word| word.as_bytes().to_vec()).collect()))
        }
        _ => Err(format!(
            "unknown placeholder `{{{{{inside}}}}}`; there are {{{{n}}}}, {{{{n % 256}}}}, {{{{rand 0 255}}}} and \
             {{{{pick R G B}}}}"
        )),
    }
}

fn between(low: &str, high: &str) -> Result<Piece, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"));
    let (low, high) = (number(low)?, number(high)?);
    match high.checked_sub(low) {
        Some(width) if width >= 0 => Ok(Piece::Between { low, span: width as u64 + 1 }),
        _ => Err(format!("rand {low} {high}: the first number must not be above the second")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, number: u64) -> String {
        let mut out = Vec::new();
        Template::compile(text).unwrap().write(number, &mut Random::new(3), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies_by_table() {
        for (text, number, expected) in [
            ("", 0, ""),
            ("plain {text}", 0, "plain {text}"),
            ("{{n}}", 42, "42"),
            ("a{{n}}b{{ n % 10 }}c", 1234, "a1234b4c"),
            ("{{rand 7 7}}", 0, "7"),
            ("{{rand -5 -5}}", 0, "-5"),
            ("{{pick R}}", 0, "R"),
            (r#"{"a":{"b":{{n}}}}"#, 1, r#"{"a":{"b":1}}"#),
            ("{{{{name}} {{n}}", 7, "{{name}} 7"),
            ("{{{{{{n}}", 7, "{{7"),
            ("{{{{", 7, "{{"),
            ("a}}b}}}}", 7, "a}}b}}}}"),
        ] {
            assert_eq!(written(text, number), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_name_their_column() {
        for (text, column) in [
            ("{{m}}", 1),
            ("ab{{rand 1}}", 3),
            ("äö{{rand 2 1}}", 3),
            ("{{n}}{{n % 0}}", 6),
            ("x{{n", 2),
            ("{{pick}}", 1),
            ("{{rand a b}}", 1),
        ] {
            let error = Template::compile(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.to_string().contains(&format!("column {column}")));
        }
    }

    #[test]
    fn random_numbers_stay_in_their_range() {
        let template = Template::compile("{{rand -1 1}}").unwrap();
        let mut random = Random::new(0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut out = Vec::new();
            template.write(0, &mut random, &mut out);
            seen.insert(String::from_utf8(out).unwrap());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["-1", "0", "1"]);
    }

    #[test]
    fn the_usual_body_is_a_pixel_and_unique() {
        let first: serde_json::Value = serde_json::from_str(&written(PIXEL, 1)).unwrap();
        let second: serde_json::Value = serde_json::from_str(&written(PIXEL, 2)).unwrap();
        assert_eq!((&first["x"], &second["x"]), (&1.into(), &2.into()));
        assert!(first["value"].as_u64().unwrap() <= 255);
    }
}
