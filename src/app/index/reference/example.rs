//! A command for a shell that makes one call.

use serde_json::{Map, Value, json};

/// Where examples are sent to; the script puts the page's own address there.
const BASE: &str = "http://127.0.0.1:8000";

/// Schemas in schemas that are followed; they name each other.
const DEPTH_MAX: u8 = 6;

/// Returns the command. What only the caller can know stands there in capitals.
pub fn command(method: &str, path: &str, described: &Value, document: &Value) -> String {
    let mut words = vec!["curl".to_owned()];
    let body = described["requestBody"]["content"].as_object().and_then(|contents| contents.iter().next());
    match method {
        "GET" => {}
        // What is sent decides about the method by itself.
        "POST" if body.is_some() => {}
        _ => words.push(format!("-X {method}")),
    }
    if let Some((media_type, content)) = body {
        words.extend(sent(media_type, content, document));
    }
    words.push(quoted(&format!("{BASE}{}", addressed(path, described, document))));
    words.join(" ")
}

/// Returns the options that send a body of this type.
fn sent(media_type: &str, content: &Value, document: &Value) -> Vec<String> {
    let schema = &content["schema"];
    match media_type {
        "application/json" => {
            let body = content.get("example").cloned().unwrap_or_else(|| sample(schema, document, 0));
            vec![format!("-H 'Content-Type: {media_type}'"), format!("-d {}", quoted(&body.to_string()))]
        }
        "multipart/form-data" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let field = |(name, of): (&String, &Value)| {
                let value = if of["format"] == "binary" { "@FILE" } else { "TEXT" };
                format!("-F {name}={value}")
            };
            fields.map(field).collect()
        }
        "*/*" => vec!["--data-binary @FILE".to_owned()],
        _ => vec![format!("-H 'Content-Type: {media_type}'"), "--data-binary @FILE".to_owned()],
    }
}

/// Returns the path with values in the places of names, and with the parameters that it can't do without.
fn addressed(path: &str, described: &Value, document: &Value) -> String {
    let parameters = described["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let value = |parameter: &Value| match sample(&parameter["schema"], document, 0) {
        Value::String(_) => parameter["name"].as_str().unwrap_or_default().to_uppercase(),
        other => other.to_string(),
    };
    let mut address = path.to_owned();
    let mut query = Vec::new();
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &value(parameter)),
            Some("query") if parameter["required"] == true => {
                query.push(format!("{name}={}", value(parameter)));
            }
            _ => {}
        }
    }
    if query.is_empty() { address } else { format!("{address}?{}", query.join("&")) }
}

/// Returns a value that a schema allows; a text that it does not describe is `TEXT`.
fn sample(schema: &Value, document: &Value, depth: u8) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let inner = |schema: &Value| sample(schema, document, depth + 1);
    if let Some(path) = schema["$ref"].as_str() {
        return document.pointer(path.trim_start_matches('#')).map_or(Value::Null, inner);
    }
    let first = |name: &str| schema[name].as_array().and_then(|all| all.first());
    let given = schema.get("const").or(schema.get("default")).or(schema.get("example"));
    if let Some(value) = given.or(first("enum")) {
        return value.clone();
    }
    if let Some(form) = first("anyOf") {
        return inner(form);
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => number(schema),
        Some("boolean") => json!(true),
        Some("array") => json!([inner(&schema["items"])]),
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let member = |name: &str| (name.to_owned(), inner(&schema["properties"][name]));
            Value::Object(required.map(member).collect::<Map<_, _>>())
        }
        _ => json!("TEXT"),
    }
}

/// Returns ten, or what is nearest to it within the bounds.
fn number(schema: &Value) -> Value {
    let bound = |name: &str, without: i64| schema[name].as_i64().unwrap_or(without);
    json!(10.clamp(bound("minimum", i64::MIN), bound("maximum", i64::MAX)))
}

/// Returns a word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@".contains(letter);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_say_what_is_sent() {
        let document = json!({"components": {"schemas": {"Dot": {"type": "object", "required": ["x", "c"],
            "properties": {"x": {"type": "integer", "maximum": 5}, "c": {"enum": ["it's"]}, "more": {}}}}}});
        let body = |media_type: &str, schema: Value| json!({"requestBody": {"content": {media_type: {"schema": schema}}}});
        let dots = json!({"type": "array", "items": {"$ref": "#/components/schemas/Dot"}});
        let captured = json!({"parameters": [
            {"name": "id", "in": "path", "schema": {"type": "integer", "minimum": 12}},
            {"name": "x", "in": "query", "required": true, "schema": {"type": "string"}},
            {"name": "y", "in": "query", "schema": {"type": "string"}}]});
        for (method, path, described, command_line) in [
            ("GET", "/a", json!({}), "curl http://127.0.0.1:8000/a"),
            ("DELETE", "/a/{id}", captured, "curl -X DELETE 'http://127.0.0.1:8000/a/12?x=X'"),
            (
                "POST",
                "/a",
                body("application/json", dots),
                r#"curl -H 'Content-Type: application/json' -d '[{"x":5,"c":"it'\''s"}]' http://127.0.0.1:8000/a"#,
            ),
            ("POST", "/a", json!({}), "curl -X POST http://127.0.0.1:8000/a"),
            (
                "POST",
                "/a",
                body("multipart/form-data", json!({"properties": {"f": {"format": "binary"}, "m": {}}})),
                "curl -F f=@FILE -F m=TEXT http://127.0.0.1:8000/a",
            ),
            (
                "POST",
                "/a",
                body("image/png", json!({})),
                "curl -H 'Content-Type: image/png' --data-binary @FILE http://127.0.0.1:8000/a",
            ),
        ] {
            assert_eq!(command(method, path, &described, &document), command_line);
        }
    }
}
