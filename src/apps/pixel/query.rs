//! The parameters of `GET /pixels`.

use crate::http::query;

use super::cursor::Cursor;
use super::detail::{Details, Fault, Input, Location};
use super::record::{Channel, Pixel};
use super::validate::integer_of_text;

/// Which pixels, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Any parameter was given: the answer then tells where the next page begins.
    pub is_paged: bool,
    /// Begin behind this pixel.
    pub after: Option<Cursor>,
    /// Most pixels of the answer, at least 1.
    pub limit: Option<u64>,
    /// What a pixel must be like.
    pub filter: Filter,
}

/// What a pixel must be like; bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    channel: Option<Channel>,
    x_min: i64,
    x_max: i64,
    y_min: i64,
    y_max: i64,
}

impl Default for Filter {
    fn default() -> Self {
        Self { channel: None, x_min: i64::MIN, x_max: i64::MAX, y_min: i64::MIN, y_max: i64::MAX }
    }
}

impl Filter {
    /// Returns whether every pixel passes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether this pixel passes.
    #[inline]
    #[must_use]
    pub fn passes(&self, pixel: &Pixel) -> bool {
        (self.x_min..=self.x_max).contains(&i64::from(pixel.x))
            && (self.y_min..=self.y_max).contains(&i64::from(pixel.y))
            && self.channel.is_none_or(|channel| channel == pixel.channel)
    }
}

/// The parameters, in the order in which their faults are reported.
const NAMES: [&str; 7] = ["after", "limit", "channel", "x_min", "x_max", "y_min", "y_max"];

/// Reads the parameters; unknown ones are ignored, and of equal ones the last counts.
///
/// # Errors
/// Returns what is wrong with each of them.
pub fn read(text: &str) -> Result<Query, Details> {
    let mut query = Query::default();
    let mut details = Details::default();
    for name in NAMES {
        let Some(value) = query::parameter(text, name) else { continue };
        query.is_paged = true;
        if let Err(fault) = set(&mut query, name, &value) {
            details.add(&fault, Location::Query(name), Input::Text(&value));
        }
    }
    if details.is_empty() { Ok(query) } else { Err(details) }
}

fn set(query: &mut Query, name: &str, value: &str) -> Result<(), Fault<'static>> {
    let integer = || integer_of_text(value).ok_or(Fault::IntParsing);
    let filter = &mut query.filter;
    match name {
        "after" => query.after = Some(Cursor::decode(value).ok_or(Fault::NoCursor)?),
        "limit" => {
            let limit = u64::try_from(integer()?).ok().filter(|limit| *limit > 0);
            query.limit = Some(limit.ok_or(Fault::Below(1))?);
        }
        "channel" => filter.channel = Some(channel(value).ok_or(Fault::NoChannel)?),
        "x_min" => filter.x_min = integer()?,
        "x_max" => filter.x_max = integer()?,
        "y_min" => filter.y_min = integer()?,
        "y_max" => filter.y_max = integer()?,
        _ => unreachable!("not one of the names above"),
    }
    Ok(())
}

fn channel(word: &str) -> Option<Channel> {
    let [letter] = word.as_bytes() else { return None };
    Channel::from_letter(*letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_the_last_of_equal_ones_counts() {
        let query = read("limit=x&limit=5&x_min=-3&channel=G&color=red&y_max=+7").unwrap();
        assert!(query.is_paged && query.limit == Some(5));
        let pixel = Pixel { x: -3, y: 7, channel: Channel::G, value: 0 };
        assert!(query.filter.passes(&pixel));
        assert!(!query.filter.passes(&Pixel { x: -4, ..pixel }));
        assert!(!query.filter.passes(&Pixel { y: 8, ..pixel }));
        assert!(!query.filter.passes(&Pixel { channel: Channel::R, ..pixel }));
        assert!(!read("color=red").unwrap().is_paged && read("").unwrap().filter.is_open());
    }

    #[test]
    fn each_wrong_parameter_is_named() {
        let body = String::from_utf8(read("limit=0&x_min=a&channel=r&after=zzz&y_min=").unwrap_err().body())
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let found: Vec<_> = body["detail"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                (entry["loc"][1].as_str().unwrap().to_owned(), entry["type"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = [
            ("after", "value_error"),
            ("limit", "greater_than_equal"),
            ("channel", "literal_error"),
            ("x_min", "int_parsing"),
            ("y_min", "int_parsing"),
        ];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    }
}
