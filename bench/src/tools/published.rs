//! `bench table`: `bench/README.md`'s table from the lines of `bench/results/*.jsonl`.

use crate::quantity::{show_cpu, show_ns, show_rate};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Version of the lines of `compare --append`.
pub const SCHEMA: u64 = 1;
/// Between these lines of the README stands what the command makes.
const MARKS: (&str, &str) = ("<!-- made by `pixeld bench table` -->", "<!-- end of what is made -->");

/// Makes the tables of files, each a name and a text: one table for each set of conditions, the servers ordered by their CPU per
/// request.
///
/// # Errors
/// Returns the line that can't be read or is no result, and a sentence for files without a line.
pub fn render(files: &[(String, String)]) -> Result<String, String> {
    let mut groups: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (name, text) in files {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |what: String| format!("{name}, line {}: {what}", at + 1);
            let row: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            check_row(&row).map_err(wrong)?;
            // Later lines replace earlier ones of the same server under the same conditions.
            groups.entry(conditions(&row)).or_default().insert(row["name"].to_string(), row);
        }
    }
    if groups.is_empty() {
        return Err("there is no result in it; `pixeld bench compare --append FILE` writes some".into());
    }
    let mut out = String::new();
    for (conditions, rows) in groups {
        let mut rows: Vec<Value> = rows.into_values().collect();
        let cost = |row: &Value| row["medians"]["server_cpu"].as_f64().unwrap_or(f64::MAX);
        rows.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        let _ = writeln!(out, "### {conditions}\n");
        out.push_str("| server | server CPU/request | over the first | rate | p50 | p99 | client | rounds | errors | keeps the data |\n");
        out.push_str("|---|--:|--:|--:|--:|--:|---|--:|--:|---|\n");
        rows.iter().for_each(|row| out.push_str(&table_row(row)));
        let first = text(&rows[0]["ratios_to"]);
        let load = rows[0]["environment"]["load_before"].as_f64().unwrap_or(0.0);
        let _ = writeln!(out, "\nRatios are to {first}, with 95 % intervals. Load average before: {load}.\n");
    }
    Ok(out)
}

/// Fails for what `compare --append` did not write.
fn check_row(row: &Value) -> Result<(), String> {
    let wrong = |what: &str| {
        format!(
            "{what}, so this is no line that `pixeld bench compare --append` of this version writes (schema {SCHEMA})"
        )
    };
    match &row["schema"] {
        known if *known == SCHEMA => {}
        Value::Null => return Err(wrong("it has no `schema`")),
        other => return Err(wrong(&format!("its schema is {other}"))),
    }
    for (key, is_right) in [
        ("name", row["name"].is_string()),
        ("scenario", row["scenario"].is_object()),
        ("environment", row["environment"].is_object()),
        ("medians", row["medians"].is_object()),
        ("rounds", row["rounds"].is_u64()),
    ] {
        if !is_right {
            return Err(wrong(&format!("it has no `{key}`")));
        }
    }
    Ok(())
}

fn conditions(row: &Value) -> String {
    let (scenario, environment) = (&row["scenario"], &row["environment"]);
    format!(
        "{} connections, depth {}; {} x {}, Linux {}; server on CPU {}, load on CPU {}; commit {}, {}",
        scenario["connections"],
        scenario["pipeline"],
        environment["cpus"],
        text(&environment["cpu"]),
        text(&environment["kernel"]),
        row["server_cpus"],
        scenario["pins"],
        text(&row["commit"]),
        text(&environment["time"]).get(..10).unwrap_or_default(),
    )
}

fn table_row(row: &Value) -> String {
    let figure = |key: &str, show: fn(f64) -> String| row["medians"][key].as_f64().map_or("-".into(), show);
    let ns: fn(f64) -> String = |ns| show_ns(ns as u64);
    let ratio = match row["ratios"]["server_cpu"].as_array().map(Vec::as_slice) {
        Some([ratio, low, high]) => {
            let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
            format!("{:.2} ({:.2} to {:.2})", number(ratio), number(low), number(high))
        }
        _ => "-".into(),
    };
    format!(
        "| {} | {} | {ratio} | {} | {} | {} | {} | {} | {} | {} |\n",
        row["about"].as_str().or(row["name"].as_str()).unwrap_or_default(),
        figure("server_cpu", show_cpu),
        figure("rate", show_rate),
        figure("p50", ns),
        figure("p99", ns),
        text(&row["client"]),
        row["rounds"],
        row["errors"].as_f64().unwrap_or(0.0),
        row["keeps"].as_str().unwrap_or("-"),
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// Puts the tables between the marks of a README.
///
/// # Errors
/// Returns a sentence when the marks are missing.
pub fn place(readme: &str, tables: &str) -> Result<String, String> {
    let missing = || format!("the README has no lines `{}` and `{}`", MARKS.0, MARKS.1);
    let (head, rest) = readme.split_once(MARKS.0).ok_or_else(missing)?;
    let (_, tail) = rest.split_once(MARKS.1).ok_or_else(missing)?;
    Ok(format!("{head}{}\n\n{tables}{}{tail}", MARKS.0, MARKS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_replace_earlier_ones_and_the_cheapest_comes_first() {
        let line = |name: &str, cpu: f64| {
            format!(
                "{{\"schema\":1,\"scenario\":{{}},\"environment\":{{}},\"rounds\":3,\"name\":\"{name}\",\"medians\":{{\"server_cpu\":{cpu}}},\
                 \"ratios\":{{\"server_cpu\":[1.5,1.4,1.6]}},\"ratios_to\":\"a\"}}"
            )
        };
        // No line break at the end of a file.
        let file = |text: String| ("f".to_string(), text);
        let table = render(&[file(line("a", 9e3) + "\n" + &line("b", 5e3)), file(line("a", 3e3))]).unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.contains(" us |")).collect();
        assert_eq!(rows.len(), 2);
        assert!(
            rows[0].starts_with("| a | 3.00 us | 1.50 (1.40 to 1.60)") && rows[1].starts_with("| b"),
            "{table}"
        );
    }

    #[test]
    fn what_is_no_result_is_refused_by_name() {
        let whole = r#"{"schema":1,"name":"a","scenario":{},"environment":{},"medians":{},"rounds":3}"#;
        assert!(render(&[("f".into(), whole.into())]).is_ok());
        for (line, said) in [
            ("{", "EOF"),
            ("5", "no `schema`"),
            ("{}", "no `schema`"),
            (r#"{"schema":1}"#, "no `name`"),
            (&whole.replace(":1", ":2"), "schema is 2"),
            (&whole.replace("scenario", "s"), "no `scenario`"),
            (&whole.replace("environment", "s"), "no `environment`"),
            (&whole.replace("medians", "s"), "no `medians`"),
            (&whole.replace(":3", ":\"3\""), "no `rounds`"),
        ] {
            let error = render(&[("f".into(), format!("{whole}\n{line}\n"))]).unwrap_err();
            assert!(error.starts_with("f, line 2: ") && error.contains(said), "{line}: {error}");
        }
        assert!(render(&[("f".into(), "\n".into())]).unwrap_err().contains("--append"));
    }

    #[test]
    fn the_readme_keeps_what_stands_around() {
        let readme = format!("# Title\n{}\nold\n{}\nend\n", MARKS.0, MARKS.1);
        let placed = place(&readme, "new\n").unwrap();
        assert!(placed.starts_with("# Title\n") && placed.ends_with("\nend\n") && placed.contains("new"));
        assert!(!placed.contains("old") && place(&placed, "new\n").unwrap() == placed);
        assert!(place("# Title\n", "").is_err());
    }
}
