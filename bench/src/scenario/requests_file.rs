//! `--requests FILE`: requests of a file, a line each.
//!
//! Three kinds of lines, which may stand in one file:
//!
//! ```text
//! [WEIGHT] METHOD PATH [-H 'Name: value']... [-b BODY]                    words as in a shell
//! {"weight": 3, "method": "POST", "path": "/p", "headers": {"A": "b"}, "body": "..."}
//! 10.0.0.1 - - [29/Nov/2026:10:00:00 +0000] "GET /p HTTP/1.1" 200 5 ...   a log of nginx, Apache: common or combined
//! ```
//!
//! Path, values of fields and bodies are templates, except in a log. Empty lines and those that begin with `#` are left out. Errors
//! name the line and repeat nothing of its fields, which may hold secrets.

use crate::client::target::sendable;
use crate::quantity::show_count;
use crate::scenario::mix::Mix;
use crate::scenario::request::{Bodies, RequestForm};
use crate::scenario::template::Template;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// Characters of a line that are shown as an example.
const SHOWN_MAX: usize = 80;

/// Lines of a log that are no request: connections without one, other protocols, methods that can't be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub lines: u64,
    /// Lines of the log in all.
    pub of: u64,
    first: String,
}

impl LeftOut {
    fn add(&mut self, number: usize, line: &str) {
        if self.lines == 0 {
            let start: String = line.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
            self.first = format!("line {number}: {start}");
        }
        self.lines += 1;
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lines, of) = (show_count(self.lines), show_count(self.of));
        write!(f, "{lines} of {of} lines hold no request and are left out; the first is {}", self.first)
    }
}

/// Reads all lines; `headers` are added to each request that has no field of the same name. Of a log, lines that hold no
/// `METHOD PATH HTTP/x` are left out and counted.
///
/// # Errors
/// Returns a sentence with the number of the line, or with the first line of a log that holds no request at all.
pub fn parse(text: &str, headers: &[(String, String)]) -> Result<(Mix, LeftOut), String> {
    let mut found: Vec<(u64, RequestForm)> = Vec::new();
    let mut left_out = LeftOut::default();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: String| format!("line {}: {what}", at + 1);
        let (weight, mut form) = match logged(line) {
            Some(Some(form)) => {
                left_out.of += 1;
                (1, form)
            }
            Some(None) => {
                left_out.of += 1;
                left_out.add(at + 1, line);
                continue;
            }
            None if line.starts_with('{') => json(line).map_err(wrong)?,
            None => words(line).map_err(wrong)?,
        };
        if weight == 0 {
            return Err(wrong("a weight is above 0".into()));
        }
        for (name, value) in headers {
            if !form.has_header(name) {
                form.headers.push((name.clone(), value.clone()));
            }
        }
        form.check().map_err(wrong)?;
        found.push((weight, form));
    }
    if found.is_empty() && left_out.lines > 0 {
        return Err(left_out.to_string());
    }
    Ok((Mix::new(found)?, left_out))
}

fn form(
    method: &str,
    path: &str,
    headers: Vec<(String, String)>,
    body: Option<String>,
) -> Result<RequestForm, String> {
    if let Err(what) = check_method(method) {
        return Err(format!("{what}; a line is for example: 3 POST /p -H 'A: b' -b '{{\"x\":1}}'"));
    }
    if !path.starts_with('/') {
        return Err(format!("`{path}` is no path; it starts with / (the host is the target's)"));
    }
    let bodies = match body {
        None => Bodies::None,
        Some(body) => Bodies::One(Template::compile(&body).map_err(|error| error.to_string())?),
    };
    Ok(RequestForm { method: method.into(), path: sendable(path), host: String::new(), headers, bodies })
}

/// Reads `[WEIGHT] METHOD PATH [-H 'Name: value']... [-b BODY]`.
fn words(line: &str) -> Result<(u64, RequestForm), String> {
    let words = split(line).ok_or("a quote is not closed")?;
    let mut rest = words.iter().map(String::as_str).peekable();
    let weight = match rest.peek() {
        // A method begins with a letter, what begins so is meant as a number.
        Some(word) if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            Some(word.parse().map_err(|_| not_a_weight(word))?)
        }
        _ => None,
    };
    if weight.is_some() {
        rest.next();
    }
    let (method, path) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
    let (mut headers, mut body) = (Vec::new(), None);
    while let Some(option) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("`{option}` has no value"))?;
        match option {
            "-H" | "--header" => headers.push(field(value)?),
            "-b" | "--body" if body.is_none() => body = Some(value.to_string()),
            _ => {
                return Err(format!(
                    "`{option}` is unknown here; there are -H 'Name: value' and one -b BODY"
                ));
            }
        }
    }
    Ok((weight.unwrap_or(1), form(method, path, headers, body)?))
}

fn not_a_weight(word: &str) -> String {
    match word.matches('.').count() > 1 || word.contains(':') {
        true => "this looks like a log, but not like a common or combined one: it has no [time] \"METHOD PATH HTTP/1.1\"".into(),
        false => format!("`{word}` is no weight; write a whole number above 0"),
    }
}

/// Splits words as a shell does, but for the spaces within `{{ }}`, which part nothing.
fn split(line: &str) -> Option<Vec<String>> {
    const SPACE: &str = "\u{1}";
    let mut parts = line.split("{{");
    let mut kept = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (inside, rest) =
            part.split_once("}}").map_or((part, None), |(inside, rest)| (inside, Some(rest)));
        kept =
            kept + "{{" + &rest.map_or(inside.to_string(), |rest| inside.replace(' ', SPACE) + "}}" + rest);
    }
    let words = shlex::split(&kept)?;
    Some(words.into_iter().map(|word| word.replace(SPACE, " ")).collect())
}

/// The line of a file in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    weight: Option<u64>,
    method: Option<String>,
    path: String,
    /// An object; taken as it is, since what serde says of another value would show it.
    headers: Option<Value>,
    body: Option<Value>,
}

fn json(line: &str) -> Result<(u64, RequestForm), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let no_fields = serde_json::Map::new();
    let headers = match &line.headers {
        None => &no_fields,
        Some(Value::Object(headers)) => headers,
        Some(_) => return Err("headers are an object, such as {\"X-From\": \"bench\"}".into()),
    };
    let headers = headers.iter().map(|(name, value)| field(&format!("{name}: {}", text(value))));
    let body = line.body.as_ref().map(text);
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = line.method.as_deref().unwrap_or(usual);
    Ok((line.weight.unwrap_or(1), form(method, &line.path, headers.collect::<Result<_, _>>()?, body)?))
}

/// Reads the line of a log: nothing for another kind of line, and no request for one that logged none.
fn logged(line: &str) -> Option<Option<RequestForm>> {
    let first = line.split(' ').next().unwrap_or_default();
    if line.starts_with('{') || first.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return None;
    }
    let (_, rest) = line.split_once("] \"")?;
    let request = unescaped(rest);
    let mut parts = request.split(' ');
    let (method, path, version) =
        (parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_request = version.starts_with("HTTP/") && parts.next().is_none();
    // Braces have no place in a path (RFC 3986, section 2), and here they would begin a template.
    let path = path.replace('{', "%7B").replace('}', "%7D");
    Some(form(method, &path, Vec::new(), None).ok().filter(|_| is_request))
}

/// Returns a quoted value of a log up to its closing quote. Bytes that nginx and Apache write as `\xC3` are written as a path has
/// them: `%C3`.
fn unescaped(text: &str) -> String {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('x') => value.push('%'),
                Some(escaped) => value.push(escaped),
                None => {}
            },
            c => value.push(c),
        }
    }
    value
}

/// Reads `Name: value`.
///
/// # Errors
/// Returns a sentence with an example. It repeats nothing of the text: who forgets a colon may have written a secret.
pub fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) || value.contains(['\r', '\n']) {
        return Err("what stands before the colon is no field name; write 'Name: value'".into());
    }
    if ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("{name} follows from the body; leave it out: two lengths are no request"));
    }
    Ok((name.to_string(), value.trim().to_string()))
}

/// Looks whether a method can be sent.
///
/// # Errors
/// Returns a sentence for what is no method, and for CONNECT: what follows its answer is a tunnel (RFC 9110, section 9.3.6).
pub fn check_method(text: &str) -> Result<(), String> {
    if text == "CONNECT" {
        return Err("CONNECT makes a tunnel, in which there are no requests to measure".into());
    }
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        true => Ok(()),
        false => Err(format!("`{text}` is no method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::mix::MixWriter;
    use std::sync::Arc;

    fn written(text: &str, headers: &[(String, String)]) -> Vec<String> {
        let mix = Arc::new(parse(text, headers).unwrap().0);
        let mut writer = MixWriter::new(&mix, "h", 0);
        let request = |number: usize| {
            let mut out = Vec::new();
            writer.write(number as u64, false, &mut out);
            String::from_utf8(out).unwrap()
        };
        (0..mix.turn()).map(request).collect()
    }

    #[test]
    fn each_kind_of_line_is_the_request_that_it_names() {
        let common = "Content-Type: application/json\r\nContent-Length";
        for (line, expected) in [
            ("GET /a", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n".to_string()),
            ("  1 DELETE /a?b=c  ", "DELETE /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n".into()),
            ("GET /a/{{n % 7}}/{{rand 3 3}}", "GET /a/0/3 HTTP/1.1\r\nHost: h\r\n\r\n".into()),
            (
                "GET \"/a/{{ rand 3 3 }}\" -H 'X: {{n}}'",
                "GET /a/3 HTTP/1.1\r\nHost: h\r\nX: 0\r\n\r\n".into(),
            ),
            (
                "POST /p -H 'X: y z' -b '{\"a\":\"{{n}}\"}'",
                format!("POST /p HTTP/1.1\r\nHost: h\r\n{common}: 9\r\nX: y z\r\n\r\n{{\"a\":\"0\"}}"),
            ),
            (
                r#"{"method":"PUT","path":"/p","headers":{"content-type":"text/plain"},"body":"a b"}"#,
                "PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\ncontent-type: text/plain\r\n\r\na b"
                    .into(),
            ),
            (
                r#"{"path":"/p","body":{"x":[1,2]}}"#,
                format!("POST /p HTTP/1.1\r\nHost: h\r\n{common}: 11\r\n\r\n{{\"x\":[1,2]}}"),
            ),
            (
                r#"10.0.0.1 - bob [29/Nov/2026:10:00:00 +0000] "GET /q?x={{n}} HTTP/1.1" 200 5 "-" "curl/8 \"x\"""#,
                "GET /q?x=%7B%7Bn%7D%7D HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            ),
            ("GET /a#b", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n".into()),
            ("GET /ä?ö={{pick ü}}#ß", "GET /%C3%A4?%C3%B6=ü HTTP/1.1\r\nHost: h\r\n\r\n".into()),
            (
                r#"10.0.0.1 - - [x] "GET /\xC3\xA4?\x22\" HTTP/1.1" 200 5"#,
                "GET /%C3%A4?%22\" HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            ),
            (
                "::1 - - [29/Nov/2026:10:00:00 +0000] \"HEAD / HTTP/2.0\" 304 0",
                "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".into(),
            ),
        ] {
            assert_eq!(written(line, &[]), [expected], "{line}");
        }
    }

    #[test]
    fn comments_and_what_a_log_has_beside_requests_are_left_out() {
        let text =
            "# a\n\nGET /a\n10.0.0.1 - - [x] \"\\x16\\x03\" 400 0\n10.0.0.1 - - [x] \"-\" 408 0\nGET /b\n";
        let seen: Vec<String> =
            written(text, &[]).iter().map(|request| request.lines().next().unwrap().to_string()).collect();
        assert_eq!(seen, ["GET /a HTTP/1.1", "GET /b HTTP/1.1"]);
        let (_, left_out) = parse(text, &[]).unwrap();
        assert_eq!((left_out.lines, left_out.of), (2, 2));
        assert!(left_out.to_string().contains("the first is line 4: 10.0.0.1"), "{left_out}");
    }

    #[test]
    fn a_log_without_a_request_shows_its_first_line() {
        let line = |request: &str| format!("10.0.0.1 - - [x] \"{request}\" 400 0\n");
        let text =
            ["-", "CONNECT h:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /a b HTTP/1.1"].map(line).concat();
        let error = parse(&text, &[]).unwrap_err();
        assert!(error.starts_with("4 of 4 lines") && error.contains("line 1: 10.0.0.1"), "{error}");
    }

    #[test]
    fn no_error_repeats_a_field() {
        for line in [
            "GET /a -H 'Authorization Bearer s3cr3t'",
            "GET /a -H 'Authorization Bearer s3cr3t: x'",
            r#"{"path":"/a","headers":"Authorization: s3cr3t"}"#,
            r#"{"path":"/a","headers":["Authorization: s3cr3t"]}"#,
            r#"{"path":"/a","headers":{"Bearer s3cr3t":"x"}}"#,
        ] {
            let error = parse(line, &[]).unwrap_err();
            assert!(error.starts_with("line 1: ") && !error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn common_fields_come_to_those_without_their_own() {
        let common = [("Authorization".to_string(), "all".to_string())];
        let seen = written("GET /a\nGET /b -H 'authorization: own'", &common);
        assert!(seen[0].contains("Authorization: all\r\n"), "{}", seen[0]);
        assert!(
            !seen[1].contains("Authorization") && seen[1].contains("authorization: own\r\n"),
            "{}",
            seen[1]
        );
    }

    #[test]
    fn mistakes_name_their_line() {
        for (line, said) in [
            ("GET", "no path"),
            ("/a", "no method"),
            ("GET http://h/a", "no path"),
            ("0 GET /a", "weight"),
            ("-3 GET /a", "`-3` is no weight"),
            ("1.5 GET /a", "`1.5` is no weight"),
            ("99999999999999999999 GET /a", "is no weight"),
            ("CONNECT /a", "tunnel"),
            ("10.0.0.1 GET /a 200", "looks like a log"),
            (r#"{"weight":-1,"path":"/a"}"#, "-1"),
            ("GET /a -H", "no value"),
            ("GET /a -H nocolon", "Name: value"),
            ("GET /a -x 1", "unknown"),
            ("GET /a -b 1 -b 2", "unknown"),
            ("GET '/a", "quote"),
            ("GET /{{m}}", "{{m}}"),
            ("GET /a -H 'A: {{'", "}}"),
            ("GET /a -b '{{rand 1}}'", "rand"),
            ("GET '/a b'", "space"),
            (r#"{"path":"/a","weigth":1}"#, "weigth"),
            (r#"{"method":"GET"}"#, "path"),
        ] {
            let error = parse(&format!("GET /fine\n{line}\n"), &[]).unwrap_err();
            assert!(error.starts_with("line 2: ") && error.contains(said), "{line}: {error}");
        }
        assert!(parse("# nothing\n", &[]).unwrap_err().contains("no request"));
    }
}
