//! The OpenAPI document, made from the routes.

use serde_json::{Map, Value, json};

use super::access::Scope;
use super::application::{App, Body, Route};

/// What the document says of one application.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The application's name.
    pub name: &'static str,
    /// What it serves.
    pub routes: &'static [Route],
    /// Schemas that its operations refer to, a JSON object; empty for none.
    pub schemas: &'static str,
}

impl Section {
    /// Returns the section of an application.
    #[must_use]
    pub fn of(app: &dyn App) -> Self {
        Self { name: app.name(), routes: app.routes(), schemas: app.schemas() }
    }
}

/// Describes a route whose answer is a file with an ETag.
pub const FILE: &str = r#"{"responses":{"200":{"description":"The file"},"206":{"description":"The part that Range names"},
"304":{"description":"You have it"},"404":{"description":"It is not there, or another version is"},
"412":{"description":"If-Match names another version"},"416":{"description":"Range names none of its bytes"}}}"#;

/// Statuses that an operation need not name itself.
const USUAL: [(&str, &str); 7] = [
    ("400", "The request is malformed"),
    ("413", "The body is larger than is taken here"),
    ("414", "The request line is too long"),
    ("421", "The server does not go by the name in Host"),
    ("429", "Too many requests; Retry-After says when to send again"),
    ("431", "The header is too long"),
    ("503", "Too much is waiting, or this host is joining another one; Retry-After says when to send again"),
];

/// Those of what has a body.
const USUAL_OF_BODIES: [(&str, &str); 1] = [("408", "The body comes too slowly")];

/// Those of what logs records.
const USUAL_OF_WRITES: [(&str, &str); 2] = [
    (
        "504",
        "It may be kept, and what was asked for was not confirmed in time; Durability says what was reached",
    ),
    ("507", "There is no room for writes; reads go on"),
];

/// Those of what needs a scope, where the server asks for tokens.
const USUAL_OF_GUARDED: [(&str, &str); 2] = [
    ("401", "The server asks for a token, and there is none or one that it does not know"),
    ("403", "The token lacks the scope"),
];

/// Returns the document, OpenAPI 3.1. A route for every method and path is no operation and is left out.
///
/// # Panics
/// Panics if a route's `operation` or an application's `schemas` are no JSON object: a test looks at each.
#[must_use]
pub fn document(sections: &[Section]) -> Value {
    let (mut paths, mut schemas) = (Map::new(), schemas());
    for section in sections {
        schemas.extend(object(section.schemas));
        for route in section.routes {
            let Some(method) = route.method else { continue };
            let item = paths.entry(route.path).or_insert_with(|| json!({}));
            item[method.as_str().to_lowercase()] = operation(section.name, route, route.scope(method));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "pixeld", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed where the server has --tokens: the scopes stand with each call. Elsewhere everybody may do everything.",
        }}},
    })
}

/// Returns the object that an application has written; nothing in it for an empty text.
fn object(text: &str) -> Map<String, Value> {
    if text.is_empty() {
        Map::new()
    } else {
        serde_json::from_str(text).expect("an application writes objects")
    }
}

fn operation(section: &str, route: &Route, scope: Option<Scope>) -> Value {
    let mut operation = json!({"tags": [section], "summary": route.summary});
    operation.as_object_mut().expect("made above").extend(object(route.operation));
    add_captures(&mut operation, route.path);
    if operation.get("requestBody").is_none() && !matches!(route.body, Body::None) {
        operation["requestBody"] = json!({"content": {"*/*": {"schema": {}}}});
    }
    if operation.get("responses").is_none() {
        operation["responses"] = json!({"200": {"description": "Done"}});
    }
    let bodies = if matches!(route.body, Body::None) { &[][..] } else { &USUAL_OF_BODIES };
    let writes = if route.writes { &USUAL_OF_WRITES[..] } else { &[] };
    // Either of the two: a server may ask for no tokens.
    operation["security"] = scope.map_or(json!([]), |scope| json!([{ "token": [scope.name()] }, {}]));
    let guarded = if scope.is_some() { &USUAL_OF_GUARDED[..] } else { &[] };
    for (status, description) in USUAL.iter().chain(guarded).chain(bodies).chain(writes) {
        let responses = operation["responses"].as_object_mut().expect("responses are an object");
        responses.entry(*status).or_insert_with(|| json!({ "description": description }));
    }
    operation
}

/// Puts what the path captures before the other parameters: any text, unless the operation says more of it.
fn add_captures(operation: &mut Value, path: &str) {
    let declared = operation["parameters"].take();
    let mut others = declared.as_array().cloned().unwrap_or_default();
    let mut parameters = Vec::new();
    for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        let is_this = |other: &Value| other["in"] == "path" && other["name"] == name;
        let found = others.iter().position(is_this).map(|at| others.remove(at));
        let mut parameter = found.unwrap_or_else(|| json!({"schema": {"type": "string"}}));
        parameter["name"] = name.into();
        parameter["in"] = "path".into();
        parameter["required"] = true.into();
        parameters.push(parameter);
    }
    parameters.append(&mut others);
    let operation = operation.as_object_mut().expect("an operation is an object");
    if parameters.is_empty() {
        operation.remove("parameters");
    } else {
        operation.insert("parameters".to_owned(), parameters.into());
    }
}

/// Returns what operations of several applications refer to.
fn schemas() -> Map<String, Value> {
    let schemas = json!({
        "Detail": {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}},
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
    });
    schemas.as_object().cloned().expect("made above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::registry;

    #[test]
    fn every_route_is_an_operation() {
        let sections: Vec<_> = registry::all().iter().map(|app| Section::of(&**app)).collect();
        let document = document(&sections);
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
    fn every_schema_that_is_referred_to_is_there() {
        let sections: Vec<_> = registry::all().iter().map(|app| Section::of(&**app)).collect();
        let document = document(&sections);
        let text = document.to_string();
        let named = text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
        for name in named {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    #[test]
    fn captures_stand_beside_the_parameters_of_a_query() {
        let with = |parameters: Value, path| {
            let mut operation = json!({ "parameters": parameters });
            add_captures(&mut operation, path);
            operation
        };
        let query = json!({"name": "wait", "in": "query", "schema": {"type": "integer"}});
        let number = json!({"name": "id", "in": "path", "schema": {"type": "integer"}});
        let both = with(json!([query, number]), "/images/{id}/{size}");
        let told: Vec<_> =
            both["parameters"].as_array().unwrap().iter().map(|one| (&one["name"], &one["schema"])).collect();
        let (integer, text) = (json!({"type": "integer"}), json!({"type": "string"}));
        let names = [json!("id"), json!("size"), json!("wait")];
        assert_eq!(told, [(&names[0], &integer), (&names[1], &text), (&names[2], &integer)]);
        assert_eq!(with(Value::Null, "/images"), json!({}));
        assert_eq!(with(json!([query]), "/images")["parameters"], json!([query]));
    }

    #[test]
    fn what_may_be_answered_is_described() {
        let sections: Vec<_> = registry::all().iter().map(|app| Section::of(&**app)).collect();
        let document = document(&sections);
        for (path, method, statuses) in [
            (
                "/pixel",
                "post",
                &[
                    "200", "400", "401", "403", "408", "413", "414", "421", "422", "429", "431", "503",
                    "504", "507",
                ][..],
            ),
            (
                "/pixels",
                "post",
                &[
                    "200", "207", "400", "401", "403", "408", "413", "414", "415", "421", "422", "429",
                    "431", "503", "504", "507",
                ],
            ),
            (
                "/next",
                "get",
                &["200", "400", "401", "403", "409", "413", "414", "421", "429", "431", "503", "504", "507"],
            ),
            ("/state", "get", &["200", "400", "401", "403", "413", "414", "421", "429", "431", "503"]),
            (
                "/media/{name}",
                "get",
                &[
                    "200", "206", "304", "400", "401", "403", "404", "412", "413", "414", "416", "421",
                    "429", "431", "503",
                ],
            ),
            (
                "/images/{id}/thumbnail",
                "get",
                &["200", "304", "400", "401", "403", "404", "412", "413", "414", "421", "429", "431", "503"],
            ),
            (
                "/messages/{id}",
                "get",
                &["200", "400", "401", "403", "404", "413", "414", "421", "429", "431", "503"],
            ),
            (
                "/api/products/{id}",
                "get",
                &["200", "400", "401", "403", "404", "413", "414", "421", "429", "431", "503"],
            ),
            (
                "/api/products",
                "get",
                &[
                    "200", "400", "401", "403", "404", "413", "414", "421", "422", "429", "431", "503",
                    "504", "507",
                ],
            ),
        ] {
            let mut told: Vec<_> =
                document["paths"][path][method]["responses"].as_object().unwrap().keys().collect();
            told.sort_unstable();
            assert_eq!(told, statuses, "{method} {path}");
        }
        let parameters = &document["paths"]["/images/{id}"]["get"]["parameters"];
        assert_eq!((&parameters[0]["name"], &parameters[1]["name"]), (&json!("id"), &json!("wait")));
        assert_eq!(document["paths"]["/fib/{n}"]["get"]["parameters"][0]["schema"]["type"], "integer");
    }
}
