//! `docs/bench-report.schema.json` and the JSON Schema words that it uses, as far as a report can break them.

use serde_json::Value;

/// Reads the published schema of a report.
pub fn published() -> Value {
    named("bench-report.schema.json")
}

/// Reads a published schema.
pub fn named(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every place where `value` breaks `schema`, whose `$defs` are those of `root`.
pub fn breaches(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "title" | "description" | "$defs" | "properties" => {}
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                found.extend(breaches(root, &root["$defs"][name], value, at));
            }
            "anyOf" => {
                let all = rule.as_array().unwrap();
                if !all.iter().any(|schema| breaches(root, schema, value, at).is_empty()) {
                    found.push(format!("{at}: none of {rule} fits {value}"));
                }
            }
            "const" if value == rule => {}
            "enum" if rule.as_array().unwrap().contains(value) => {}
            "type" if types(rule).iter().any(|name| is_of(value, name)) => {}
            "minimum" if value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()) => {}
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                found.extend(missing.map(|key| format!("{at}: {key} is missing")));
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(breaches(root, rule, item, &format!("{at}[{index}]")));
                }
            }
            "propertyNames" => {
                assert_eq!(rule["pattern"], "^(101|[2-9][0-9]{2})$", "write this pattern down here");
                let is_code = |key: &&String| {
                    key.len() == 3 && key.parse::<u16>().is_ok_and(|code| code == 101 || code >= 200)
                };
                let wrong =
                    value.as_object().into_iter().flat_map(|map| map.keys()).filter(|key| !is_code(key));
                found.extend(wrong.map(|key| format!("{at}: {key} is no status code")));
            }
            "additionalProperties" => found.extend(properties(root, schema, value, at)),
            "const" | "enum" | "type" | "minimum" => {
                found.push(format!("{at}: {value} is not {word} {rule}"));
            }
            _ => panic!("the schema has the word `{word}`, which this test does not know"),
        }
    }
    found
}

fn properties(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let (known, others) = (&schema["properties"], &schema["additionalProperties"]);
    let mut found = Vec::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        match (known.get(key), others) {
            (Some(schema), _) | (None, schema @ Value::Object(_)) => {
                found.extend(breaches(root, schema, value, &at));
            }
            _ => found.push(format!("{at} is not in docs/bench-report.schema.json: add a line there")),
        }
    }
    found
}

fn types(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("`{name}` is no type of JSON Schema"),
    }
}

/// The keys of a schema's objects that no report of `reports` had.
pub fn unseen(root: &Value, schema: &Value, reports: &[&Value], at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = schema["$ref"].as_str() {
        return unseen(root, &root["$defs"][name.rsplit('/').next().unwrap()], reports, at);
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        let below: Vec<&Value> = reports.iter().filter_map(|report| report.get(key)).collect();
        if below.is_empty() {
            found.push(at);
            continue;
        }
        found.extend(unseen(root, schema, &below, &at));
    }
    if let Some(items) = schema.get("items") {
        let below: Vec<&Value> = reports.iter().filter_map(|report| report.as_array()).flatten().collect();
        found.extend(unseen(root, items, &below, &format!("{at}[]")));
    }
    found
}

#[test]
fn breaches_are_found() {
    let root = published();
    let found = |value: &Value, key: &str| breaches(&root, &root["properties"][key], value, key);
    for (key, value) in [
        ("schema", serde_json::json!(1)),
        ("requests", serde_json::json!(-1)),
        ("requests", serde_json::json!(1.5)),
        ("url", Value::Null),
        ("status", serde_json::json!({"999x": 1})),
        ("status", serde_json::json!({"200": "1"})),
        ("limit", serde_json::json!({"verdict": "NOBODY"})),
        ("goals", serde_json::json!([{"goal": "p99<1s", "more": 1}])),
        ("send_lag_ns", serde_json::json!({"p50": "fast"})),
    ] {
        assert_eq!(found(&value, key).len(), 1, "{key} {value}");
    }
    assert!(breaches(&root, &root, &serde_json::json!({}), "").len() >= 10);
}
