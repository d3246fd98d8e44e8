//! What was collected, into the lake: a batch is an input, and its last line is the cursor.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use stele_collect::{Batch, CollectError, Cursors, Rejected, Sink};
use stele_http::wait;
use stele_lake::sql::{Params, Sql, SqlOptions};
use stele_model::id::{IdHasher, to_hex};
use stele_sources::Input;

use super::latest::Latest;
use super::trust::Trust;
use crate::answering::Paced;
use crate::discover::InputOptions;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;
use crate::ingest::IngestOptions;
use crate::progress::{Cancel, Progress, Update};
use crate::{EngineError, IngestSummary};

/// The format of what is collected, as its profile is called.
pub(super) const FORMAT: &str = "collected";

/// The event of a line that holds a cursor.
const CURSOR: &str = "stele_cursor";

/// What the names of collected inputs begin with.
pub(crate) const SCHEME: &str = "collected://";

/// The code of what is said where somebody else collects a source at the moment.
pub(crate) const TAKEN: &str = "source_taken";

/// Where it is marked that a source is being collected, below the data directory.
const LOCKS_DIR: &str = "sources";

/// Where is kept what is no record, below the data directory.
pub(super) const REJECTED_DIR: &str = "sources/rejected";

/// Where batches lie until they are in the lake, below the data directory.
pub(super) const DIR: &str = "tmp/collected";

/// Wait before a lake that somebody else writes to is asked again, in milliseconds: short beside a batch.
pub(super) const BUSY_WAIT_MS: u64 = 200;

/// Memory of the look for cursors, in bytes: one row a batch, of which the last of each stream is kept.
const SQL_MEMORY: u64 = 256 << 20;

/// The newest cursor of each stream: the one with the largest number, whatever the order of rows.
const CURSORS: &str = "SELECT json_extract_string(raw, '$.data.stream'), \
     max(json_extract_string(raw, '$.data.number')::UBIGINT), \
     arg_max(json_extract(raw, '$.data.cursor')::VARCHAR, json_extract_string(raw, '$.data.number')::UBIGINT) \
     FROM events WHERE doc_type = 'system_event' AND event_type = 'stele_cursor' AND tenant_id = $tenant \
     AND json_extract_string(raw, '$.source') = $source GROUP BY 1";

/// How far a source has come, by the word of the lake.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) cursors: Cursors,
    /// The number of the newest batch.
    pub(super) number: u64,
}

impl State {
    fn of(sql: &Sql, tenant: &str, source: &str) -> Result<Self, EngineError> {
        let mut state = Self::default();
        let params = Params::none().with("tenant", tenant).with("source", source);
        sql.query(CURSORS, &params)?.each_text(|row| {
            let [Some(stream), Some(number), cursor] = row.as_slice() else {
                return Ok::<(), EngineError>(());
            };
            state.number = state.number.max(number.parse().unwrap_or(0));
            match serde_json::from_str(cursor.as_deref().unwrap_or("null")) {
                // A stream that was told to begin anew.
                Ok(Value::Null) | Err(_) => {}
                Ok(cursor) => state.cursors.set(stream.as_str(), cursor),
            }
            Ok(())
        })?;
        Ok(state)
    }
}

impl Engine {
    /// Reads how far a source has come.
    ///
    /// # Errors
    ///
    /// If there is a lake and it cannot be read.
    pub(super) fn collected_state(&self, source: &str) -> Result<State, EngineError> {
        match self.collected_sql()? {
            Some(sql) => State::of(&sql, &self.settings().tenant, source),
            None => Ok(State::default()),
        }
    }

    /// The lake, to be asked; none if there is none yet.
    pub(super) fn collected_sql(&self) -> Result<Option<Sql>, EngineError> {
        if self.is_without_lake() {
            return Ok(None);
        }
        let options =
            SqlOptions { memory_limit: SQL_MEMORY, threads: self.threads(), temp_dir: self.sql_temp_dir() };
        Ok(Some(self.own_lake_sql(&self.snapshot()?, &options)?))
    }
}

/// The right to collect a source, of which there is one; it is given back with the file.
pub(super) fn taken(engine: &Engine, source: &str) -> Result<File, EngineError> {
    let dir = engine.data_dir().join(LOCKS_DIR);
    fs::create_dir_all(&dir).at("create", &dir)?;
    let path = dir.join(format!("{source}.lock"));
    let file = File::create(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::Collect(CollectError::Stopped {
            code: TAKEN,
            why: format!(
                "somebody is at work on {source} already; nothing was asked, try again when that is over"
            ),
        })),
        Err(TryLockError::Error(error)) => Err(error).at("lock", &path),
    }
}

/// The lake, for the batches of one source.
pub(super) struct LakeSink<'a> {
    engine: &'a Engine,
    source: String,
    state: State,
    trust: Trust,
    latest: Latest,
    /// Where batches lie until they are in the lake.
    dir: PathBuf,
    /// Held for as long as this source is collected: another one who began where this one did would number its
    /// batches alike.
    _lock: File,
    /// Held while a batch goes in: the lake has one writer.
    turn: &'a Mutex<()>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    /// What came of all batches together.
    pub(super) kept: IngestSummary,
    /// Records that the lake held already, as the newest of their things.
    pub(super) unchanged: u64,
}

impl<'a> LakeSink<'a> {
    /// For a source and how far it is trusted.
    pub(super) fn open(
        engine: &'a Engine,
        source: (&str, f64),
        turn: &'a Mutex<()>,
        progress: &'a dyn Progress,
        cancel: &'a Cancel,
    ) -> Result<Self, EngineError> {
        let (source, trust_score) = source;
        let lock = taken(engine, source)?;
        let (mut state, mut latest) = (State::default(), Latest::default());
        if let Some(sql) = engine.collected_sql()? {
            let tenant = &engine.settings().tenant;
            state = State::of(&sql, tenant, source)?;
            if state.number > 0 {
                latest = Latest::of(&sql, tenant, source)?;
            }
        }
        // What a run that was killed has left is no batch of this one.
        let dir = engine.data_dir().join(DIR).join(source);
        if dir.exists() {
            fs::remove_dir_all(&dir).at("remove", &dir)?;
        }
        fs::create_dir_all(&dir).at("create", &dir)?;
        Ok(Self {
            engine,
            source: source.to_owned(),
            state,
            trust: Trust::of(trust_score),
            latest,
            dir,
            _lock: lock,
            turn,
            progress,
            cancel,
            kept: IngestSummary::default(),
            unchanged: 0,
        })
    }

    /// Writes the batch aside, with its cursors, and brings it in as an input.
    fn keep(&mut self, mut batch: Batch) -> Result<(), EngineError> {
        self.set_aside(&batch.rejected)?;
        self.unchanged += self.latest.without_known(&mut batch, &self.trust);
        // Of one name the last is the one that holds.
        let own = batch.cursor.take().map(|cursor| (batch.stream.clone(), cursor));
        let mut cursors: BTreeMap<String, Value> = std::mem::take(&mut batch.others).into_iter().collect();
        cursors.extend(own);
        cursors.retain(|stream, cursor| self.state.cursors.get(stream).unwrap_or_default() != *cursor);
        if batch.records == 0 && cursors.is_empty() {
            return Ok(());
        }
        let number = self.state.number + 1;
        let mut bytes = std::mem::take(&mut batch.lines);
        let mut line = |stream: &str, cursor: Option<&Value>| {
            let mut line = json!({
                "source": self.source,
                "stream": CURSOR,
                "doc_type": "system_event",
                "data": { "stream": stream, "number": number },
            });
            if let Some(cursor) = cursor {
                line["data"]["cursor"] = cursor.clone();
            }
            bytes.extend_from_slice(line.to_string().as_bytes());
            bytes.push(b'\n');
        };
        if cursors.is_empty() {
            // Without a cursor, too: the number says which batch is the newest.
            line(&batch.stream, None);
        }
        cursors.iter().for_each(|(stream, cursor)| line(stream, Some(cursor)));
        let hash = to_hex(&IdHasher::new("collected").part(&bytes).finish());
        let uri = format!("{SCHEME}{}/{}/{number:08}-{}.jsonl", self.source, batch.stream, &hash[..16]);
        let path = self.dir.join(format!("{hash}.jsonl"));
        fs::write(&path, &bytes).at("write", &path)?;
        let options = IngestOptions {
            inputs: InputOptions { format: Some(FORMAT.to_owned()), ..InputOptions::default() },
            found: vec![Input { uri, path: Some(path.clone()), size_on_disk: bytes.len() as u64 }],
            ..IngestOptions::default()
        };
        let summary = self.ingest(&options);
        // Whatever came of it, nothing reads this file again: what was not kept is collected once more.
        let removed = fs::remove_file(&path);
        let summary = summary?;
        removed.at("remove", &path)?;
        if let Some(failure) = summary.failures.first() {
            return Err(EngineError::NotFetched(format!("{}: {}", failure.uri, failure.reason)));
        }
        // Lines of the batch that say how far it goes are records of the lake, and none of the source.
        self.kept.records += summary.records.saturating_sub(cursors.len().max(1) as u64);
        self.kept.quarantined += summary.quarantined;
        self.kept.bytes_in += summary.bytes_in;
        self.kept.lake_version = summary.lake_version.or(self.kept.lake_version);
        self.state.number = number;
        for (stream, cursor) in cursors {
            match cursor {
                Value::Null => drop(self.state.cursors.reset(&stream)),
                cursor => self.state.cursors.set(stream, cursor),
            }
        }
        // Durable, and nobody knows yet: whoever is killed here has to find it done.
        self.engine.faults().hit("collect.kept").at("keep", &path)
    }

    /// Writes down what is no record, before a cursor goes past it. The name comes from the content: a batch that is
    /// collected again is set aside once.
    fn set_aside(&self, rejected: &[Rejected]) -> Result<(), EngineError> {
        if rejected.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for one in rejected {
            text.push_str(&format!("{}\n", one.to_value(&self.source)));
        }
        let dir = self.engine.data_dir().join(REJECTED_DIR).join(&self.source);
        fs::create_dir_all(&dir).at("create", &dir)?;
        let hash = to_hex(&IdHasher::new("rejected").part(text.as_bytes()).finish());
        let path = dir.join(format!("{}.jsonl", &hash[..16]));
        match path.exists() {
            true => Ok(()),
            false => write_durably(&path, text.as_bytes()),
        }
    }
}

impl LakeSink<'_> {
    /// Waits for other writers, in this process and in others, and then lets nobody stop it: it is a second's work,
    /// and half of a batch would be records without their cursor.
    fn ingest(&self, options: &IngestOptions) -> Result<IngestSummary, EngineError> {
        let pace = Paced::new(self.engine.shared_clock());
        loop {
            let summary = {
                let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                self.engine.ingest(&[], options, &Quiet(self.progress), &self.cancel.of_commits())
            };
            match summary {
                Err(error) if error.is_busy() => {
                    let cancelled = || self.cancel.is_cancelled();
                    let stopped = |_| EngineError::Cancelled("the batches before were kept");
                    wait(&pace, BUSY_WAIT_MS, &cancelled).map_err(stopped)?;
                }
                summary => return summary,
            }
        }
    }
}

/// What is told of a batch is told of its source already.
struct Quiet<'a>(&'a dyn Progress);

impl Progress for Quiet<'_> {
    fn update(&self, _update: &Update) {}
    fn note(&self, text: &str) {
        self.0.note(text);
    }
}

impl Sink for LakeSink<'_> {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.state.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        self.keep(batch).map_err(|error| match error {
            EngineError::Cancelled(_) => CollectError::Cancelled,
            error => CollectError::Sink(Box::new(error)),
        })
    }
}

#[cfg(test)]
mod tests;
