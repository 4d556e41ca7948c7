//! Events of the service's life as lines on stderr: logfmt for people, JSON for machines. There is no access log.

use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::effective::LogFormat;

/// Changes the level of a running process.
#[derive(Clone, Debug)]
pub struct LevelSwitch(reload::Handle<Targets, Registry>);

impl LevelSwitch {
    /// Has only events of at least this severity written from now on; `word` is one of the configuration's levels.
    pub fn set(&self, word: &str) {
        // It can only fail when the subscriber is gone, and then there is nobody to hear of it.
        let _ = self.0.reload(filter(word));
    }
}

/// Starts to write events to stderr; called once.
#[must_use]
pub fn start(level: &str, format: LogFormat) -> LevelSwitch {
    let (filter, handle) = reload::Layer::new(filter(level));
    // A stderr that can't be written any more ends no server, and there is nowhere to report it.
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Line { format })
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    // A second start in one process (tests) keeps the first one.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    LevelSwitch(handle)
}

/// Returns what is written at a level. What libraries tell of their lives is for whoever looks into this program: from `debug` on.
/// The client of NATS calls it an error that a connection ends, of which this program makes another one.
fn filter(word: &str) -> Targets {
    let own: LevelFilter = word.parse().unwrap_or(LevelFilter::INFO);
    let (others, of_nats) = match own >= LevelFilter::DEBUG {
        true => (own, own),
        false => (own.min(LevelFilter::WARN), LevelFilter::OFF),
    };
    Targets::new()
        .with_default(others)
        .with_target("async_nats", of_nats)
        .with_targets(OWN.map(|crate_name| (crate_name, own)))
}

/// The crates of this program.
const OWN: [&str; 2] = [env!("CARGO_CRATE_NAME"), "pixeld_bench"];

/// One event as one line.
struct Line {
    format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields =
            Fields(vec![("time", time.into()), ("level", word(*event.metadata().level()).into())]);
        event.record(&mut fields);
        writeln!(writer, "{}", fields.line(self.format))
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Names and values of an event, the message among them.
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn line(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Text => {
                let pair = |(name, value): &(&str, Value)| match value {
                    Value::String(text) => format!("{name}={}", quoted(text)),
                    value => format!("{name}={value}"),
                };
                self.0.iter().map(pair).collect::<Vec<_>>().join(" ")
            }
            LogFormat::Json => {
                let pairs = self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                Value::Object(pairs.collect()).to_string()
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), value.into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.0.push((field.name(), text.into()));
    }
}

/// Returns a value of a logfmt line: as it is if it is one plain word, else quoted, so that a line stays a line.
fn quoted(value: &str) -> String {
    let plain =
        !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
    if plain { value.to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_in_both_forms() {
        let pairs = [("level", "info"), ("message", "torn \"tail\"\nat"), ("segment", "3"), ("path", "")];
        let mut fields = Fields(pairs.map(|(name, value)| (name, value.into())).to_vec());
        fields.0.extend([("bytes", Value::from(7_u64)), ("is_new", Value::from(true))]);
        let text = r#"level=info message="torn \"tail\"\nat" segment=3 path="" bytes=7 is_new=true"#;
        assert_eq!(fields.line(LogFormat::Text), text);
        let json = r#"{"level":"info","message":"torn \"tail\"\nat","segment":"3","path":"","bytes":7,"is_new":true}"#;
        assert_eq!(fields.line(LogFormat::Json), json);
    }

    #[test]
    fn every_level_of_the_configuration_is_one_and_libraries_are_heard_from_debug_on() {
        for level in crate::config::table::LOG_LEVELS {
            let severity: Level = level.parse().expect("a level");
            assert!(filter(level).would_enable("pixeld::engine::link", &severity), "{level}");
            let is_detailed = severity >= Level::DEBUG;
            assert_eq!(
                filter(level).would_enable("async_nats::connector", &Level::ERROR),
                is_detailed,
                "{level}"
            );
            assert_eq!(filter(level).would_enable("rustls::client", &Level::INFO), is_detailed, "{level}");
        }
        assert!(!filter("info").would_enable("pixeld::engine::link", &Level::DEBUG));
    }
}
