//! The rows of a query, as much of them as a result may hold.

use std::collections::HashSet;
use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stele_engine::lake::sql::output::{End, Format, write};
use stele_engine::lake::sql::{Params, Sql, SqlError};

use crate::limits::{RESULT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::reply::{LimitReason, Refusal, cut, fact, json_bytes};

/// Bytes of the rows; the rest is the head and the columns.
const ROWS_BYTES: usize = 36 << 10;

/// Columns of a result: more is a mistake, and their names alone would fill it.
const COLUMNS_MAX: usize = 100;

/// The rows of a query.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Map<String, Value>>,
    pub(crate) values_cut: u64,
    /// Why there are more.
    pub(crate) reason: Option<LimitReason>,
}

/// A column.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Column {
    name: String,
    /// Its Arrow type.
    r#type: String,
}

impl Page {
    /// Runs a query, and takes its first rows.
    pub(crate) fn of(sql: &Sql, query: &str, rows_max: u64) -> Result<Self, Refusal> {
        let mut rows = sql.query(query, &Params::none())?.limit(rows_max);
        let columns: Vec<Column> = rows
            .schema()
            .fields()
            .iter()
            .map(|field| Column { name: field.name().clone(), r#type: fact(&field.data_type().to_string()) })
            .collect();
        check(&columns)?;
        let mut taken = Taken::default();
        let end = write(&mut rows, Format::Jsonl, &mut taken);
        let reason = match end {
            Ok(_) if taken.full => Some(LimitReason::Bytes),
            Ok(written) => (written.end == End::Limited).then_some(LimitReason::Rows),
            // What came in time is better than nothing.
            Err(SqlError::Cancelled) if !taken.rows.is_empty() => Some(LimitReason::Time),
            Err(error) => return Err(error.into()),
        };
        if taken.rows.is_empty() && taken.full {
            return Err(Refusal::new("One row alone is larger than a result may be.")
                .hint("fewer columns, or left(column, 200)"));
        }
        Ok(Self { columns, rows: taken.rows, values_cut: taken.values_cut, reason })
    }
}

/// A row is an object, so two columns of one name would be one.
fn check(columns: &[Column]) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    if let Some(twice) = columns.iter().find(|column| !names.insert(&column.name)) {
        return Err(Refusal::new("Two columns have the same name.")
            .why(fact(&twice.name))
            .hint("a name of its own for each: SELECT a AS one, b AS two"));
    }
    let bytes: usize = columns.iter().map(json_bytes).sum();
    if columns.len() > COLUMNS_MAX || bytes > RESULT_BYTES_MAX / 8 {
        return Err(Refusal::new(format!(
            "The result has {} columns; up to {COLUMNS_MAX} with short names are told.",
            columns.len()
        ))
        .hint("the columns that matter"));
    }
    Ok(())
}

/// Takes lines of JSON until the budget is used up.
#[derive(Default)]
struct Taken {
    rows: Vec<Map<String, Value>>,
    bytes: usize,
    values_cut: u64,
    full: bool,
}

impl Taken {
    fn row(&mut self, line: &[u8]) {
        let mut row: Map<String, Value> = serde_json::from_slice(line).unwrap_or_else(|_| {
            // A JSON column may nest deeper than a reader follows.
            let text = String::from_utf8_lossy(line);
            [("row".to_owned(), Value::String(text.into_owned()))].into_iter().collect()
        });
        for value in row.values_mut() {
            self.values_cut += u64::from(shorten(value));
        }
        self.bytes += json_bytes(&row) + 1;
        if self.bytes > ROWS_BYTES {
            self.full = true;
        } else {
            self.rows.push(row);
        }
    }
}

/// Puts the beginning of its text in the place of a long value.
fn shorten(value: &mut Value) -> bool {
    let (text, is_cut) = match value {
        Value::String(text) => cut(text, TEXT_BYTES_MAX),
        Value::Array(_) | Value::Object(_) | Value::Number(_) => cut(&value.to_string(), TEXT_BYTES_MAX),
        Value::Null | Value::Bool(_) => return false,
    };
    if is_cut {
        *value = Value::String(text);
    }
    is_cut
}

impl io::Write for Taken {
    /// Each write holds whole lines.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if self.full {
                break;
            }
            self.row(line);
        }
        // A reader that has gone ends the query without an error.
        if self.full { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
