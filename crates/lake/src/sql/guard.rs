//! Is this text one statement that only reads? Decided by the engine's own parser, before anything
//! is prepared: `json_serialize_sql` accepts SELECT-like statements alone, and what it returns names
//! every table function that the statement would call.
//!
//! This is the first of two walls. The second one is in [`super::open`]: no file but the parts of
//! the snapshot can be opened, no extension loaded and no setting changed. Table functions are held
//! to a list because some of them act (`enable_logging` writes files, `checkpoint` checkpoints).

use std::borrow::Cow;

use duckdb::Connection;
use stele_model::json::{Kind, Tape, Value};

use super::error::{SqlError, at_byte};

/// Table functions of the engine that only compute, or that describe the views of the lake.
const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_types",
    "generate_series",
    "histogram",
    "histogram_values",
    "json_each",
    "json_tree",
    "pragma_table_info",
    "range",
    "repeat",
    "repeat_row",
    "summary",
    "unnest",
];

/// Schemas in which the engine and this program keep what is theirs: names of files, settings, how views are made.
const INNER_SCHEMAS: &[&str] = &["information_schema", "pg_catalog", "stele_internal"];

/// The same among what can be named without a schema: the catalogue of the engine.
const INNER_TABLES: &[&str] = &["duckdb_", "pg_", "pragma_", "sqlite_"];

/// Functions that tell how the engine is set up, which is where this machine keeps its files.
const INNER_FUNCTIONS: &[&str] = &["current_setting", "getenv"];

/// First words of statements that read.
const READING: &[&str] = &["SELECT", "FROM", "WITH", "VALUES", "DESCRIBE", "SUMMARIZE", "SHOW", "EXPLAIN"];

const WHAT_IS_ALLOWED: &str =
    "Allowed are SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN.";

/// The text to run if `text` is one statement that only reads. EXPLAIN is put together anew from the
/// part that was checked, so that no comment can hide another statement from this page.
pub(super) fn check<'a>(
    connection: &Connection,
    text: &'a str,
    table_macros: &[String],
) -> Result<Cow<'a, str>, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::Syntax {
            detail: "A query cannot hold a NUL character".into(),
            line: 0,
            column: 0,
            excerpt: String::new(),
        });
    }
    let explained = after_explain(text);
    let statement = explained.map_or(text, |(_, statement)| statement);
    let offset = text.len() - statement.len();
    let tree: String = connection
        .query_row("SELECT json_serialize_sql($1::VARCHAR)", [statement], |row| row.get(0))
        .map_err(|error| SqlError::Engine { what: "read the query", detail: error.to_string() })?;
    let mut tape = Tape::default();
    tape.parse(&tree)
        .map_err(|error| SqlError::Engine { what: "read the query", detail: error.to_string() })?;
    let root = tape.value(&tree, 0);
    if root.member("error").and_then(|error| error.as_bool()) == Some(true) {
        return Err(refusal(&root, text, offset));
    }
    match root.member("statements").map_or(0, |statements| statements.children().count()) {
        1 => {}
        0 => {
            return Err(SqlError::Syntax {
                detail: "The query is empty".into(),
                line: 0,
                column: 0,
                excerpt: String::new(),
            });
        }
        several => {
            return Err(SqlError::Forbidden {
                what: format!("A text of {several} statements"),
                hint: "Send one statement at a time.".into(),
            });
        }
    }
    for index in 0..tape.nodes().len() {
        if let Some(what) = inner(&tape.value(&tree, index as u32)) {
            return Err(SqlError::Forbidden {
                what,
                hint: "SHOW TABLES lists the views of the lake, and DESCRIBE their columns.".into(),
            });
        }
        if let Some(name) = table_function(&tape.value(&tree, index as u32))
            && !TABLE_FUNCTIONS.contains(&name.as_str())
            && !table_macros.contains(&name)
        {
            let place =
                tape.value(&tree, index as u32).member("query_location").and_then(|place| place.as_i64());
            let (line, column, excerpt) =
                at_byte(text, offset + usize::try_from(place.unwrap_or(0)).unwrap_or(0));
            let hint = format!("Table macros of the lake are {}.", table_macros.join(", "));
            if is_function(connection, &name)? {
                return Err(SqlError::Forbidden { what: format!("The table function {name}"), hint });
            }
            return Err(SqlError::Unknown { what: "table function", name, hint, line, column, excerpt });
        }
    }
    Ok(explained.map_or(Cow::Borrowed(text), |(word, statement)| Cow::Owned(format!("{word} {statement}"))))
}

/// The name of the function if the value is a call of a table function.
fn table_function(value: &Value<'_>) -> Option<String> {
    if value.kind() != Kind::Object || value.member("type")?.as_str()? != "TABLE_FUNCTION" {
        return None;
    }
    Some(value.member("function")?.member("function_name")?.as_str()?.to_ascii_lowercase())
}

/// What is asked for that tells of the inside, if the value does.
fn inner(value: &Value<'_>) -> Option<String> {
    if value.kind() != Kind::Object {
        return None;
    }
    let lower = |name| Some(value.member(name)?.as_str()?.to_ascii_lowercase());
    if value.member("type")?.as_str()? == "BASE_TABLE" {
        let (schema, table) = (lower("schema_name")?, lower("table_name")?);
        let is_inner = INNER_SCHEMAS.contains(&schema.as_str())
            || INNER_TABLES.iter().any(|start| table.starts_with(start));
        let dot = if schema.is_empty() { "" } else { "." };
        return is_inner.then(|| format!("The table {schema}{dot}{table}"));
    }
    let function = lower("function_name")?;
    INNER_FUNCTIONS.contains(&function.as_str()).then(|| format!("The function {function}"))
}

fn is_function(connection: &Connection, name: &str) -> Result<bool, SqlError> {
    connection
        .query_row("SELECT count(*) > 0 FROM duckdb_functions() WHERE function_name = $1", [name], |row| {
            row.get(0)
        })
        .map_err(|error| SqlError::Engine { what: "look up a function", detail: error.to_string() })
}

fn refusal(root: &Value<'_>, text: &str, offset: usize) -> SqlError {
    let said =
        |name: &str| root.member(name).and_then(|value| value.as_str()).unwrap_or_default().into_owned();
    let message = said("error_message");
    if message.starts_with("Only SELECT statements") {
        let first = first_word(text).to_ascii_uppercase();
        let hint = match first.as_str() {
            "PIVOT" => {
                "PIVOT can be read only with its values named: PIVOT v ON c IN ('a', 'b') USING sum(x)."
                    .to_owned()
            }
            _ => WHAT_IS_ALLOWED.to_owned(),
        };
        // Each of several statements may be one that reads, or none.
        let several = text.trim_end().trim_end_matches(';').contains(';');
        if several && READING.contains(&first.as_str()) {
            return SqlError::Forbidden {
                what: "A text of several statements".into(),
                hint: "Send one statement at a time, and one that reads.".into(),
            };
        }
        // The first word alone would be refused and allowed in one breath.
        let first = if first == "WITH" { "WITH before anything but a SELECT".to_owned() } else { first };
        return SqlError::Forbidden {
            what: if first.is_empty() { "This statement".into() } else { first },
            hint,
        };
    }
    let mut detail = message;
    if let Some(first) = detail.get(..1) {
        detail.replace_range(..1, &first.to_ascii_uppercase());
    }
    match said("position").parse::<usize>() {
        Ok(position) => {
            let (line, column, excerpt) = at_byte(text, offset + position);
            SqlError::Syntax { detail, line, column, excerpt }
        }
        Err(_) => SqlError::Syntax { detail, line: 0, column: 0, excerpt: String::new() },
    }
}

/// EXPLAIN or EXPLAIN ANALYZE and what follows it; `None` for any other statement.
fn after_explain(text: &str) -> Option<(&'static str, &str)> {
    let rest = skip_blank(strip_word(skip_blank(text), "explain")?);
    Some(strip_word(rest, "analyze").map_or(("EXPLAIN", rest), |rest| ("EXPLAIN ANALYZE", rest)))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_');
    if head.eq_ignore_ascii_case(word) && ends { Some(rest) } else { None }
}

fn first_word(text: &str) -> &str {
    let text = skip_blank(text);
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The text without the white space and comments at its front.
fn skip_blank(mut text: &str) -> &str {
    loop {
        let trimmed = text.trim_start();
        text = if let Some(comment) = trimmed.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, rest)| rest)
        } else {
            return trimmed;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{after_explain, first_word};

    #[test]
    fn the_first_words_of_a_statement() {
        for (text, word, explained) in [
            ("select 1", "select", None),
            ("  -- c\n/* d */ COPY x", "COPY", None),
            ("Explain select 1", "Explain", Some(("EXPLAIN", "select 1"))),
            ("explain/**/ANALYZE from x", "explain", Some(("EXPLAIN ANALYZE", " from x"))),
            ("explain analyzed", "explain", Some(("EXPLAIN", "analyzed"))),
            ("explained", "explained", None),
            ("", "", None),
        ] {
            assert_eq!(first_word(text), word, "{text}");
            assert_eq!(after_explain(text), explained, "{text}");
        }
    }
}
