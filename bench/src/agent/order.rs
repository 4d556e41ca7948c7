//! An order on its way from a master to an agent: all that a run needs, so that the agent reads no file for it.

use crate::agent::limits::{CONNECTIONS_MAX, COUNT_MAX, THREADS_MAX, TIME_NS_MAX, WEIGHT_MAX};
use crate::client::target::Target;
use crate::client::tls::{Authorities, Trust};
use crate::quantity::RATE_MAX;
use crate::scenario::mix::Mix;
use crate::scenario::pacer::Arrivals;
use crate::scenario::request::{Bodies, RequestForm};
use crate::scenario::template::Template;
use crate::scenario::{INTERVAL_NS_MIN, Load, Scenario};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A [`Scenario`], and which of its threads the agent runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderText {
    url: String,
    /// Authorities whose certificates are trusted, PEM; nothing for those of the agent's host.
    authorities: Option<String>,
    takes_any_certificate: bool,
    form: FormText,
    /// Requests in turn and how often each comes; nothing when one is repeated.
    mix: Option<Vec<(u64, FormText)>>,
    connections: usize,
    /// Threads of all agents together.
    threads: usize,
    /// The agent's own: from the first one to the one after the last.
    own: (usize, usize),
    pipeline: usize,
    requests_per_connection: u64,
    /// Requests per second over all agents; nothing for a closed loop.
    rate: Option<f64>,
    is_poisson: bool,
    duration_ns: u64,
    requests: Option<u64>,
    warmup_ns: u64,
    timeout_ns: u64,
    pins: Vec<usize>,
    first_number: u64,
    keeps_acknowledged: bool,
    interval_ns_max: u64,
}

/// A [`RequestForm`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FormText {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    bodies: BodiesText,
}

/// [`Bodies`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BodiesText {
    None,
    One(TemplateText),
    Lines(Vec<TemplateText>),
}

/// A [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TemplateText {
    /// A text with placeholders.
    Text(String),
    /// Bytes as they are, base64.
    Bytes(String),
}

impl OrderText {
    /// Writes down a scenario for the agent that runs its threads `own`.
    #[must_use]
    pub fn of(scenario: &Scenario, own: Range<usize>) -> Self {
        let trust = scenario.target.tls.as_ref().map(|tls| tls.trust());
        let pem = trust.and_then(|trust| match &trust.authorities {
            Some(Authorities::Pem(pem)) => Some(String::from_utf8_lossy(pem).into_owned()),
            _ => None,
        });
        let (rate, is_poisson) = match scenario.load {
            Load::Closed => (None, false),
            Load::Open { rate, arrivals } => (Some(rate), arrivals == Arrivals::Poisson),
        };
        let weighted = |mix: &Arc<Mix>| {
            mix.weighted().into_iter().map(|(weight, form)| (weight, FormText::of(form))).collect()
        };
        Self {
            url: scenario.target.url.clone(),
            authorities: pem,
            takes_any_certificate: trust.is_some_and(|trust| trust.is_unchecked),
            form: FormText::of(&scenario.form),
            mix: scenario.mix.as_ref().map(weighted),
            connections: scenario.connections,
            threads: scenario.threads,
            own: (own.start, own.end),
            pipeline: scenario.pipeline,
            requests_per_connection: scenario.requests_per_connection,
            rate,
            is_poisson,
            duration_ns: scenario.duration_ns,
            requests: scenario.requests,
            warmup_ns: scenario.warmup_ns,
            timeout_ns: scenario.timeout_ns,
            pins: scenario.pins.clone(),
            first_number: scenario.first_number,
            keeps_acknowledged: scenario.keeps_acknowledged,
            interval_ns_max: scenario.interval_ns_max,
        }
    }

    /// Reads it back and looks the target up; returns the scenario and the threads that are the agent's own.
    ///
    /// # Errors
    /// Returns a sentence for what no run can be, and for a name that has no address here.
    pub fn scenario(&self) -> Result<(Scenario, Range<usize>), String> {
        self.check()?;
        let authorities = self.authorities.as_ref().map(|pem| Authorities::Pem(pem.as_bytes().into()));
        let trust = Trust { authorities, is_unchecked: self.takes_any_certificate };
        let target = Target::resolve_trusting(&self.url, None, "/", &trust)?;
        let form = self.form.form()?;
        let mix = match &self.mix {
            None => None,
            Some(forms) => {
                let forms: Result<Vec<_>, String> =
                    forms.iter().map(|(weight, form)| Ok((*weight, form.form()?))).collect();
                Some(Arc::new(Mix::new(forms?)?))
            }
        };
        let arrivals = if self.is_poisson { Arrivals::Poisson } else { Arrivals::Constant };
        let scenario = Scenario {
            mix,
            connections: self.connections,
            threads: self.threads,
            pipeline: self.pipeline,
            requests_per_connection: self.requests_per_connection,
            load: self.rate.map_or(Load::Closed, |rate| Load::Open { rate, arrivals }),
            duration_ns: self.duration_ns,
            requests: self.requests,
            warmup_ns: self.warmup_ns,
            timeout_ns: self.timeout_ns,
            pins: self.pins.clone(),
            first_number: self.first_number,
            keeps_acknowledged: self.keeps_acknowledged,
            asks_metrics: false,
            interval_ns_max: self.interval_ns_max,
            ..Scenario::new(target, form)
        };
        Ok((scenario, self.own.0..self.own.1))
    }

    /// Returns what the agent is to send, for people: method, URL, and its part.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = if self.mix.is_some() { "several requests to" } else { &self.form.method };
        let threads = self.own.1.saturating_sub(self.own.0);
        format!("{what} {} with {threads} of {} threads", self.url, self.threads)
    }

    /// Fails for numbers with which a run could not even begin.
    fn check(&self) -> Result<(), String> {
        let (first, end) = self.own;
        let is_time = |ns: u64| ns <= TIME_NS_MAX;
        let is_sound = first < end
            && end <= self.threads
            && end - first <= THREADS_MAX
            && self.threads <= self.connections
            && self.connections <= CONNECTIONS_MAX
            && (1..=CONNECTIONS_MAX).contains(&self.pipeline)
            && self.requests_per_connection > 0
            && self.rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX)
            && (is_time(self.duration_ns) || self.duration_ns == u64::MAX && self.requests.is_some())
            && self.duration_ns > 0
            && self.requests.is_none_or(|requests| (1..=COUNT_MAX).contains(&requests))
            && is_time(self.warmup_ns)
            && is_time(self.timeout_ns)
            && self.timeout_ns > 0
            && self.first_number <= COUNT_MAX
            && self.mix.iter().flatten().all(|(weight, _)| (1..=WEIGHT_MAX).contains(weight))
            && (INTERVAL_NS_MIN..=TIME_NS_MAX).contains(&self.interval_ns_max);
        if is_sound { Ok(()) } else { Err("the order is none that a run can be".into()) }
    }
}

impl FormText {
    fn of(form: &RequestForm) -> Self {
        let template = |template: &Template| match template.text() {
            Some(text) => TemplateText::Text(text.to_string()),
            None => TemplateText::Bytes(STANDARD.encode(template.bytes())),
        };
        let bodies = match &form.bodies {
            Bodies::None => BodiesText::None,
            Bodies::One(one) => BodiesText::One(template(one)),
            Bodies::Lines(lines) => BodiesText::Lines(lines.iter().map(template).collect()),
        };
        Self {
            method: form.method.clone(),
            path: form.path.clone(),
            host: form.host.clone(),
            headers: form.headers.clone(),
            bodies,
        }
    }

    fn form(&self) -> Result<RequestForm, String> {
        let bodies = match &self.bodies {
            BodiesText::None => Bodies::None,
            BodiesText::One(one) => Bodies::One(one.template()?),
            BodiesText::Lines(lines) if lines.is_empty() => {
                return Err("the order has no bodies to take in turn".into());
            }
            BodiesText::Lines(lines) => {
                Bodies::Lines(lines.iter().map(TemplateText::template).collect::<Result<_, _>>()?)
            }
        };
        let form = RequestForm {
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            headers: self.headers.clone(),
            bodies,
        };
        form.check().map(|()| form)
    }
}

impl TemplateText {
    fn template(&self) -> Result<Template, String> {
        match self {
            Self::Text(text) => Template::compile(text).map_err(|error| error.to_string()),
            Self::Bytes(bytes) => {
                STANDARD.decode(bytes).map(Template::literal).map_err(|_| "a body is no base64".to_string())
            }
        }
    }
}

#[cfg(test)]
impl OrderText {
    /// Returns an order in which every field has something.
    pub(super) fn sample() -> Self {
        let bytes = TemplateText::Bytes(String::new());
        let lines = BodiesText::Lines(vec![TemplateText::Text(String::new()), bytes.clone()]);
        let form = |bodies: BodiesText| FormText {
            method: String::new(),
            path: String::new(),
            host: String::new(),
            headers: Vec::new(),
            bodies,
        };
        Self {
            url: String::new(),
            authorities: None,
            takes_any_certificate: false,
            form: form(BodiesText::One(bytes)),
            mix: Some(vec![(1, form(lines)), (1, form(BodiesText::None))]),
            connections: 1,
            threads: 1,
            own: (0, 1),
            pipeline: 1,
            requests_per_connection: 1,
            rate: None,
            is_poisson: false,
            duration_ns: 1,
            requests: None,
            warmup_ns: 0,
            timeout_ns: 1,
            pins: Vec::new(),
            first_number: 0,
            keeps_acknowledged: false,
            interval_ns_max: INTERVAL_NS_MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::requests_file;
    use proptest::prelude::*;

    fn scenario(bodies: Bodies) -> Scenario {
        let target = Target::resolve("http://127.0.0.1:1/a/{{n}}?x", None, "/").unwrap();
        let form = RequestForm {
            method: "PUT".into(),
            path: target.path.clone(),
            host: target.host.clone(),
            headers: vec![("X-A".into(), "{{n % 3}}".into())],
            bodies,
        };
        let load = Load::Open { rate: 1234.5, arrivals: Arrivals::Poisson };
        Scenario {
            connections: 7,
            threads: 3,
            load,
            requests: Some(10),
            pins: vec![1],
            ..Scenario::new(target, form)
        }
    }

    fn passed_on(scenario: &Scenario) -> Result<(Scenario, Range<usize>), String> {
        let line = serde_json::to_string(&OrderText::of(scenario, 1..3)).unwrap();
        serde_json::from_str::<OrderText>(&line).unwrap().scenario()
    }

    #[test]
    fn a_scenario_is_passed_on_whole() {
        let compiled = |text: &str| Template::compile(text).unwrap();
        for bodies in [
            Bodies::None,
            Bodies::One(compiled("{\"x\":{{n}},\"{{{{\":{{pick a b}}}")),
            Bodies::One(compiled("{{n}}").named("pixels of --verify")),
            Bodies::One(Template::literal(b"\xff{{n}}".to_vec())),
            Bodies::One(Template::literal(b"{{no placeholder".to_vec())),
            Bodies::Lines(vec![compiled("a"), compiled("{{rand 0 9}}")]),
        ] {
            let sent = scenario(bodies);
            let (read, own) = passed_on(&sent).unwrap();
            // A name is for reports, which the master writes.
            let text = format!("{sent:?}")
                .replace("Some(\"pixels of --verify\")", "None")
                .replace("asks_metrics: true", "asks_metrics: false");
            assert_eq!((format!("{read:?}"), own), (text, 1..3));
        }
    }

    #[test]
    fn requests_in_turn_keep_their_order() {
        let mix = requests_file::parse("3 GET /a\nPOST /b -b 'x{{n}}'\nGET /c\n", &[]).unwrap().0;
        let sent = Scenario { mix: Some(Arc::new(mix)), ..scenario(Bodies::None) };
        assert_eq!(passed_on(&sent).unwrap().0.mix, sent.mix);
    }

    #[test]
    fn an_order_that_no_run_can_be_is_refused() {
        let sound = || OrderText::of(&scenario(Bodies::None), 1..3);
        assert!(sound().scenario().is_ok());
        for (name, order) in [
            ("no thread", OrderText { own: (1, 1), ..sound() }),
            ("threads of others", OrderText { own: (2, 4), ..sound() }),
            ("backwards", OrderText { own: (2, 1), ..sound() }),
            ("too few connections", OrderText { connections: 2, ..sound() }),
            ("no depth", OrderText { pipeline: 0, ..sound() }),
            ("no rate", OrderText { rate: Some(0.0), ..sound() }),
            ("no end", OrderText { duration_ns: u64::MAX, requests: None, ..sound() }),
            ("no time", OrderText { duration_ns: 0, ..sound() }),
            ("no requests", OrderText { requests: Some(0), ..sound() }),
            ("no time-out", OrderText { timeout_ns: 0, ..sound() }),
            ("an age", OrderText { warmup_ns: u64::MAX, ..sound() }),
            ("short rows", OrderText { interval_ns_max: 1, ..sound() }),
            ("another scheme", OrderText { url: "file:///etc/passwd".into(), ..sound() }),
            ("no weight", OrderText { mix: Some(vec![(0, sound().form)]), ..sound() }),
            ("no turn", OrderText { mix: Some(Vec::new()), ..sound() }),
        ] {
            assert!(order.scenario().is_err(), "{name}");
        }
        let split = FormText { path: "/a HTTP/1.1\r\nX: y".into(), ..sound().form };
        assert!(OrderText { form: split, ..sound() }.scenario().is_err());
    }

    proptest! {
        #[test]
        fn any_numbers_are_a_scenario_or_refused(
            connections in any::<usize>(), threads in any::<usize>(), own in any::<(usize, usize)>(),
            rate in any::<Option<f64>>(), duration_ns in any::<u64>(), weight in any::<u64>(),
        ) {
            let order = OrderText::of(&scenario(Bodies::None), 1..3);
            let mix = Some(vec![(weight, order.form.clone())]);
            let order = OrderText { connections, threads, own, rate, duration_ns, mix, ..order };
            if let Ok((scenario, own)) = order.scenario() {
                prop_assert!(own.end <= scenario.threads && scenario.connections_of(own.start) > 0);
            }
        }
    }
}
