//! `sql`: one statement that reads, within rows, bytes, memory and time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Tool, arguments};
use crate::desk::{Call, Desk};
use crate::limits::{SQL_ROWS_DEFAULT, SQL_ROWS_MAX};
use crate::reply::{Head, Refusal};
use crate::sql::Column;

/// Anything that can be counted.
pub(crate) struct SqlQuery;

/// What to count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// One statement that reads, in the SQL of DuckDB. `SELECT * FROM help` lists views and macros.
    query: String,
    /// Rows, up to 1000; 100 unless told otherwise.
    limit: Option<u64>,
}

/// The rows.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Table {
    #[serde(flatten)]
    head: Head,
    columns: Vec<Column>,
    /// One object a row, with the columns as members.
    rows: Vec<Map<String, Value>>,
    /// Values that were too long and lost their end; they are texts that end in `…`.
    values_cut: u64,
}

impl Tool for SqlQuery {
    const NAME: &'static str = "sql";
    const TITLE: &'static str = "Query in SQL";
    const SAYS: &'static str = "One reading SQL statement (DuckDB) over the lake: events (raw holds the exact record), event_counts, \
        files, games, sessions, players, quarantine and more; macros such as json_at(raw, 'data.price'). \
        SELECT * FROM help lists all, DESCRIBE events the columns. Use it to count, join and aggregate; page \
        with ORDER BY, LIMIT and OFFSET. Nothing can be written and no file opened.";
    type Arguments = Arguments;
    type Result = Table;

    fn run(desk: &Desk, call: &Call, arguments: Arguments) -> Result<Table, Refusal> {
        let limit = arguments::count("limit", arguments.limit, SQL_ROWS_DEFAULT, SQL_ROWS_MAX)?;
        let query = arguments::said("query", &arguments.query)?;
        let snapshot = desk.snapshot()?;
        let page = desk.query(&snapshot, call, query, limit)?;
        Ok(Table {
            head: Head::of(snapshot.version()).limited(page.reason),
            columns: page.columns,
            rows: page.rows,
            values_cut: page.values_cut,
        })
    }
}
