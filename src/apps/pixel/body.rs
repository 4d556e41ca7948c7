//! One pixel's text, read by the fastest of three readers that knows its form.

use super::record::Pixel;
use super::validate::{self, Refusal};
use super::{scanner, template};

/// Reads the text of a pixel's usual values in any order; nothing if it is anything else.
#[inline]
#[must_use]
pub fn read_usual(body: &[u8]) -> Option<Pixel> {
    template::read(body).or_else(|| scanner::read(body))
}

/// Reads the text of a pixel.
///
/// # Errors
/// Returns why it is not valid.
#[inline]
pub fn read(body: &[u8]) -> Result<Pixel, Refusal> {
    read_usual(body).map_or_else(|| validate::read(body), Ok)
}

/// Returns whether a Content-Type names JSON: `application/json` or `application/*+json`, with any parameters.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let Some((main, sub)) = media_type.split_once('/') else { return false };
    let suffix = sub.len().checked_sub(5).and_then(|at| sub.get(at..));
    main.eq_ignore_ascii_case("application")
        && (sub.eq_ignore_ascii_case("json") || suffix.is_some_and(|end| end.eq_ignore_ascii_case("+json")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_types_of_json() {
        for yes in
            ["application/json", "APPLICATION/JSON", "application/json; charset=x", "application/a+json;"]
        {
            assert!(is_json(yes), "{yes}");
        }
        for no in
            ["", "json", "text/json", "application/", "application/jsonx", "application/ json", "text/a+json"]
        {
            assert!(!is_json(no), "{no}");
        }
    }

    fn space() -> impl Strategy<Value = String> {
        prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => any::<u8>().prop_map(|value| value.to_string()),
            4 => any::<i32>().prop_map(|value| value.to_string()),
            1 => any::<i64>().prop_map(|value| value.to_string()),
            1 => Just("-0".to_owned()),
            1 => "-?[0-9]{1,12}",
            1 => "-?[0-9]{1,3}([.][0-9]{1,2})?([eE][+-]?[0-9])?",
            1 => "\"[ +-]?[0-9_]{0,4}([.]0{0,2})?\"",
            1 => prop_oneof![Just("true".to_owned()), Just("null".to_owned()), Just("[1]".to_owned())],
        ]
    }

    fn channel() -> impl Strategy<Value = String> {
        prop_oneof![8 => "\"[RGB]\"", 1 => "\"[A-Za-z]{0,2}\"", 1 => Just(r#""\u0052""#.to_owned()), 1 => number()]
    }

    fn field() -> impl Strategy<Value = String> {
        let name_and_value = prop_oneof![
            4 => (Just("x"), number()),
            4 => (Just("y"), number()),
            4 => (Just("channel"), channel()),
            4 => (Just("value"), number()),
            1 => (Just("z"), number()),
            1 => (Just("\\u0078"), number()),
        ];
        (space(), name_and_value, space(), space(), space())
            .prop_map(|(a, (name, value), b, c, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"))
    }

    /// Returns the four fields, shuffled, with white space, an extra or a missing one at times; a byte changed at times.
    fn near_pixels() -> impl Strategy<Value = Vec<u8>> {
        let usual = (number(), number(), channel(), number()).prop_map(|(x, y, channel, value)| {
            format!("{{\"x\":{x},\"y\":{y},\"channel\":{channel},\"value\":{value}}}")
        });
        let four = (number(), number(), channel(), number(), space(), space())
            .prop_map(|(x, y, channel, value, a, b)| {
                vec![
                    format!("\"x\"{a}:{b}{x}"),
                    format!("{a}\"y\":{y}{b}"),
                    format!("\"channel\":{a}{channel}{b}"),
                    format!("{b}\"value\":{value}"),
                ]
            })
            .prop_shuffle();
        let any_order = (four, space()).prop_map(|(fields, a)| format!("{a}{{{}}}{a}", fields.join(",")));
        let any_fields = (space(), prop::collection::vec(field(), 0..7), space())
            .prop_map(|(a, fields, b)| format!("{a}{{{}}}{b}", fields.join(",")));
        let text = prop_oneof![usual, any_order, any_fields];
        (text, prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(
            |(text, change)| {
                let mut bytes = text.into_bytes();
                if let Some((index, byte)) = change {
                    let at = index.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn the_fast_readers_agree_with_the_slow_one(body in near_pixels()) {
            let slow = validate::read(&body);
            if let Some(pixel) = template::read(&body) {
                prop_assert_eq!(scanner::read(&body), Some(pixel));
            }
            if let Some(pixel) = scanner::read(&body) {
                prop_assert_eq!(slow, Ok(pixel));
            }
        }

        #[test]
        fn what_is_written_is_read(x: i32, y: i32, channel in 0_u8..3, value: u8) {
            let letter = b"RGB"[usize::from(channel)];
            let text = format!(r#"{{"x":{x},"y":{y},"channel":"{}","value":{value}}}"#, letter as char);
            let expected = Pixel { x, y, channel: crate::apps::pixel::record::Channel::from_letter(letter).unwrap(), value };
            prop_assert_eq!(template::read(text.as_bytes()), Some(expected));
            prop_assert_eq!(validate::read(text.as_bytes()), Ok(expected));
        }
    }
}
