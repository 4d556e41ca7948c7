//! What replaces a Lua script of wrk, as far as the script shows it.

/// Returns the options that replace what `script` sets, and what replaces each function that it defines.
#[must_use]
pub fn replacement(script: &str) -> String {
    let (mut options, mut advice) = (Vec::new(), Vec::new());
    for line in script.lines().map(str::trim).filter(|line| !line.starts_with("--")) {
        if let Some(value) = assigned(line, "wrk.method") {
            options.push(format!("-m {}", quoted(value)));
        } else if let Some(value) = assigned(line, "wrk.body") {
            options.push(format!("-b {}", quoted(value)));
        } else if let Some(value) = assigned(line, "wrk.path") {
            advice.push(format!("put {} behind the URL", quoted(value)));
        } else if let Some((name, value)) = field(line) {
            options.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
        }
    }
    for (function, instead) in [
        (
            "request",
            "a request that differs each time: {{n}}, {{rand 0 255}}, {{pick a b}} in the URL, in -H and in -b; many \
             requests: --requests FILE",
        ),
        ("response", "looking at answers: the status table, and --goal such as 'status_5xx=0'"),
        ("delay", "pauses: a rate, -r 1000, with --poisson for uneven gaps"),
        ("done", "a report of one's own: --json, --csv, --html"),
    ] {
        let is_defined = script.contains(&format!("function {function}("))
            || script.contains(&format!("{function} = function"));
        if is_defined {
            advice.push(format!("for {instead}"));
        }
    }
    let mut text = String::new();
    if !options.is_empty() {
        text.push_str(&format!("; in its place write {}", options.join(" ")));
    }
    if !advice.is_empty() {
        text.push_str(&format!("; {}", advice.join("; ")));
    }
    if text.is_empty() {
        text.push_str("; -m, -H, -b, --body-lines and --requests say what is sent, --goal what must hold, --json what is kept");
    }
    text
}

/// Returns the text that a line like `name = "text"` assigns.
fn assigned<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    literal(line.strip_prefix(name)?.trim_start().strip_prefix('=')?)
}

/// Returns name and value of `wrk.headers["name"] = "value"`.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("wrk.headers[")?.split_once(']')?;
    Some((literal(name)?, literal(rest.trim_start().strip_prefix('=')?)?))
}

/// Returns the text of a literal in single, double or long quotes.
fn literal(text: &str) -> Option<&str> {
    let text = text.trim().trim_end_matches(';').trim_end();
    [("\"", "\""), ("'", "'"), ("[[", "]]")]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

/// Quotes a word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace("\\\"", "\"").replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_sets_is_an_option() {
        let script = "-- a post\nwrk.method = \"POST\"\nwrk.body   = '{\"a\":1}';\nwrk.headers[\"Content-Type\"] = \"text/plain\"\n";
        let text = replacement(script);
        assert!(text.contains("-m 'POST' -b '{\"a\":1}' -H 'Content-Type: text/plain'"), "{text}");
        let text = replacement("wrk.body = \"{\\\"it's\\\":1}\"\nwrk.path = \"/x\"");
        assert!(text.contains(r#"-b '{"it'\''s":1}'"#) && text.contains("'/x' behind the URL"), "{text}");
    }

    #[test]
    fn functions_are_named_with_what_replaces_them() {
        let text = replacement("request = function()\nend\nfunction done(a, b, c)\nend\n");
        assert!(text.contains("{{n}}") && text.contains("--json") && !text.contains("pauses"), "{text}");
        assert!(replacement("").contains("--requests"));
    }
}
