//! SQLite, through `sqlx`. Values have the type that each of them has, not that of their column.

use std::str::FromStr;
use std::time::Duration;

use futures::StreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column as _, ConnectOptions, Connection, Decode, Executor, Row, SqlSafeStr,
    Sqlite, TypeInfo, ValueRef,
};
use stele_collect::Means;

use crate::TablesError;
use crate::address::wrong_address;
use crate::config::TablesConfig;
use crate::dialect::{Bound, Column, Statement};
use crate::gather::Gather;
use crate::json;
use crate::reader::{Listing, PORTION_ROWS, Reader, Table, TableColumn};
use crate::waiting::{Meaning, Waiting};

/// How long one waits for whoever writes.
const BUSY_MAX: Duration = Duration::from_secs(15);

/// Rows that wait between the library's thread and ours: enough that neither is woken for each.
const BUFFERED_ROWS: usize = 1_000;

/// Tables and views with their columns.
const TABLES: &str = "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c \
    WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name = COALESCE(?, m.name) \
    ORDER BY m.name, c.cid";

pub(crate) struct SqliteReader<'a> {
    connection: SqliteConnection,
    waiting: Waiting<'a>,
    target: String,
}

impl<'a> SqliteReader<'a> {
    pub(crate) fn open(address: &str, config: &TablesConfig, means: &Means<'a>) -> Result<Self, TablesError> {
        let options = SqliteConnectOptions::from_str(address)
            .map_err(|error| wrong_address(&format!("it is not such as sqlite:/path/to/file.db: {error}")))?
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(BUSY_MAX)
            .row_buffer_size(BUFFERED_ROWS)
            .pragma("query_only", "1")
            .disable_statement_logging();
        let target = format!("sqlite:{}", options.get_filename().display());
        if !options.get_filename().exists() {
            let why = format!("there is no file {}", options.get_filename().display());
            return Err(wrong_address(&why));
        }
        let waiting = Waiting::new(target.clone(), config.answer_timeout(), means)?;
        let connection = waiting.wait(async {
            let opened = SqliteConnection::connect_with(&options).await;
            opened.map_err(|error| failed(&waiting, "the connection", &error))
        })?;
        Ok(SqliteReader { connection, waiting, target })
    }

    fn run(&mut self, sql: &'static str) -> Result<(), TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        waiting.wait(async {
            let done = sqlx::raw_sql(sql).execute(connection).await;
            done.map(drop).map_err(|error| failed(waiting, "to begin", &error))
        })
    }

    fn ask(&mut self, sql: &str, binds: &[Bound]) -> Result<Vec<SqliteRow>, TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let arguments = arguments(binds)?;
        waiting.wait(async {
            let asked = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await;
            asked.map_err(|error| failed(waiting, "the statement", &error))
        })
    }
}

/// What an error of the library means: somebody who wrote for too long is no fault of the statement.
fn failed(waiting: &Waiting<'_>, what: &str, error: &sqlx::Error) -> TablesError {
    waiting.failed(what, error, |error| match error.code().as_deref() {
        Some("5" | "6" | "261" | "262" | "517") => Meaning::Lost,
        _ => Meaning::Refused,
    })
}

fn arguments(binds: &[Bound]) -> Result<SqliteArguments, TablesError> {
    let mut arguments = SqliteArguments::default();
    for bound in binds {
        let added = match bound {
            Bound::Null => arguments.add(None::<String>),
            Bound::Bool(is) => arguments.add(*is),
            Bound::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => arguments.add(number),
                (_, Ok(number)) => arguments.add(number),
                _ => arguments.add(text.clone()),
            },
            Bound::Text(text) => arguments.add(text.clone()),
            Bound::Bytes(bytes) => arguments.add(bytes.clone()),
        };
        added.map_err(|error| wrong_address(&error.to_string()))?;
    }
    Ok(arguments)
}

impl Reader for SqliteReader<'_> {
    fn identity(&mut self) -> Result<String, TablesError> {
        let rows = self.ask("SELECT sqlite_version()", &[])?;
        let version: String = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        Ok(format!("{} by SQLite {version}", self.target))
    }

    fn tables(&mut self, named: Option<&str>) -> Result<Vec<Table>, TablesError> {
        let named = named.map(|named| named.strip_prefix("main.").unwrap_or(named));
        let rows = self.ask(TABLES, &[named.map_or(Bound::Null, |named| Bound::Text(named.to_owned()))])?;
        let mut listing = Listing::default();
        for row in rows {
            let text = |at: usize| row.try_get::<String, _>(at).unwrap_or_default();
            let number = |at: usize| row.try_get::<i64, _>(at).unwrap_or_default();
            let column = TableColumn { name: text(1), kind: text(2), nullable: number(3) == 0 };
            if !listing.column(text(0), column, Some(number(4)).filter(|place| *place > 0)) {
                break;
            }
        }
        Ok(listing.done())
    }

    fn begin(&mut self) -> Result<(), TablesError> {
        self.run("BEGIN")
    }

    fn end(&mut self) -> Result<(), TablesError> {
        self.run("ROLLBACK")
    }

    fn columns(&mut self, statement: &Statement) -> Result<Vec<Column>, TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        waiting.wait(async {
            let prepared = connection.prepare(AssertSqlSafe(statement.sql.as_str()).into_sql_str()).await;
            let prepared = prepared.map_err(|error| failed(waiting, "the statement", &error))?;
            let columns = sqlx::Statement::columns(&prepared);
            Ok(columns.iter().map(|column| Column::plain(column.name())).collect())
        })
    }

    fn any(&mut self, statement: &Statement) -> Result<bool, TablesError> {
        Ok(!self.ask(&statement.sql, &statement.binds)?.is_empty())
    }

    fn read(
        &mut self,
        statement: &Statement,
        columns: &[Column],
        rows: &mut Gather<'_>,
    ) -> Result<(), TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let query = sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), arguments(&statement.binds)?);
        let mut stream = query.fetch(connection);
        let mut json: Option<Vec<bool>> = None;
        loop {
            let more = waiting.wait(async {
                for _ in 0..PORTION_ROWS {
                    let Some(row) = stream.next().await else { return Ok(false) };
                    let row = row.map_err(|error| failed(waiting, "the statement", &error))?;
                    let json = match &mut json {
                        Some(json) => json,
                        None => {
                            let names: Vec<String> =
                                row.columns().iter().map(|column| column.name().to_owned()).collect();
                            rows.begin(&names)?;
                            let is_json = |name: &String| {
                                columns.iter().any(|column| column.json && column.name == *name)
                            };
                            json.insert(names.iter().map(is_json).collect())
                        }
                    };
                    rows.row();
                    for (at, is_json) in json.iter().enumerate() {
                        let mut right = Some(());
                        rows.value(|out| right = write(out, &row, at, *is_json));
                        right.ok_or_else(|| TablesError::Answer {
                            target: self.target.clone(),
                            why: format!("the value in column {} cannot be had", at + 1),
                        })?;
                    }
                    if rows.end()? {
                        return Ok(true);
                    }
                }
                Ok(true)
            })?;
            if !rows.pause()? || !more {
                return Ok(());
            }
        }
    }
}

/// Writes a value. `None` if the library does not give it.
fn write(out: &mut Vec<u8>, row: &SqliteRow, at: usize, is_json: bool) -> Option<()> {
    let value = row.try_get_raw(at).ok()?;
    if value.is_null() {
        out.extend_from_slice(b"null");
        return Some(());
    }
    let info = value.type_info().into_owned();
    match info.name() {
        "INTEGER" => json::integer(out, <i64 as Decode<'_, Sqlite>>::decode(value).ok()?),
        "REAL" => json::float(out, <f64 as Decode<'_, Sqlite>>::decode(value).ok()?),
        "TEXT" if is_json => json::perhaps_json(out, <&[u8] as Decode<'_, Sqlite>>::decode(value).ok()?),
        "TEXT" => json::text(out, <&[u8] as Decode<'_, Sqlite>>::decode(value).ok()?),
        _ => json::bytes(out, <&[u8] as Decode<'_, Sqlite>>::decode(value).ok()?),
    }
    Some(())
}
