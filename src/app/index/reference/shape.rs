//! What a value looks like, in a few words made from its schema (JSON Schema, as OpenAPI 3.1 has it).

use serde_json::Value;

use super::prose::escaped;

/// Returns the shape as HTML; empty where the schema says nothing.
pub fn of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(value) = schema.get("const") {
        return code(value);
    }
    if let Some(values) = schema["enum"].as_array() {
        return either(values.iter().map(code));
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return either(forms.iter().map(of));
    }
    let Some(kind) = kind(&schema["type"]) else { return String::new() };
    let more = match kind.as_str() {
        "integer" | "number" => range(schema),
        "string" => letters(schema),
        "array" => elements(schema),
        "object" => members(schema),
        _ => String::new(),
    };
    let preset = schema.get("default").map_or(String::new(), |value| format!(", {} by default", code(value)));
    format!("{kind}{more}{preset}")
}

fn either(forms: impl Iterator<Item = String>) -> String {
    forms.filter(|form| !form.is_empty()).collect::<Vec<_>>().join(" or ")
}

/// Returns the name of a type, or of several; nothing where none is given.
fn kind(types: &Value) -> Option<String> {
    match types {
        Value::String(one) => Some(one.clone()),
        Value::Array(several) => {
            Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "))
        }
        _ => None,
    }
}

fn code(value: &Value) -> String {
    format!("<code>{}</code>", escaped(&value.to_string()))
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn letters(schema: &Value) -> String {
    let mut text = String::new();
    let mut say = |what: String| text.push_str(&format!(", {what}"));
    if let Some(format) = schema["format"].as_str().or(schema["contentEncoding"].as_str()) {
        say(escaped(format));
    }
    match (schema["minLength"].as_u64(), schema["maxLength"].as_u64()) {
        (Some(least), Some(most)) => say(format!("{least} to {most} letters")),
        (Some(least), None) => say(format!("at least {least} letters")),
        (None, Some(most)) => say(format!("at most {most} letters")),
        (None, None) => {}
    }
    text
}

fn elements(schema: &Value) -> String {
    let items = of(&schema["items"]);
    if items.is_empty() { items } else { format!(" of {items}") }
}

/// Returns the members of an object, those that it must have marked.
fn members(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else { return String::new() };
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let member = |(name, of_it): (&String, &Value)| {
        let mark = if required.iter().any(|one| *one == name) { "" } else { "?" };
        format!("<code>{}{mark}</code> {}", escaped(name), of(of_it))
    };
    format!(" {{ {} }}", properties.iter().map(member).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_in_words() {
        for (schema, words) in [
            (json!({}), ""),
            (json!({"$ref": "#/components/schemas/Faults"}), "<a href=\"#schema-Faults\">Faults</a>"),
            (json!({"enum": ["a", "<"]}), "<code>&quot;a&quot;</code> or <code>&quot;&lt;&quot;</code>"),
            (json!({"const": true}), "<code>true</code>"),
            (
                json!({"type": "integer", "minimum": 0, "maximum": 5, "default": 2}),
                "integer, 0 to 5, <code>2</code> by default",
            ),
            (json!({"type": "integer", "minimum": 1}), "integer, at least 1"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (
                json!({"type": "string", "minLength": 1, "maxLength": 9, "format": "uuid"}),
                "string, uuid, 1 to 9 letters",
            ),
            (json!({"type": "array", "items": {"type": "string"}}), "array of string"),
            (json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}), "boolean or null"),
            (
                json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}),
                "object { <code>a</code> string; <code>b?</code> number }",
            ),
        ] {
            assert_eq!(of(&schema), words, "{schema}");
        }
    }
}
