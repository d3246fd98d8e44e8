//! Streams of a database, one after the other.

use std::time::Duration;

use serde_json::Value;
use stele_collect::{
    Checked, CollectError, Collected, Collector, Cursors, Means, Outcome, Sink, StreamInfo, StreamOutcome,
};
use stele_http::{HttpError, Secret};
use url::Url;

use crate::TablesError;
use crate::address::{resolved, wrong_address};
use crate::config::{StreamConfig, TablesConfig, wrong};
use crate::dialect::Dialect;
use crate::gather::{Gather, Label, Memory};
use crate::mysql::MySqlReader;
use crate::plan::Plan;
use crate::postgres::Postgres;
use crate::reader::{Reader, Table};
use crate::sqlite::SqliteReader;
use crate::window::{REMEMBERED_MAX, Saved};

/// How often a connection that was lost is made again before a stream fails: with the waits between, a server that
/// is started again is back by then. Rows that came meanwhile begin the count anew.
const CONNECTIONS_MAX: u32 = 5;

/// The wait before the first of them; each is twice as long as the one before.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Tables and queries of one database. See the crate's own documentation.
pub struct TableCollector {
    source_id: String,
    config: TablesConfig,
    /// With the password, and how it is written down.
    address: Secret,
    variable: String,
    dialect: Dialect,
    target: String,
    streams: Vec<(String, StreamConfig)>,
}

impl std::fmt::Debug for TableCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableCollector")
            .field("source_id", &self.source_id)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl TableCollector {
    /// What is configured under the name `source_id`. `lookup` knows the environment.
    ///
    /// # Errors
    /// If a setting cannot be used; nothing is connected to yet.
    pub fn new(
        source_id: &str,
        config: TablesConfig,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, CollectError> {
        let made = Self::make(source_id, config, lookup);
        made.map_err(|error| error.into_collect(source_id, "connection_string"))
    }

    fn make(
        source_id: &str,
        config: TablesConfig,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TablesError> {
        let said = &config.connection_string;
        let variable = match said.split_once("${").and_then(|(_, rest)| rest.split_once('}')) {
            Some((name, _)) => name.to_owned(),
            None => "connection_string".to_owned(),
        };
        let address = resolved(said, "connection_string", lookup)?;
        let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme).to_owned();
        let (dialect, target) = match scheme.as_str() {
            "postgresql" | "postgres" => (Dialect::Postgres, Postgres::shown(&url_of(&address)?)?),
            "mysql" | "mariadb" => (Dialect::MySql, MySqlReader::shown(&url_of(&address)?)?),
            "sqlite" => (Dialect::Sqlite, address.clone()),
            _ => {
                return Err(wrong_address(
                    "it does not begin with postgresql://, mysql://, mariadb:// or sqlite:",
                ));
            }
        };
        let mut streams = config.named_streams(source_id)?;
        for (_, stream) in &mut streams {
            for value in stream.parameters.values_mut() {
                if let Value::String(text) = value {
                    *text = resolved(text, "parameters", lookup)?;
                }
            }
            // Found before anything is connected to.
            Plan::check_query(stream, dialect)?;
        }
        let address = Secret::new(address);
        Ok(TableCollector {
            source_id: source_id.to_owned(),
            config,
            address,
            variable,
            dialect,
            target,
            streams,
        })
    }

    /// The database, without a password.
    pub fn target(&self) -> &str {
        &self.target
    }

    fn open<'a>(&self, means: &Means<'a>) -> Result<Box<dyn Reader + 'a>, TablesError> {
        let address = self.address.reveal();
        Ok(match self.dialect {
            Dialect::Postgres => Box::new(Postgres::open(&url_of(address)?, &self.config, means)?),
            Dialect::MySql => Box::new(MySqlReader::open(&url_of(address)?, &self.config, means)?),
            Dialect::Sqlite => Box::new(SqliteReader::open(address, &self.config, means)?),
        })
    }

    fn platform(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "postgresql",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
        }
    }

    /// Those that are named, or else every table.
    fn streams(&self, reader: &mut dyn Reader) -> Result<Vec<(String, StreamConfig)>, TablesError> {
        if !self.streams.is_empty() {
            return Ok(self.streams.clone());
        }
        let of_table = |table: Table| {
            let config = StreamConfig { table: Some(table.name.clone()), ..StreamConfig::default() };
            (table.name, config)
        };
        Ok(reader.tables(None)?.into_iter().map(of_table).collect())
    }

    fn say(&self, error: TablesError) -> CollectError {
        error.into_collect(&self.source_id, &self.variable)
    }
}

fn url_of(address: &str) -> Result<Url, TablesError> {
    // What the library says of an address may hold the password.
    Url::parse(address).map_err(|_| {
        wrong_address(
            "it is no address; `@`, `:` and `/` in a password have to be written as %40, %3A and %2F",
        )
    })
}

impl Collector for TableCollector {
    fn check(&mut self, means: &Means<'_>) -> Result<Checked, CollectError> {
        let check = || {
            let mut reader = self.open(means)?;
            let identity = reader.identity()?;
            let mut notes = Vec::new();
            for (name, stream) in self.streams(reader.as_mut())? {
                let plan = Plan::make(reader.as_mut(), self.dialect, &name, &stream)?;
                if plan.cursor.is_empty() {
                    notes.push(format!(
                        "{name} is read whole each time; `incremental` would read what is new"
                    ));
                }
                if plan.key.is_empty() {
                    notes.push(format!(
                        "{name} has no key: its rows have no ids, and a run that breaks off begins anew; name columns in `key`"
                    ));
                }
            }
            Ok(Checked { identity: Some(identity), notes })
        };
        check().map_err(|error| self.say(error))
    }

    fn discover(&mut self, means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError> {
        let discover = || {
            let mut reader = self.open(means)?;
            if self.streams.is_empty() {
                let info = |table: Table| StreamInfo {
                    name: table.name,
                    key: table.key,
                    cursor: None,
                    fields: table.columns.into_iter().map(|column| (column.name, column.kind)).collect(),
                };
                return Ok(reader.tables(None)?.into_iter().map(info).collect());
            }
            let mut found = Vec::new();
            for (name, stream) in &self.streams {
                let plan = Plan::make(reader.as_mut(), self.dialect, name, stream)?;
                let cursor = (!plan.cursor.is_empty()).then(|| plan.cursor.join(", "));
                found.push(StreamInfo { name: name.clone(), key: plan.key, cursor, fields: plan.fields });
            }
            Ok(found)
        };
        discover().map_err(|error| self.say(error))
    }

    fn collect(
        &mut self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError> {
        let mut reader = Some(self.open(means).map_err(|error| self.say(error))?);
        let streams = match reader.as_deref_mut() {
            Some(reader) => self.streams(reader).map_err(|error| self.say(error))?,
            None => Vec::new(),
        };
        let mut collected = Collected::default();
        for (name, stream) in &streams {
            let mut run = Run {
                of: self,
                means,
                name,
                stream,
                reader: reader.take(),
                records: 0,
                calls: 0,
                note: None,
            };
            let ended = run.run(from.get(name).as_ref(), sink);
            let (records, calls) = (run.records, run.calls);
            reader = run.reader.take();
            collected.calls += calls;
            collected.notes.extend(run.note.take());
            let outcome = match ended {
                Ok(()) => Outcome::Ok,
                Err(TablesError::Collect(CollectError::Enough)) => {
                    collected.streams.push(outcome_of(name, Outcome::Ok, records));
                    return Ok(collected);
                }
                // The contract ends this stream, and what was on its way is of no use.
                Err(TablesError::Collect(CollectError::Frozen { why, .. })) => {
                    reader = None;
                    Outcome::Failed { reason: why }
                }
                Err(error @ (TablesError::Collect(_) | TablesError::Credentials { .. })) => {
                    return Err(self.say(error));
                }
                Err(error) => {
                    // What it was busy with is not known.
                    reader = None;
                    match error {
                        TablesError::Denied { .. } => Outcome::Unavailable { reason: error.to_string() },
                        _ => Outcome::Failed { reason: error.to_string() },
                    }
                }
            };
            collected.streams.push(outcome_of(name, outcome, records));
        }
        Ok(collected)
    }
}

fn outcome_of(stream: &str, outcome: Outcome, records: u64) -> StreamOutcome {
    StreamOutcome { stream: stream.to_owned(), outcome, records, unavailable: Vec::new() }
}

/// One stream of one run.
struct Run<'r, 'm> {
    of: &'r TableCollector,
    means: &'r Means<'m>,
    name: &'r str,
    stream: &'r StreamConfig,
    /// None if there is no connection that is of use.
    reader: Option<Box<dyn Reader + 'm>>,
    records: u64,
    calls: u64,
    note: Option<String>,
}

impl Run<'_, '_> {
    fn run(&mut self, from: Option<&Value>, sink: &mut dyn Sink) -> Result<(), TablesError> {
        let mut saved = Saved::parse(from)?;
        let (dialect, name, stream) = (self.of.dialect, self.name, self.stream);
        let plan = Plan::make(self.reader()?, dialect, name, stream)?;
        let label = Label {
            source: &self.of.source_id,
            stream: self.name,
            tenant_id: self.of.config.tenant_id.as_deref(),
            platform: self.of.platform(),
            dialect,
            key: &plan.key,
            cursor: &plan.cursor,
        };
        let known = from.cloned().unwrap_or_else(|| saved.to_value());
        let mut gather = Gather::new(label, sink, self.means, self.stream.rows_max, &known);
        gather.remember(Memory::Key, saved.clone());
        let mut tries = 0;
        loop {
            let before = gather.handed;
            let read = self.read(&plan, &saved, &mut gather);
            self.records = gather.handed;
            let error = match read {
                Ok(()) => break,
                Err(error) => error,
            };
            self.reader = None;
            match &error {
                TablesError::Collect(CollectError::Cancelled) => {}
                // The sink's word is the last.
                TablesError::Collect(_) => return Err(error),
                _ => {}
            }
            // What was read before is kept, whatever comes.
            gather.hand_over_waiting()?;
            tries = if gather.handed > before { 1 } else { tries + 1 };
            let goes_on = plan.can_go_on() || gather.handed == 0;
            if !matches!(error, TablesError::Lost { .. }) || tries > CONNECTIONS_MAX || !goes_on {
                return Err(error);
            }
            let wait = AGAIN_AFTER * (1 << (tries - 1));
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            stele_http::wait(self.means.pace.as_ref(), wait_ms, self.means.cancelled).map_err(|error| {
                match error {
                    HttpError::Cancelled => TablesError::from(CollectError::Cancelled),
                    error => wrong("the wait", &error.to_string()),
                }
            })?;
            saved = gather.saved(true);
        }
        self.finish(&mut gather)
    }

    /// The connection, made if there is none.
    fn reader(&mut self) -> Result<&mut (dyn Reader + '_), TablesError> {
        if self.reader.is_none() {
            self.reader = Some(self.of.open(self.means)?);
        }
        match &mut self.reader {
            Some(reader) => Ok(reader.as_mut()),
            None => Err(wrong_address("there is no connection")),
        }
    }

    /// Reads until the end, the limit or an error.
    fn read(&mut self, plan: &Plan, saved: &Saved, gather: &mut Gather<'_>) -> Result<(), TablesError> {
        let stream = self.stream;
        let mut calls = 0;
        let reader = self.reader()?;
        reader.begin()?;
        let read = plan.read(stream, saved, reader, gather, &mut calls);
        self.calls += calls;
        self.means.watch.called(calls);
        read?;
        if gather.full {
            // Rows are on their way that nobody will read.
            self.reader = None;
            return Ok(());
        }
        self.reader()?.end()
    }

    fn finish(&mut self, gather: &mut Gather<'_>) -> Result<(), TablesError> {
        let (name, full) = (self.name, gather.full);
        gather.hand_over(full)?;
        if full && gather.overflowed() && gather.saved(true).behind.is_none() {
            return Err(TablesError::Stopped {
                code: "tables_window",
                why: format!(
                    "more than {REMEMBERED_MAX} rows of {name} lie within the lag or share a cursor, and rows_max ends a run before it is past them; raise rows_max, shorten the lag, or name a key"
                ),
            });
        }
        if full {
            self.note = Some(format!("{name}: stopped at rows_max; the next run goes on there"));
        } else if gather.overflowed() {
            self.note = Some(format!(
                "{name}: more than {REMEMBERED_MAX} rows lie within the lag or share the last cursor; the next run hands over some of them again. A shorter lag prevents it"
            ));
        }
        Ok(())
    }
}
