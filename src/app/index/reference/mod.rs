//! `/docs`: every call for people to read, made from the same descriptions as `/openapi.json`.
//!
//! All of it is there without a script; `docs.js` adds a filter and the address that examples are sent to.

mod example;
mod prose;
mod shape;

use std::fmt::Write;

use serde_json::{Map, Value};

use super::super::application::Route;
use super::super::openapi::Section;
use super::super::router::{HOME_PATH, INDEX};
use crate::http::method::Method;

use prose::{escaped, prose};

/// Returns the page that describes these routes as `document`, their OpenAPI document, does.
pub fn page(sections: &[Section], document: &Value) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n{}<link rel=\"stylesheet\" href=\"/docs.css\">\n<title>pixeld: every call</title>\n\
         <script type=\"module\" src=\"/docs.js\"></script>\n</head>\n<body>\n{}",
        include_str!("../head.html"),
        include_str!("../header.html")
            .replace("<a href=\"/docs\">", "<a href=\"/docs\" aria-current=\"page\">"),
    );
    html.push_str(include_str!("intro.html"));
    for section in sections {
        let name = section.name;
        let _ = writeln!(
            html,
            "<section id=\"{name}\" class=\"calls\" aria-labelledby=\"{name}-title\">\n<h2 id=\"{name}-title\">{name}</h2>"
        );
        for route in section.routes.iter().filter(|route| is_told(route, name)) {
            operation(&mut html, route, document);
        }
        html.push_str("</section>\n");
    }
    schemas(&mut html, &document["components"]["schemas"]);
    html.push_str(include_str!("../foot.html"));
    html
}

/// Returns whether people look for a route: not for a file that a page loads by itself, nor for the home of an application, which
/// its own listener has.
fn is_told(route: &Route, section: &str) -> bool {
    let is_part = [".css", ".js", ".svg", "/{file}"].iter().any(|end| route.path.ends_with(end))
        || (route.path.starts_with("/static/") && route.path.ends_with(".png"));
    let is_home = route.path == HOME_PATH && section != INDEX;
    route.method.is_some() && !is_home && !is_part
}

/// Appends one call: its line, and folded below it what it takes and what it answers.
fn operation(html: &mut String, route: &Route, document: &Value) {
    let (path, summary) = (route.path, escaped(route.summary));
    let method = route.method.map_or("", Method::as_str);
    let described = &document["paths"][path][method.to_lowercase()];
    let _ = writeln!(
        html,
        "<details id=\"{}\" class=\"call\">\n<summary><b class=\"{}\">{method}</b> <code>{path}</code> <span>{summary}</span></summary>",
        anchor(method, path),
        method.to_lowercase(),
    );
    // A link where a browser can follow it, and whoever follows it changes nothing and waits for nothing.
    let is_read = route.method == Some(Method::Get) && !route.writes && !route.waits;
    if is_read && !path.contains('{') && !needs_parameters(described) {
        let _ = writeln!(html, "<p><a href=\"{path}\">Open {path}</a></p>");
    }
    if let Some(scope) = described["security"][0]["token"][0].as_str() {
        let _ =
            writeln!(html, "<p>Needs the scope <code>{scope}</code> where the server asks for tokens</p>");
    }
    if let Some(parameters) = described["parameters"].as_array() {
        parameters_of(html, parameters);
    }
    if let Some(contents) = described["requestBody"]["content"].as_object() {
        html.push_str("<h3>Body</h3>\n<ul>\n");
        contents_of(html, contents);
        html.push_str("</ul>\n");
    }
    responses_of(html, &described["responses"]);
    let example = escaped(&example::command(method, path, described, document));
    let _ = writeln!(html, "<h3>Example</h3>\n<pre><code>{example}</code></pre>\n</details>");
}

/// Returns whether a call is refused without parameters.
fn needs_parameters(described: &Value) -> bool {
    described["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["required"] == true)
}

/// Returns the name by which a link leads to a call.
fn anchor(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.fold(method.to_lowercase(), |name, word| format!("{name}-{word}"));
    // Some paths are another one's with a slash behind.
    if path.len() > 1 && path.ends_with('/') { name + "-slash" } else { name }
}

fn parameters_of(html: &mut String, parameters: &[Value]) {
    html.push_str("<h3>Parameters</h3>\n<dl>\n");
    for parameter in parameters {
        let name = escaped(parameter["name"].as_str().unwrap_or_default());
        let place = parameter["in"].as_str().unwrap_or_default();
        let need = if parameter["required"] == true { ", required" } else { "" };
        let shape = shape::of(&parameter["schema"]);
        let _ = write!(html, "<dt><code>{name}</code> <span>{place}{need}; {shape}</span></dt><dd>");
        html.push_str(&prose(&parameter["description"]));
        html.push_str("</dd>\n");
    }
    html.push_str("</dl>\n");
}

/// Appends a line for each type of a body.
fn contents_of(html: &mut String, contents: &Map<String, Value>) {
    for (media_type, content) in contents {
        let description = prose(&content["schema"]["description"]);
        let shape = shape::of(&content["schema"]);
        let parts: Vec<_> = [shape, description].into_iter().filter(|part| !part.is_empty()).collect();
        let _ = write!(html, "<li><code>{}</code>", escaped(media_type));
        if !parts.is_empty() {
            let _ = write!(html, ": {}", parts.join(". "));
        }
        if let Some(example) = content.get("example") {
            let _ = write!(html, " <code class=\"example\">{}</code>", escaped(&example.to_string()));
        }
        html.push_str("</li>\n");
    }
}

fn responses_of(html: &mut String, responses: &Value) {
    html.push_str("<h3>Answers</h3>\n<dl class=\"answers\">\n");
    let mut all: Vec<_> = responses.as_object().into_iter().flatten().collect();
    all.sort_by_key(|(status, _)| *status);
    for (status, response) in all {
        let kind = status.chars().next().unwrap_or('0');
        let _ = write!(
            html,
            "<dt><b class=\"status-{kind}\">{status}</b></dt><dd>{}",
            prose(&response["description"])
        );
        if let Some(contents) = response["content"].as_object() {
            html.push_str("<ul>\n");
            contents_of(html, contents);
            html.push_str("</ul>");
        }
        html.push_str("</dd>\n");
    }
    html.push_str("</dl>\n");
}

/// Appends what several calls refer to.
fn schemas(html: &mut String, schemas: &Value) {
    let Some(schemas) = schemas.as_object().filter(|schemas| !schemas.is_empty()) else { return };
    html.push_str("<section id=\"schemas\" class=\"calls\" aria-labelledby=\"schemas-title\">\n<h2 id=\"schemas-title\">Forms</h2>\n");
    for (name, schema) in schemas {
        let _ = write!(
            html,
            "<div id=\"schema-{name}\" class=\"call\"><h3>{name}</h3><p>{}</p>\n<dl>\n",
            prose(&schema["description"])
        );
        for (property, of) in schema["properties"].as_object().into_iter().flatten() {
            let _ = writeln!(html, "<dt><code>{}</code></dt><dd>{}</dd>", escaped(property), shape::of(of));
        }
        html.push_str("</dl></div>\n");
    }
    html.push_str("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::index::sections;
    use crate::app::openapi;
    use crate::apps::registry;

    fn reference() -> String {
        let apps = registry::all();
        let sections = sections(&apps);
        page(&sections, &openapi::document(&sections))
    }

    #[test]
    fn every_call_is_described_and_only_what_can_be_followed_is_a_link() {
        let (page, apps) = (reference(), registry::all());
        let document = openapi::document(&sections(&apps));
        for app in &apps {
            for route in app.routes().iter().filter(|route| is_told(route, app.name())) {
                let method = route.method.map_or("", Method::as_str);
                assert!(page.contains(&format!("id=\"{}\"", anchor(method, route.path))), "{}", route.path);
                assert!(page.contains(&*escaped(route.summary)), "{}", route.path);
                let is_linked = page.contains(&format!("href=\"{}\"", route.path));
                let is_whole = !needs_parameters(&document["paths"][route.path]["get"]);
                let may_be = !route.writes && !route.waits && !route.path.contains('{') && method == "GET";
                // Of one path a GET may be a link and a POST not.
                assert!((may_be && is_whole) <= is_linked, "{}", route.path);
            }
        }
        assert!(!page.contains("href=\"/pixel\"") && !page.contains("href=\"/next\""));
        assert!(!page.contains("href=\"/board/events\""));
        assert!(!page.contains("href=\"/canvas/pixel\""), "it is refused without a place");
        assert!(page.contains("<a href=\"/pixels/count\">"));
        assert!(!page.contains("/static/"), "files of pages are no calls");
    }

    #[test]
    fn each_call_has_a_name_of_its_own_and_each_form_that_is_named_is_there() {
        let page = reference();
        let ids: Vec<&str> =
            page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{id} twice");
        }
        for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(ids.contains(&target), "{target}");
        }
        assert!(page.contains("<code>&quot;R&quot;</code>") && page.contains("href=\"#schema-Faults\""));
    }
}
