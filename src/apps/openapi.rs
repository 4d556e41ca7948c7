//! The OpenAPI document, made from the routes.

use serde_json::{Map, Value, json};

use super::app::{Body, Route};

/// The routes of one application.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The application's name.
    pub name: &'static str,
    /// What it serves.
    pub routes: &'static [Route],
}

/// The document, OpenAPI 3.1. A route for every method and path is no operation and is left out.
///
/// # Panics
/// If a route's `operation` is no JSON object: a test looks at each.
#[must_use]
pub fn document(sections: &[Section]) -> String {
    let mut paths = Map::new();
    for section in sections {
        for route in section.routes {
            let Some(method) = route.method else { continue };
            let item = paths.entry(route.path).or_insert_with(|| json!({}));
            item[method.as_str().to_lowercase()] = operation(section.name, route);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "pixeld", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas()},
    })
    .to_string()
}

fn operation(section: &str, route: &Route) -> Value {
    let mut operation = json!({"tags": [section], "summary": route.summary});
    let text = if route.operation.is_empty() { "{}" } else { route.operation };
    let more: Map<String, Value> = serde_json::from_str(text).expect("a route's operation is an object");
    operation.as_object_mut().expect("made above").extend(more);
    if let Some(captures) = captures(route.path) {
        operation["parameters"] = captures;
    }
    if operation.get("requestBody").is_none() && !matches!(route.body, Body::None) {
        operation["requestBody"] = json!({"content": {"*/*": {"schema": {}}}});
    }
    if operation.get("responses").is_none() {
        operation["responses"] = json!({"200": {"description": "Done"}});
    }
    operation
}

fn captures(path: &str) -> Option<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<_> = names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    (!parameters.is_empty()).then(|| parameters.into())
}

/// What several operations refer to.
fn schemas() -> Value {
    let coordinate = json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX});
    json!({
        "Pixel": {
            "type": "object",
            "required": ["x", "y", "channel", "value"],
            "properties": {
                "x": coordinate,
                "y": coordinate,
                "channel": {"enum": ["R", "G", "B"]},
                "value": {"type": "integer", "minimum": 0, "maximum": 255},
            },
        },
        // What became of a batch that was stopped half way (docs/answers.md).
        "Stopped": {
            "type": "object",
            "required": ["detail"],
            "properties": {
                "detail": {"type": "string"},
                "accepted": {"type": "integer", "minimum": 0},
                "rejected": {"type": "array", "items": {"type": "object"}},
                "rejected_total": {"type": "integer", "minimum": 1},
            },
        },
        "Faults": {
            "type": "object",
            "properties": {"detail": {"type": "array", "items": {
                "type": "object",
                "required": ["type", "loc", "msg", "input"],
                "properties": {
                    "type": {"type": "string"},
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "input": {},
                    "ctx": {"type": "object"},
                },
            }}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::registry;

    #[test]
    fn every_route_is_an_operation() {
        let sections: Vec<_> =
            registry::all().iter().map(|app| Section { name: app.name(), routes: app.routes() }).collect();
        let document: Value = serde_json::from_str(&document(&sections)).unwrap();
        assert_eq!(document["paths"]["/pixel"]["post"]["tags"][0], "pixel");
        assert_eq!(document["paths"]["/pixels"].as_object().unwrap().len(), 3);
        assert!(document["paths"]["/pixels"]["get"]["parameters"].as_array().unwrap().len() == 7);
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                assert!(operation["summary"].is_string() && operation["responses"].is_object());
            }
        }
        assert!(document["paths"].get("/{*}").is_none());
        let stopped = &document["paths"]["/pixels"]["post"]["responses"];
        for status in ["400", "408", "413", "431", "507"] {
            let schema = &stopped[status]["content"]["application/json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Stopped", "{status}");
        }
    }

    #[test]
    fn captures_become_parameters() {
        let parameters = captures("/images/{id}/{size}").unwrap();
        assert_eq!((&parameters[0]["name"], &parameters[1]["name"]), (&json!("id"), &json!("size")));
        assert_eq!(captures("/images"), None);
    }
}
