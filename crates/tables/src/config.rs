//! What is read from a database, and how: plain data, one table of the configuration a source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_collect::Missing;
use stele_http::without_passwords;

use crate::TablesError;

/// Streams of one source, at most: each is a statement of its own, one after the other.
pub const STREAMS_MAX: usize = 1_000;

/// Columns that identify or order a row, at most: a condition is written for each of them.
pub const KEY_COLUMNS_MAX: usize = 16;

/// Seconds that a connection may take if nothing is said: a server across an ocean needs one.
const CONNECT_TIMEOUT_S: u64 = 10;

/// Seconds for which a server may say nothing if nothing is said: sorting a large table takes minutes.
const ANSWER_TIMEOUT_S: u64 = 600;

/// One source: a database, and what of it is read.
///
/// One query or table can be named here, or several under `streams`. Where neither is, every table that the user
/// may read is collected whole.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TablesConfig {
    /// Where the database is: `postgresql://USER:PASSWORD@HOST[:PORT]/DATABASE`, `mysql://…` (MariaDB, too), or
    /// `sqlite:/path/to/file.db`. `${NAME}` stands for an environment variable; a password belongs into one. For
    /// PostgreSQL, `?sslmode=` is `disable`, `prefer` (if nothing is said), `require`, `verify-ca` or
    /// `verify-full`, and `sslrootcert=` a file of certificates; for MySQL they are `ssl-mode` and `ssl-ca`.
    /// Written out, it has neither user nor password.
    #[serde(serialize_with = "shown")]
    pub connection_string: String,
    /// Whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The query, if there is one; the stream has the name of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The table, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Values of the `:name`s in the query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// See [`StreamConfig::key`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// See [`StreamConfig::incremental`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// See [`StreamConfig::rows_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
    /// Several of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamConfig>,
    /// Seconds that a connection may take. 10 if it is not set.
    #[serde(default = "connect_timeout_s")]
    pub connect_timeout_s: u64,
    /// Seconds for which the server may be silent before the connection counts as lost. 600 if it is not set.
    #[serde(default = "answer_timeout_s")]
    pub answer_timeout_s: u64,
}

/// One query or one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Its name; that of the table if it is not set. A query needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A table or a view, as `table` or `schema.table`. Either this or `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A `SELECT`. `:name` stands for a value of `parameters`, which is never made part of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Columns of the table, in this order. All of them if it is not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Values of the `:name`s. Texts, numbers, booleans and null.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// Columns that identify a row. The primary key of a table if it is not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// How it is known what is new. Without it everything is read each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// Rows of one run, at most; the next run goes on behind them. No limit if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
}

/// How it is known which rows are new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// The column that grows when a row is new or changes. Of several, the first that is not null counts. Texts of
    /// digits, such as `000123`, have to be of one length; to see that, each run reads the cursors of all rows up to
    /// where the last one came. A column of numbers is spared that.
    pub cursor: OneOrMore,
    /// The parameter of the query that gets the value up to which everything was read. It is given a little less
    /// than that (a microsecond or 1), so that `>` and `>=` both find rows that came late with the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<String>,
    /// Where the first run begins. Everything if it is not set; for `bind` it may stand among the parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Value>,
    /// How much late a row may become visible after what its cursor says: `"10m"`, `"90s"`, `"2h"`, `"7d"`, or a
    /// number for cursors that are numbers. What lies within is read again, and handed over if it was not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// What becomes of rows whose cursor is null: `raise` (if it is not set) ends the run before anything is
    /// read, `include` reads them in every run, `exclude` never.
    #[serde(default)]
    pub missing: Missing,
}

/// A column, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn names(&self) -> &[String] {
        match self {
            OneOrMore::One(name) => std::slice::from_ref(name),
            OneOrMore::More(names) => names,
        }
    }
}

/// A stretch of time, or of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Lag {
    /// In microseconds, for cursors that are dates or times.
    Time(i64),
    /// For cursors that are integers.
    Count(i64),
}

impl TryFrom<Value> for Lag {
    type Error = String;

    fn try_from(said: Value) -> Result<Self, String> {
        let wrong = || format!("{said} is no lag; `10m`, `90s`, `2h`, `7d`, or a number without a sign is");
        if let Some(count) = said.as_i64().filter(|count| *count >= 0) {
            return Ok(Lag::Count(count));
        }
        let text = said.as_str().ok_or_else(wrong)?;
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: i64 = text[..text.len() - unit.len()].parse().map_err(|_| wrong())?;
        let micros = match unit {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(micros).map(Lag::Time).ok_or_else(wrong)
    }
}

impl From<Lag> for Value {
    fn from(lag: Lag) -> Value {
        match lag {
            Lag::Time(micros) => Value::from(format!("{}ms", micros / 1_000)),
            Lag::Count(count) => Value::from(count),
        }
    }
}

fn shown<S: serde::Serializer>(connection_string: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_passwords(connection_string))
}

fn connect_timeout_s() -> u64 {
    CONNECT_TIMEOUT_S
}

fn answer_timeout_s() -> u64 {
    ANSWER_TIMEOUT_S
}

impl std::fmt::Debug for TablesConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablesConfig")
            .field("connection_string", &without_passwords(&self.connection_string))
            .field("query", &self.query)
            .field("table", &self.table)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl TablesConfig {
    /// That database, with everything else as it is by default.
    pub fn of(connection_string: impl Into<String>) -> Self {
        TablesConfig {
            connection_string: connection_string.into(),
            tenant_id: None,
            query: None,
            table: None,
            parameters: BTreeMap::new(),
            key: Vec::new(),
            incremental: None,
            rows_max: None,
            streams: Vec::new(),
            connect_timeout_s: CONNECT_TIMEOUT_S,
            answer_timeout_s: ANSWER_TIMEOUT_S,
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_s)
    }

    /// Every stream that is named, with its name; none are all tables.
    pub(crate) fn named_streams(&self, source_id: &str) -> Result<Vec<(String, StreamConfig)>, TablesError> {
        let mut streams = self.streams.clone();
        if self.query.is_some() || self.table.is_some() {
            let name = self.table.is_none().then(|| source_id.to_owned());
            streams.push(StreamConfig {
                name,
                table: self.table.clone(),
                query: self.query.clone(),
                columns: Vec::new(),
                parameters: self.parameters.clone(),
                key: self.key.clone(),
                incremental: self.incremental.clone(),
                rows_max: self.rows_max,
            });
        } else if !self.parameters.is_empty() || !self.key.is_empty() || self.incremental.is_some() {
            return Err(wrong("query", "there is none that parameters, key or incremental could belong to"));
        }
        if streams.len() > STREAMS_MAX {
            return Err(wrong("streams", "there are more than 1,000; make two sources of them"));
        }
        let mut named: Vec<(String, StreamConfig)> = Vec::new();
        for stream in streams {
            stream.check()?;
            let Some(name) = stream.name.clone().or_else(|| stream.table.clone()) else {
                return Err(wrong("name", "a query among several streams needs one"));
            };
            if named.iter().any(|(known, _)| *known == name) {
                return Err(wrong("name", &format!("two streams are called {name}")));
            }
            named.push((name, stream));
        }
        for (setting, seconds) in
            [("connect_timeout_s", self.connect_timeout_s), ("answer_timeout_s", self.answer_timeout_s)]
        {
            if seconds == 0 {
                return Err(wrong(setting, "it is 0; it has to be 1 at least"));
            }
        }
        Ok(named)
    }
}

impl StreamConfig {
    fn check(&self) -> Result<(), TablesError> {
        if self.query.is_some() == self.table.is_some() {
            return Err(wrong("query", "there has to be either a query or a table, and not both"));
        }
        if self.query.is_some() && !self.columns.is_empty() {
            return Err(wrong("columns", "a query names its columns itself"));
        }
        if self.table.is_some() && !self.parameters.is_empty() {
            return Err(wrong("parameters", "only a query has them"));
        }
        if self.key.len() > KEY_COLUMNS_MAX {
            return Err(wrong("key", "it has more than 16 columns"));
        }
        if self.rows_max == Some(0) {
            return Err(wrong("rows_max", "it is 0; it has to be 1 at least"));
        }
        if let Some((name, _)) =
            self.parameters.iter().find(|(_, value)| value.is_array() || value.is_object())
        {
            return Err(wrong("parameters", &format!("{name} is no text, number, boolean or null")));
        }
        let Some(incremental) = &self.incremental else { return Ok(()) };
        let cursors = incremental.cursor.names();
        if cursors.is_empty() || cursors.len() > KEY_COLUMNS_MAX {
            return Err(wrong("cursor", "it has to be 1 to 16 columns"));
        }
        if incremental.bind.is_some() && self.query.is_none() {
            return Err(wrong("bind", "only a query has parameters"));
        }
        if incremental.initial.as_ref().is_some_and(|value| value.is_array() || value.is_object()) {
            return Err(wrong("initial", "it is no text or number"));
        }
        Ok(())
    }
}

pub(crate) fn wrong(setting: &'static str, why: &str) -> TablesError {
    TablesError::Config { setting, why: why.to_owned() }
}
