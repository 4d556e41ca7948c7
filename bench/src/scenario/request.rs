//! The bytes of one request after another.
//!
//! Path and values of fields are templates as bodies are. Where they say nothing that changes, all of the head but the body's length
//! is one piece that is kept ready.

use crate::client::target::is_path;
use crate::redaction::shown_field;
use crate::scenario::random::Random;
use crate::scenario::template::Template;

/// Where the bodies come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// No body, and a Content-Length of 0 only where the method has one usually.
    None,
    /// One template for all requests.
    One(Template),
    /// Request `n` takes line `n` of a file, from the start again after its end.
    Lines(Vec<Template>),
}

/// Longest description of bodies that is their text.
const TEXT_MAX: usize = 200;

impl Bodies {
    /// Describes them for reports: the same words for the same bodies, and other words for others.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let (text, what) = match self {
            Self::None => return None,
            Self::One(template) => (template.source().to_vec(), "a body".to_string()),
            Self::Lines(lines) => {
                let sources: Vec<&[u8]> = lines.iter().map(Template::source).collect();
                (sources.join(&b'\n'), format!("{} bodies in turn", lines.len()))
            }
        };
        match String::from_utf8(text) {
            Ok(text) if text.len() <= TEXT_MAX && matches!(self, Self::One(_)) => Some(text),
            Ok(text) => Some(long(&what, text.as_bytes())),
            Err(binary) => Some(long(&what, binary.as_bytes())),
        }
    }

    /// Returns whether all requests have the same body.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(template) => template.is_constant(),
            Self::Lines(lines) => lines.len() == 1 && lines[0].is_constant(),
        }
    }
}

/// Describes bytes by their number and their checksum (CRC-32C).
fn long(what: &str, bytes: &[u8]) -> String {
    format!("{what} of {} bytes, checksum {:08x}", bytes.len(), crc32c::crc32c(bytes))
}

/// What every request has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestForm {
    /// `POST`.
    pub method: String,
    /// Path with query, a template.
    pub path: String,
    /// Value of the Host field.
    pub host: String,
    /// Further fields, in the order given; values are templates.
    pub headers: Vec<(String, String)>,
    /// The bodies.
    pub bodies: Bodies,
}

impl RequestForm {
    /// Returns whether answers come without a body (RFC 9110, section 9.3.2).
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Returns the body of the first request, for clients that send one body for ever; empty when there is none.
    #[must_use]
    pub fn first_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        match &self.bodies {
            Bodies::None => {}
            Bodies::One(template) => template.write(0, &mut Random::new(0), &mut body),
            Bodies::Lines(lines) => lines[0].write(0, &mut Random::new(0), &mut body),
        }
        body
    }

    /// Returns the same request, which says that it is the last one of its connection (RFC 9112, section 9.6).
    #[must_use]
    pub fn closing(&self) -> Self {
        let mut last = self.clone();
        if !last.has_header("connection") {
            last.headers.push(("Connection".into(), "close".into()));
        }
        last
    }

    /// Returns true if there is a field of this name; case does not matter.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// Returns true if path and fields are the same in all requests.
    #[must_use]
    pub fn has_constant_head(&self) -> bool {
        let is_constant =
            |text: &String| Template::compile(text).is_ok_and(|template| template.is_constant());
        is_constant(&self.path) && self.headers.iter().all(|(_, value)| is_constant(value))
    }

    /// Looks whether path and fields can be sent.
    ///
    /// # Errors
    /// Returns a sentence that names the template that can't be understood, or the path that can't be one.
    pub fn check(&self) -> Result<(), String> {
        if !is_path(&self.path) {
            return Err(format!("`{}` has a space or control character; write it as %20", self.path));
        }
        if self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() > 1 {
            return Err("a request has one Host; leave the second one out".into());
        }
        Template::compile(&self.path).map_err(|error| format!("path `{}`: {error}", self.path))?;
        for field in &self.headers {
            Template::compile(&field.1)
                .map_err(|error| format!("field `{}`: {error}", shown_field(field)))?;
        }
        Ok(())
    }

    /// Returns the head up to the digits of the body's length, and what follows them; without a body all of it and nothing.
    fn head(&self) -> (String, String) {
        let mut before = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.has_header("host") {
            before.push_str(&format!("Host: {}\r\n", self.host));
        }
        let fields: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if self.bodies == Bodies::None {
            // Servers may take a request of these methods without a length for a broken one (RFC 9110, section 8.6).
            let length = match self.method.as_str() {
                "POST" | "PUT" | "PATCH" => "Content-Length: 0\r\n",
                _ => "",
            };
            return (before + length + &fields + "\r\n", String::new());
        }
        if !self.has_header("content-type") {
            before.push_str("Content-Type: application/json\r\n");
        }
        before.push_str("Content-Length: ");
        (before, format!("\r\n{fields}\r\n"))
    }
}

/// Writes requests of one form with random numbers of somebody else.
#[derive(Clone, Debug)]
pub struct Composer {
    bodies: Bodies,
    before_length: Template,
    after_length: Template,
    body: Vec<u8>,
}

impl Composer {
    /// Prepares a form. What [`RequestForm::check`] refuses is written as it stands.
    #[must_use]
    pub fn new(form: RequestForm) -> Self {
        let (before, after) = form.head();
        let compiled =
            |text: String| Template::compile(&text).unwrap_or_else(|_| Template::literal(text.into_bytes()));
        Self {
            bodies: form.bodies,
            before_length: compiled(before),
            after_length: compiled(after),
            body: Vec::new(),
        }
    }

    /// Appends request `number` to `out`.
    #[inline]
    pub fn write(&mut self, number: u64, random: &mut Random, out: &mut Vec<u8>) {
        self.before_length.write(number, random, out);
        let template = match &self.bodies {
            Bodies::None => return,
            Bodies::One(template) => template,
            Bodies::Lines(lines) => &lines[(number % lines.len() as u64) as usize],
        };
        self.body.clear();
        template.write(number, random, &mut self.body);
        out.extend_from_slice(itoa::Buffer::new().format(self.body.len()).as_bytes());
        self.after_length.write(number, random, out);
        out.extend_from_slice(&self.body);
    }
}

/// Writes requests of one form. Each thread has its own.
#[derive(Clone, Debug)]
pub struct RequestWriter {
    composer: Composer,
    random: Random,
}

impl RequestWriter {
    /// Returns a writer whose random numbers follow from `seed`.
    #[must_use]
    pub fn new(form: RequestForm, seed: u64) -> Self {
        Self { composer: Composer::new(form), random: Random::new(seed) }
    }

    /// Appends request `number` to `out`.
    #[inline]
    pub fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        self.composer.write(number, &mut self.random, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bodies: Bodies) -> RequestForm {
        RequestForm {
            method: "POST".into(),
            path: "/pixel".into(),
            host: "a:1".into(),
            headers: vec![("X-A".into(), "b".into())],
            bodies,
        }
    }

    fn written(writer: &mut RequestWriter, number: u64) -> String {
        let mut out = Vec::new();
        writer.write(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_length_follows_the_body() {
        let mut writer = RequestWriter::new(form(Bodies::One(Template::compile("{{n}}").unwrap())), 0);
        for (number, length) in [(9, 1), (10, 2), (999, 3), (8, 1)] {
            assert_eq!(
                written(&mut writer, number),
                format!(
                    "POST /pixel HTTP/1.1\r\nHost: a:1\r\nContent-Type: application/json\r\n\
                     Content-Length: {length}\r\nX-A: b\r\n\r\n{number}"
                )
            );
        }
    }

    #[test]
    fn no_body_has_a_length_where_servers_expect_one_and_given_fields_win() {
        let mut form = form(Bodies::None);
        form.headers.push(("host".into(), "other".into()));
        let mut writer = RequestWriter::new(form, 0);
        let expected = "POST /pixel HTTP/1.1\r\nContent-Length: 0\r\nX-A: b\r\nhost: other\r\n\r\n";
        assert_eq!(written(&mut writer, 1), expected);
    }

    #[test]
    fn path_and_fields_are_templates_with_the_number_of_the_body() {
        let template = Template::compile("{{n}}").unwrap();
        let mut form = form(Bodies::One(template));
        form.path = "/item/{{n}}?r={{rand 5 5}}".into();
        form.headers = vec![("X-N".into(), "{{ n % 10 }}".into())];
        form.check().unwrap();
        let mut writer = RequestWriter::new(form.clone(), 0);
        assert_eq!(
            written(&mut writer, 123),
            "POST /item/123?r=5 HTTP/1.1\r\nHost: a:1\r\nContent-Type: application/json\r\n\
             Content-Length: 3\r\nX-N: 3\r\n\r\n123"
        );
        form.headers[0].1 = "{{n".into();
        assert!(form.check().unwrap_err().contains("X-N: {{n"));
        form.path = "/{{m}}".into();
        assert!(form.check().unwrap_err().contains("path"));
    }

    #[test]
    fn the_first_body_stands_for_all() {
        let template = |text| Template::compile(text).unwrap();
        for (bodies, expected) in [
            (Bodies::None, &b""[..]),
            (Bodies::One(template("a{{n}}")), b"a0"),
            (Bodies::Lines(vec![template("b"), template("c")]), b"b"),
        ] {
            assert_eq!(form(bodies).first_body(), expected);
        }
    }

    #[test]
    fn descriptions_are_as_different_as_the_bodies() {
        let one = |text: &str| Bodies::One(Template::compile(text).unwrap());
        let all = [
            one("{{n}}"),
            one("{{n % 2}}"),
            one(&"a".repeat(201)),
            one(&"b".repeat(201)),
            Bodies::One(Template::literal(vec![0xFF])),
            Bodies::Lines(vec![Template::compile("a").unwrap()]),
            Bodies::Lines(vec![Template::compile("a").unwrap(), Template::compile("b").unwrap()]),
            Bodies::None,
        ];
        let described: std::collections::BTreeSet<_> = all.iter().map(Bodies::describe).collect();
        assert_eq!(described.len(), all.len(), "{described:?}");
        assert_eq!(one("{{n}}").describe().unwrap(), "{{n}}");
        let named = Bodies::One(Template::compile("1").unwrap().named("one"));
        assert_eq!(named.describe().unwrap(), "one");
    }

    #[test]
    fn lines_go_round() {
        let lines = ["a", "bb"].map(|line| Template::compile(line).unwrap()).to_vec();
        let mut writer = RequestWriter::new(form(Bodies::Lines(lines)), 0);
        assert!(written(&mut writer, 0).ends_with("\r\n\r\na"));
        assert!(written(&mut writer, 1).ends_with("\r\n\r\nbb"));
        assert!(written(&mut writer, 2).ends_with("\r\n\r\na"));
    }
}
