//! What was collected, into the lake: a batch is an input, and its last line is the cursor.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use stele_collect::{Batch, CollectError, Cursors, Sink};
use stele_http::wait;
use stele_lake::sql::{Params, SqlOptions};
use stele_model::id::{IdHasher, to_hex};
use stele_sources::Input;

use super::latest::Latest;
use crate::answering::Paced;
use crate::discover::InputOptions;
use crate::engine::Engine;
use crate::error::At;
use crate::ingest::IngestOptions;
use crate::progress::{Cancel, Progress, Update};
use crate::{EngineError, IngestSummary};

/// The format of what is collected, as its profile is called.
const FORMAT: &str = "collected";

/// The event of a line that holds a cursor.
const CURSOR: &str = "stele_cursor";

/// What the names of collected inputs begin with.
pub(super) const SCHEME: &str = "collected://";

/// Where batches lie until they are in the lake, below the data directory.
const DIR: &str = "tmp/collected";

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
    /// The number of the newest cursor.
    pub(super) number: u64,
    latest: Latest,
}

impl Engine {
    /// Reads how far a source has come.
    ///
    /// # Errors
    ///
    /// If there is a lake and it cannot be read.
    pub(super) fn collected_state(&self, source: &str) -> Result<State, EngineError> {
        let mut state = State::default();
        if !stele_lake::Lake::open_existing(self.data_dir()).is_ok_and(|lake| lake.exists()) {
            return Ok(state);
        }
        let options =
            SqlOptions { memory_limit: SQL_MEMORY, threads: self.threads(), temp_dir: self.sql_temp_dir() };
        let sql = self.own_lake_sql(&self.snapshot()?, &options)?;
        let params = Params::none().with("tenant", self.settings().tenant.as_str()).with("source", source);
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
        if state.number > 0 {
            state.latest = Latest::of(&sql, &self.settings().tenant, source)?;
        }
        Ok(state)
    }
}

/// The lake, for the batches of one source.
pub(super) struct LakeSink<'a> {
    engine: &'a Engine,
    source: String,
    state: State,
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
    pub(super) fn open(
        engine: &'a Engine,
        source: &str,
        turn: &'a Mutex<()>,
        progress: &'a dyn Progress,
        cancel: &'a Cancel,
    ) -> Result<Self, EngineError> {
        let state = engine.collected_state(source)?;
        let kept = IngestSummary::default();
        Ok(Self { engine, source: source.to_owned(), state, turn, progress, cancel, kept, unchanged: 0 })
    }

    /// Writes the batch aside, with its cursor, and brings it in as an input.
    fn keep(&mut self, mut batch: Batch) -> Result<(), EngineError> {
        self.unchanged += self.state.latest.without_known(&mut batch);
        let known = batch.cursor.as_ref() == self.state.cursors.get(&batch.stream);
        if batch.records == 0 && (known || batch.cursor.is_none()) {
            return Ok(());
        }
        let number = self.state.number + 1;
        let mut bytes = batch.lines.clone();
        // Without a cursor, too: the number says which batch is the newest.
        let mut line = json!({
            "source": self.source,
            "stream": CURSOR,
            "doc_type": "system_event",
            "data": { "stream": batch.stream, "number": number },
        });
        if let Some(cursor) = &batch.cursor {
            line["data"]["cursor"] = cursor.clone();
        }
        bytes.extend_from_slice(line.to_string().as_bytes());
        bytes.push(b'\n');
        let hash = to_hex(&IdHasher::new("collected").part(&bytes).finish());
        let uri = format!("{SCHEME}{}/{}/{number:08}-{}.jsonl", self.source, batch.stream, &hash[..16]);
        let dir: PathBuf = self.engine.data_dir().join(DIR);
        fs::create_dir_all(&dir).at("create", &dir)?;
        let path = dir.join(format!("{hash}.jsonl"));
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
        if summary.cancelled {
            return Err(EngineError::Cancelled("the batches before were kept"));
        }
        if let Some(failure) = summary.failures.first() {
            return Err(EngineError::NotFetched(format!("{}: {}", failure.uri, failure.reason)));
        }
        self.kept.records += summary.records;
        self.kept.quarantined += summary.quarantined;
        self.kept.bytes_in += summary.bytes_in;
        self.kept.lake_version = summary.lake_version.or(self.kept.lake_version);
        self.state.number = number;
        if let Some(cursor) = &batch.cursor {
            match cursor {
                Value::Null => drop(self.state.cursors.reset(&batch.stream)),
                cursor => self.state.cursors.set(batch.stream.as_str(), cursor.clone()),
            }
        }
        Ok(())
    }
}

impl LakeSink<'_> {
    /// Waits for other writers, in this process and in others.
    fn ingest(&self, options: &IngestOptions) -> Result<IngestSummary, EngineError> {
        let pace = Paced::new(self.engine.shared_clock());
        loop {
            let summary = {
                let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                self.engine.ingest(&[], options, &Quiet(self.progress), self.cancel)
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
