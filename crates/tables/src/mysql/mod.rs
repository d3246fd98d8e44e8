//! MySQL and MariaDB, through `sqlx`: statements are prepared, so that values come as the server has them.

mod value;

use std::str::FromStr;

use futures::StreamExt;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column as _, ConnectOptions, Connection, Decode, Executor, MySql, Row,
    SqlSafeStr, ValueRef,
};
use stele_collect::Means;
use url::Url;

use crate::TablesError;
use crate::address::{decoded, wrong_address};
use crate::config::TablesConfig;
use crate::dialect::{Bound, Column, Statement};
use crate::gather::Gather;
use crate::reader::{Listing, PORTION_ROWS, Reader, Table};
use crate::waiting::{Meaning, Waiting};
use value::Kind;

const PORT: u16 = 3306;

/// One state of the database, and nothing is changed. While a batch is kept nothing is read, and the server would
/// hang up after a minute.
const BEGIN: &str = "SET SESSION net_write_timeout = 3600; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
    START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// Tables and views with their columns, of the database that the connection names, or of all that are no part of the
/// server.
const TABLES: &str = "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, \
    CAST(s.SEQ_IN_INDEX AS CHAR) FROM information_schema.COLUMNS c \
    LEFT JOIN information_schema.STATISTICS s ON s.TABLE_SCHEMA = c.TABLE_SCHEMA \
    AND s.TABLE_NAME = c.TABLE_NAME AND s.COLUMN_NAME = c.COLUMN_NAME AND s.INDEX_NAME = 'PRIMARY' \
    WHERE c.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') \
    AND c.TABLE_SCHEMA = COALESCE(?, DATABASE(), c.TABLE_SCHEMA) AND c.TABLE_NAME = COALESCE(?, c.TABLE_NAME) \
    ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION";

/// MariaDB's JSON is a text with a condition.
const JSON_COLUMNS: &str = "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
    WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? AND CHECK_CLAUSE LIKE 'json\\_valid(`%`)'";

pub(crate) struct MySqlReader<'a> {
    connection: MySqlConnection,
    waiting: Waiting<'a>,
    target: String,
}

impl<'a> MySqlReader<'a> {
    pub(crate) fn open(url: &Url, config: &TablesConfig, means: &Means<'a>) -> Result<Self, TablesError> {
        let target = Self::shown(url)?;
        let waiting = Waiting::new(target.clone(), config.answer_timeout(), means)?;
        // What the library says of an address may hold the password.
        let text = url.as_str().replacen("mariadb://", "mysql://", 1);
        let options = MySqlConnectOptions::from_str(&text)
            .map_err(|_| {
                wrong_address("it is not such as mysql://USER:PASSWORD@HOST:3306/DATABASE?ssl-mode=REQUIRED")
            })?
            // The query means what it means elsewhere.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(Some("+00:00".to_owned()))
            .charset("utf8mb4")
            .disable_statement_logging();
        let connecting = async {
            MySqlConnection::connect_with(&options)
                .await
                .map_err(|error| failed(&waiting, "the connection", &error))
        };
        let connection = waiting.within(config.connect_timeout(), connecting)?;
        Ok(MySqlReader { connection, waiting, target })
    }

    /// For people, without a password.
    pub(crate) fn shown(url: &Url) -> Result<String, TablesError> {
        let user = decoded(url.username())?;
        let host = url.host_str().unwrap_or("127.0.0.1");
        Ok(format!("mysql://{user}@{host}:{}{}", url.port().unwrap_or(PORT), url.path()))
    }

    /// Statements without values and without rows.
    fn run(&mut self, sql: &'static str) -> Result<(), TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        waiting.wait(async {
            let done = sqlx::raw_sql(sql).execute(connection).await;
            done.map(drop).map_err(|error| failed(waiting, "to begin", &error))
        })
    }

    /// A question whose answer is small, as text.
    fn ask(&mut self, sql: &str, binds: &[Bound]) -> Result<Vec<Vec<Option<String>>>, TablesError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let arguments = arguments(binds)?;
        waiting.wait(async {
            let asked = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await;
            let rows = asked.map_err(|error| failed(waiting, "the statement", &error))?;
            Ok(rows.iter().map(texts).collect())
        })
    }
}

/// What an error of the library means.
fn failed(waiting: &Waiting<'_>, what: &str, error: &sqlx::Error) -> TablesError {
    waiting.failed(what, error, |error| match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        Some(error) => match error.number() {
            1044 | 1045 | 1698 | 1251 => Meaning::Credentials,
            1142 | 1143 => Meaning::Denied,
            // Too many connections, a server that goes down, a connection that was ended, waits that were too long.
            1040 | 1053 | 1077 | 1159 | 1161 | 1205 | 1213 | 1317 | 1927 | 2006 | 2013 => Meaning::Lost,
            _ => Meaning::Refused,
        },
        None => Meaning::Refused,
    })
}

fn arguments(binds: &[Bound]) -> Result<MySqlArguments, TablesError> {
    let mut arguments = MySqlArguments::default();
    for bound in binds {
        let added = match bound {
            Bound::Null => arguments.add(None::<&str>),
            Bound::Bool(is) => arguments.add(*is),
            Bound::Number(text) => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(number), _) => arguments.add(number),
                (_, Ok(number)) => arguments.add(number),
                // As it is spelled: the server reads it as a number where it compares with one.
                _ => arguments.add(text.as_str()),
            },
            Bound::Text(text) => arguments.add(text.as_str()),
            Bound::Bytes(bytes) => arguments.add(bytes.as_slice()),
        };
        added.map_err(|error| wrong_address(&error.to_string()))?;
    }
    Ok(arguments)
}

/// The bytes of a value; `None` is null.
fn bytes_of(row: &MySqlRow, at: usize, kind: Kind) -> Option<&[u8]> {
    let value = row.try_get_raw(at).ok()?;
    // The library calls zero dates null, too.
    if value.is_null() && !kind.has_zero() {
        return None;
    }
    <&[u8] as Decode<'_, MySql>>::decode(value).ok()
}

fn texts(row: &MySqlRow) -> Vec<Option<String>> {
    let text = |at| bytes_of(row, at, Kind::Text).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (0..row.len()).map(text).collect()
}

impl Reader for MySqlReader<'_> {
    fn identity(&mut self) -> Result<String, TablesError> {
        let row = self.ask("SELECT CURRENT_USER(), VERSION()", &[])?.into_iter().next().unwrap_or_default();
        let mut row = row.into_iter().flatten();
        let (user, version) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
        let name = if version.contains("MariaDB") { "" } else { "MySQL " };
        Ok(format!("{user} on {name}{version} at {}", self.target))
    }

    fn tables(&mut self, named: Option<&str>) -> Result<Vec<Table>, TablesError> {
        let (schema, table) = match named.map(|named| named.split_once('.').ok_or(named)) {
            Some(Ok((schema, table))) => (Some(schema), Some(table)),
            Some(Err(table)) => (None, Some(table)),
            None => (None, None),
        };
        let bound = |name: Option<&str>| name.map_or(Bound::Null, |name| Bound::Text(name.to_owned()));
        let rows = self.ask(TABLES, &[bound(schema), bound(table)])?;
        let mut tables = Listing::of_rows(rows, "YES");
        if let (Some(_), [table]) = (named, tables.as_mut_slice()) {
            let (schema, name) = table.name.split_once('.').unwrap_or_default();
            let binds = [Bound::Text(schema.to_owned()), Bound::Text(name.to_owned())];
            // MySQL has a type for it, and calls this table's columns otherwise.
            let clauses = self.ask(JSON_COLUMNS, &binds).unwrap_or_default();
            for clause in clauses.into_iter().flatten().flatten() {
                let column = clause.trim_start_matches("json_valid(`").trim_end_matches("`)");
                for known in table.columns.iter_mut().filter(|known| known.name == column) {
                    known.kind = "json".to_owned();
                }
            }
        }
        Ok(tables)
    }

    fn begin(&mut self) -> Result<(), TablesError> {
        self.run(BEGIN)
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
        let mut kinds: Option<Vec<Kind>> = None;
        loop {
            let more = waiting.wait(async {
                for _ in 0..PORTION_ROWS {
                    let Some(row) = stream.next().await else { return Ok(false) };
                    let row = row.map_err(|error| failed(waiting, "the statement", &error))?;
                    let kinds = match &mut kinds {
                        Some(kinds) => kinds,
                        None => {
                            let names: Vec<String> =
                                row.columns().iter().map(|column| column.name().to_owned()).collect();
                            rows.begin(&names)?;
                            kinds.insert(kinds_of(&row, columns))
                        }
                    };
                    rows.row();
                    for (at, kind) in kinds.iter().enumerate() {
                        let bytes = bytes_of(&row, at, *kind);
                        let mut right = Some(());
                        rows.value(|out| match bytes {
                            Some(bytes) => right = value::write(out, *kind, bytes),
                            None => out.extend_from_slice(b"null"),
                        });
                        right.ok_or_else(|| TablesError::Answer {
                            target: self.target.clone(),
                            why: format!("a value is not what its type {kind:?} has"),
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

fn kinds_of(row: &MySqlRow, columns: &[Column]) -> Vec<Kind> {
    let described = row.columns().iter();
    let json = |name: &str| columns.iter().any(|column| column.json && column.name == name);
    described.map(|column| value::kind(column.type_info(), json(column.name()))).collect()
}
