//! A page of the list of pixels, rendered from the bodies of batches.

use crate::base::ids::{NodeId, Origin, Position, Seq};
use crate::log::format::record;

use super::cursor::Cursor;
use super::query::{Filter, Query};
use super::record::Pixel;
use super::render::{self, Format};
use super::state::Floors;

/// A record's place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose stream its batch belongs to.
    pub origin: Origin,
    /// Number of the batch's first record in that stream.
    pub first_seq: Seq,
    /// Where the batch starts.
    pub batch: Position,
    /// Number of the record in the batch, from 0.
    pub index: u32,
}

/// What is listed, and how far the listing has come.
#[derive(Debug)]
pub struct Page {
    node: NodeId,
    format: Format,
    filter: Filter,
    floors: Floors,
    is_paged: bool,
    /// Pixels that may still be listed.
    left: u64,
    is_first: bool,
    /// Something before its end is left out, here or on the pages before it.
    is_filtered: bool,
    last: Option<Cursor>,
}

impl Page {
    /// Returns the page that a query asks for.
    #[must_use]
    pub fn new(node: NodeId, format: Format, query: &Query, floors: Floors) -> Self {
        Self {
            node,
            format,
            filter: query.filter,
            floors,
            is_paged: query.is_paged,
            left: query.limit.unwrap_or(u64::MAX),
            is_first: true,
            is_filtered: !query.filter.is_open() || query.after.is_some_and(|after| after.is_filtered),
            last: None,
        }
    }

    /// Returns whether the limit is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Appends what stands before the first pixel.
    pub fn open(&self, total: u64, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => out.extend_from_slice(format!("{{\"total\":{total},\"data\":[").as_bytes()),
            Format::Lines => {}
            Format::Csv => out.extend_from_slice(render::CSV_HEADER),
        }
    }

    /// Appends what stands behind the last pixel.
    pub fn close(&self, out: &mut Vec<u8>) {
        if self.format != Format::Json {
            return;
        }
        out.push(b']');
        if self.is_paged {
            // Only a page that is full is known to have a next one.
            match self.last.filter(|_| self.is_full()) {
                Some(last) => out.extend_from_slice(format!(",\"next\":\"{}\"", last.encode()).as_bytes()),
                None => out.extend_from_slice(b",\"next\":null"),
            }
        }
        out.push(b'}');
    }

    /// Appends the pixels of `records`, of which the first stands at `place`, until the page is full or `out` has
    /// `out_bytes`. Gives the bytes that were read; `place` moves along.
    pub fn render(
        &mut self,
        place: &mut Place,
        records: &[u8],
        out: &mut Vec<u8>,
        out_bytes: usize,
    ) -> usize {
        let floor = self.floors.of(place.origin);
        let mut rest = records;
        while !self.is_full() && out.len() < out_bytes {
            let Some((record, after)) = split(rest) else { return records.len() };
            let is_listed = place.first_seq + u64::from(place.index) > floor;
            if let Some(pixel) = Pixel::decode(record).filter(|pixel| is_listed && self.filter.passes(pixel))
            {
                self.list(&pixel, place, out);
            }
            place.index += 1;
            rest = after;
        }
        records.len() - rest.len()
    }

    #[inline]
    fn list(&mut self, pixel: &Pixel, place: &Place, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => {
                if !std::mem::take(&mut self.is_first) {
                    out.push(b',');
                }
                render::object(out, pixel, b"");
            }
            Format::Lines => render::object(out, pixel, b"\n"),
            Format::Csv => render::row(out, pixel),
        }
        self.left -= 1;
        self.last = Some(Cursor {
            node: self.node,
            batch: place.batch,
            index: place.index,
            is_filtered: self.is_filtered,
        });
    }

    /// Returns the number of pixels in `records` that are listed and pass the filter; the first record stands at `place`.
    #[must_use]
    pub fn count(&self, place: &Place, records: &[u8]) -> u64 {
        let floor = self.floors.of(place.origin);
        let (mut rest, mut seq, mut count) = (records, place.first_seq + u64::from(place.index), 0);
        while let Some((record, after)) = split(rest) {
            let passes = seq > floor && Pixel::decode(record).is_some_and(|pixel| self.filter.passes(&pixel));
            count += u64::from(passes);
            (rest, seq) = (after, seq + 1);
        }
        count
    }
}

/// Returns the records behind the first `count` of them.
#[must_use]
pub fn skip(records: &[u8], count: u32) -> &[u8] {
    let mut rest = records;
    for _ in 0..count {
        let Some((_, after)) = split(rest) else { return &[] };
        rest = after;
    }
    rest
}

#[inline]
fn split(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = record::length_of(records).ok()??;
    records.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pixel::query;
    use crate::apps::pixel::record::Channel;
    use crate::apps::pixel::tag;
    use crate::base::ids::Inc;

    const ORIGIN: Origin = Origin { node: NodeId(1), inc: Inc(2) };

    fn place() -> Place {
        Place { origin: ORIGIN, first_seq: 5, batch: Position(4096), index: 0 }
    }

    /// Three pixels around a record of another kind.
    fn records() -> Vec<u8> {
        let pixel = |x: i32| Pixel { x, y: -x, channel: Channel::G, value: x as u8 }.encode();
        let mut records = pixel(1).to_vec();
        record::push(&mut records, tag::PIXEL_CLEAR, b"");
        records.extend_from_slice(&pixel(2));
        records.extend_from_slice(&pixel(3));
        records
    }

    fn page(query: &str, format: Format) -> (String, Option<Cursor>) {
        let query = query::read(query).unwrap();
        let mut page = Page::new(NodeId(1), format, &query, Floors::default());
        let mut out = Vec::new();
        page.open(3, &mut out);
        page.render(&mut place(), &records(), &mut out, 1000);
        page.close(&mut out);
        (String::from_utf8(out).unwrap(), page.last)
    }

    #[test]
    fn the_three_forms() {
        let one = r#"{"x":1,"y":-1,"channel":"G","value":1}"#;
        let two = r#"{"x":2,"y":-2,"channel":"G","value":2}"#;
        let three = r#"{"x":3,"y":-3,"channel":"G","value":3}"#;
        let json = format!(r#"{{"total":3,"data":[{one},{two},{three}]}}"#);
        assert_eq!(page("", Format::Json).0, json);
        assert_eq!(page("", Format::Lines).0, format!("{one}\n{two}\n{three}\n"));
        assert_eq!(page("", Format::Csv).0, "x,y,channel,value\n1,-1,G,1\n2,-2,G,2\n3,-3,G,3\n");
        assert_eq!(page("x_min=4", Format::Json).0, r#"{"total":3,"data":[],"next":null}"#);
        let (text, last) = page("limit=2", Format::Json);
        let last = last.unwrap();
        assert_eq!(last, Cursor { node: NodeId(1), batch: Position(4096), index: 2, is_filtered: false });
        assert_eq!(text, format!(r#"{{"total":3,"data":[{one},{two}],"next":"{}"}}"#, last.encode()));
        assert_eq!(skip(&records(), last.index + 1), &records()[25..]);
    }

    #[test]
    fn what_lies_at_or_below_the_floor_is_not_listed() {
        let mut state = crate::apps::pixel::state::PixelState::default();
        let at = crate::app::state::Entry { origin: ORIGIN, seq: 9, time_us: 0 };
        let mut clear = Vec::new();
        let payload: Vec<u8> = [1_u64, 2, 7, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
        record::push(&mut clear, tag::PIXEL_CLEAR, &payload);
        crate::app::state::State::apply(&mut state, &at, &clear);
        let query = query::read("").unwrap();
        let mut page = Page::new(NodeId(1), Format::Csv, &query, state.floors());
        assert_eq!(page.count(&place(), &records()), 1);
        let mut out = Vec::new();
        page.render(&mut place(), &records(), &mut out, 1000);
        assert_eq!(out, b"3,-3,G,3\n");
    }
}
