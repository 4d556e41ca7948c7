//! `DELETE /pixels`, and `DELETE /pixels?before=`: its parameters, and a request that waits until it is known what stands
//! before its moment.

use std::sync::Arc;

use crate::app::answer;
use crate::app::application::{Action, Resume, View, Wait};
use crate::app::wait::News;
use crate::http::moment;
use crate::http::query;
use crate::http::response::Response;

use super::asked::{Asked, Before, later};
use super::cursor::Cursor;
use super::cut;
use super::cutter::Cutter;
use super::detail::{Details, Fault, Input, Location};
use super::limits::CUT_WAIT_US;
use super::list;
use super::state::clear_record;

/// The one parameter.
const NAME: &str = "before";

/// Reads the parameters; nothing without any. What removes must not be mistaken, so a parameter that there is not, and one
/// that is there twice, are faults.
///
/// # Errors
/// Returns what is wrong with each of them.
pub fn read(text: &str) -> Result<Option<Before>, Details> {
    let (mut before, mut details) = (None, Details::default());
    for (name, value) in query::parameters(text) {
        let fault = if name != NAME || before.is_some() {
            Some(Fault::Extra)
        } else {
            before = read_one(&value);
            match before {
                None => Some(Fault::NoMoment),
                // What the list left out would go unseen.
                Some(Before::Place(cursor)) if cursor.is_filtered => Some(Fault::FilteredCursor),
                Some(_) => None,
            }
        };
        if let Some(fault) = fault {
            details.add(&fault, Location::Query(&name), Input::Text(&value));
        }
    }
    if details.is_empty() { Ok(before) } else { Err(details) }
}

fn read_one(value: &str) -> Option<Before> {
    moment::read_us(value).map(Before::Time).or_else(|| Cursor::decode(value).map(Before::Place))
}

/// Answers `DELETE /pixels`.
pub fn delete(query: &str, cutter: &Arc<Cutter>, view: &View<'_>) -> Action {
    match read(query) {
        Err(details) => Action::Respond(answer::json(422, details.body())),
        Ok(None) => Action::Append { records: clear_record(), response: cleared() },
        Ok(Some(Before::Place(place))) if place.node != view.node => Action::Respond(list::no_bound()),
        Ok(Some(before)) => {
            let asked = Asked::new(before, view.ticket, view.waker.clone());
            if !cutter.ask(asked.clone()) {
                return Action::Respond(later());
            }
            let until_us = Some(view.clock_us + CUT_WAIT_US);
            Action::Wait(Wait { until_us, then: Box::new(Waiting(asked)) })
        }
    }
}

/// The request, while it waits.
struct Waiting(Arc<Asked>);

impl Resume for Waiting {
    fn resume(self: Box<Self>, _: &View<'_>, _: News) -> Action {
        match self.0.take() {
            None => Action::Respond(later()),
            Some(Err(response)) => Action::Respond(response),
            // An earlier request may have cleared it.
            Some(Ok(records)) if records.is_empty() => {
                // A cut without a floor.
                Action::Confirm { record: cut::no_cut(), response: cleared() }
            }
            Some(Ok(records)) => Action::Append { records, response: cleared() },
        }
    }
}

fn cleared() -> Response {
    answer::json(200, r#"{"status":"cleared"}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{NodeId, Position};

    #[test]
    fn a_moment_a_cursor_or_nothing() {
        let cursor = Cursor { node: NodeId(1), batch: Position(9), index: 2, is_filtered: false };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("before=1970-01-01T00:00:01Z"), Ok(Some(Before::Time(1_000_000))));
        assert_eq!(read(&format!("before={}", cursor.encode())), Ok(Some(Before::Place(cursor))));
        let filtered = Cursor { is_filtered: true, ..cursor };
        let refused = read(&format!("before={}", filtered.encode())).unwrap_err().body();
        let refused = String::from_utf8(refused).unwrap();
        assert!(refused.contains("a list with a filter"), "{refused}");
    }

    #[test]
    fn whatever_else_is_refused_by_name() {
        let kinds = |text: &str| -> Vec<(String, String)> {
            let body: serde_json::Value = serde_json::from_slice(&read(text).unwrap_err().body()).unwrap();
            let entry = |entry: &serde_json::Value| {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                (text(&entry["loc"][1]), text(&entry["type"]))
            };
            body["detail"].as_array().unwrap().iter().map(entry).collect()
        };
        let expected = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
        };
        assert_eq!(kinds("befor=2026-11-29T10:00:00Z"), expected(&[("befor", "extra_forbidden")]));
        assert_eq!(
            kinds("before=yesterday&channel=R"),
            expected(&[("before", "value_error"), ("channel", "extra_forbidden")])
        );
        let moment = "before=1970-01-01T00:00:01Z";
        assert_eq!(kinds(&format!("{moment}&{moment}")), expected(&[("before", "extra_forbidden")]));
    }
}
