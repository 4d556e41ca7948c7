//! Several requests in turn: which one has which number, and how they are told apart in figures.

use crate::scenario::random::Random;
use crate::scenario::request::{Composer, RequestForm};
use std::collections::HashMap;
use std::sync::Arc;

/// Longest turn: after so many requests the order starts again.
const TURN_MAX: u64 = 10_000_000;
/// Kinds that have figures of their own; all others share one row.
pub const KINDS_MAX: usize = 64;
/// Name of the row of the others.
const OTHERS: &str = "all others";

/// Requests that are sent in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    forms: Vec<RequestForm>,
    /// Which form each number of a turn has.
    order: Vec<u32>,
    /// Which row of figures each form counts in.
    kinds: Vec<u16>,
    names: Vec<String>,
}

impl Mix {
    /// Makes a turn of forms and their weights. With equal weights it is the forms in their order; else each form comes as often
    /// as its weight says, evenly spread.
    ///
    /// # Errors
    /// Returns a sentence if there is no form or the turn would be too long.
    pub fn new(weighted: Vec<(u64, RequestForm)>) -> Result<Self, String> {
        let divisor = weighted.iter().map(|(weight, _)| *weight).fold(0, greatest_common_divisor).max(1);
        let length = weighted.iter().fold(0u64, |sum, (weight, _)| sum.saturating_add(weight / divisor));
        if weighted.is_empty() {
            return Err("there is no request in it".into());
        }
        if length > TURN_MAX {
            return Err(format!(
                "a turn of all requests by their weights has {length} requests, which is above {TURN_MAX}"
            ));
        }
        let order = if length == weighted.len() as u64 {
            (0..weighted.len() as u32).collect()
        } else {
            spread(weighted.iter().map(|(weight, _)| weight / divisor))
        };
        let forms: Vec<RequestForm> = weighted.into_iter().map(|(_, form)| form).collect();
        let (kinds, names) = kinds(&forms, &order);
        Ok(Self { forms, order, kinds, names })
    }

    /// Returns the header fields of all requests.
    pub fn fields(&self) -> impl Iterator<Item = &(String, String)> {
        self.forms.iter().flat_map(|form| &form.headers)
    }

    /// Returns names of the rows of figures: method and path without its query.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Says for a report what is sent, so that another file can be told from this one.
    #[must_use]
    pub fn describe(&self) -> String {
        let checksum = crc32c::crc32c(format!("{:?}{:?}", self.forms, self.order).as_bytes());
        format!("{} requests in turn, checksum {checksum:08x}", self.order.len())
    }

    /// Returns how often each form comes in a turn, with the form: what the same mix can be made of again.
    #[must_use]
    pub fn weighted(&self) -> Vec<(u64, &RequestForm)> {
        let mut weights = vec![0; self.forms.len()];
        self.order.iter().for_each(|&form| weights[form as usize] += 1);
        weights.into_iter().zip(&self.forms).collect()
    }

    /// Returns the forms, each once.
    #[must_use]
    pub fn forms(&self) -> &[RequestForm] {
        &self.forms
    }

    /// Requests after which the order starts again.
    #[must_use]
    pub fn turn(&self) -> usize {
        self.order.len()
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Puts each form as often into a turn as it should come: the j-th of w times at (j + 1/2) / w of the turn.
fn spread(times: impl Iterator<Item = u64>) -> Vec<u32> {
    let mut places: Vec<(f64, u32)> = Vec::new();
    for (form, times) in (0..).zip(times) {
        places.extend((0..times).map(|time| ((time as f64 + 0.5) / times as f64, form)));
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.into_iter().map(|(_, form)| form).collect()
}

/// Gives the forms of a method and a path without its query a row, the most frequent ones a row of their own.
fn kinds(forms: &[RequestForm], order: &[u32]) -> (Vec<u16>, Vec<String>) {
    let name = |form: &RequestForm| {
        let path = form.path.split('?').next().unwrap_or_default();
        format!("{} {path}", form.method)
    };
    let names: Vec<String> = forms.iter().map(name).collect();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for &form in order {
        *counts.entry(names[form as usize].as_str()).or_default() += 1;
    }
    let mut frequent: Vec<(&str, u64)> = counts.into_iter().collect();
    frequent.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let own = if frequent.len() > KINDS_MAX { KINDS_MAX - 1 } else { frequent.len() };
    let mut rows: Vec<String> = frequent[..own].iter().map(|(name, _)| (*name).to_string()).collect();
    let place: HashMap<&str, u16> =
        frequent[..own].iter().zip(0..).map(|((name, _), at)| (*name, at)).collect();
    let kinds = names.iter().map(|name| place.get(name.as_str()).copied().unwrap_or(own as u16)).collect();
    if own < frequent.len() {
        rows.push(OTHERS.into());
    }
    (kinds, rows)
}

/// Writes the requests of a mix. Each thread has its own.
#[derive(Clone, Debug)]
pub struct MixWriter {
    mix: Arc<Mix>,
    composers: Vec<Composer>,
    /// The same for the last request of a connection.
    last_composers: Vec<Composer>,
    are_heads: Vec<bool>,
    random: Random,
}

impl MixWriter {
    /// Returns a writer of requests to `host`, with random numbers that follow from `seed`.
    #[must_use]
    pub fn new(mix: &Arc<Mix>, host: &str, seed: u64) -> Self {
        let with_host = |form: &RequestForm| RequestForm { host: host.to_string(), ..form.clone() };
        Self {
            composers: mix.forms.iter().map(|form| Composer::new(with_host(form))).collect(),
            last_composers: mix.forms.iter().map(|form| Composer::new(with_host(form).closing())).collect(),
            are_heads: mix.forms.iter().map(RequestForm::is_head).collect(),
            mix: Arc::clone(mix),
            random: Random::new(seed),
        }
    }

    /// Appends request `number` to `out`, perhaps as the last one of its connection; returns its kind and whether it is a HEAD.
    pub fn write(&mut self, number: u64, is_last: bool, out: &mut Vec<u8>) -> (u16, bool) {
        let form = self.mix.order[(number % self.mix.order.len() as u64) as usize] as usize;
        let composers = if is_last { &mut self.last_composers } else { &mut self.composers };
        composers[form].write(number, &mut self.random, out);
        (self.mix.kinds[form], self.are_heads[form])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::request::Bodies;

    fn form(method: &str, path: &str) -> RequestForm {
        RequestForm {
            method: method.into(),
            path: path.into(),
            host: String::new(),
            headers: Vec::new(),
            bodies: Bodies::None,
        }
    }

    fn mix_of(weighted: &[(u64, &RequestForm)]) -> Mix {
        Mix::new(weighted.iter().map(|&(weight, form)| (weight, form.clone())).collect()).unwrap()
    }

    #[test]
    fn a_turn_has_each_as_often_as_its_weight_says() {
        let mix =
            Mix::new(vec![(30, form("GET", "/a?x")), (10, form("GET", "/b")), (20, form("HEAD", "/a"))])
                .unwrap();
        assert_eq!(mix.turn(), 6);
        let mut writer = MixWriter::new(&Arc::new(mix.clone()), "h", 0);
        let mut seen = [0; 3];
        for number in 0..60 {
            let mut out = Vec::new();
            let (kind, is_head) = writer.write(number, number == 59, &mut out);
            seen[kind as usize] += 1;
            let text = String::from_utf8(out).unwrap();
            assert_eq!(is_head, text.starts_with("HEAD /a HTTP/1.1\r\nHost: h\r\n"), "{text}");
            assert_eq!(text.contains("Connection: close"), number == 59);
        }
        assert_eq!(seen, [30, 20, 10], "the most frequent first");
        let again = mix_of(&mix.weighted());
        assert_eq!((&again, again.turn()), (&mix, 6), "a mix can be made again of its weights");
        let order = Mix::new((0..9).map(|k| (7, form("GET", &format!("/{k}")))).collect()).unwrap().order;
        assert_eq!(order, (0..9).collect::<Vec<u32>>(), "equal weights keep the order");
    }

    #[test]
    fn what_is_too_much_is_refused_or_shares_a_row() {
        assert!(Mix::new(Vec::new()).is_err());
        for weight in [10_000_001, u64::MAX] {
            assert!(Mix::new(vec![(1, form("GET", "/")), (weight, form("GET", "/a"))]).is_err(), "{weight}");
        }
        let mix = Mix::new((0..200).map(|k| (1, form("GET", &format!("/{k}")))).collect()).unwrap();
        assert_eq!(mix.names().len(), KINDS_MAX);
        assert_eq!(mix.names().last().unwrap(), OTHERS);
        assert_eq!(
            mix.kinds.iter().filter(|&&kind| usize::from(kind) == KINDS_MAX - 1).count(),
            200 - KINDS_MAX + 1
        );
    }
}
