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

impl Engine {
    /// Reads how far a source has come.
    ///
    /// # Errors
    ///
    /// If there is a lake and it cannot be read.
    pub(super) fn collected_state(&self, source: &str) -> Result<State, EngineError> {
        let mut state = State::default();
        let Some(sql) = self.collected_sql()? else { return Ok(state) };
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
        Ok(state)
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
                "{source} is being collected already; nothing was asked, try again when that is over"
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
    pub(super) fn open(
        engine: &'a Engine,
        source: &str,
        turn: &'a Mutex<()>,
        progress: &'a dyn Progress,
        cancel: &'a Cancel,
    ) -> Result<Self, EngineError> {
        let lock = taken(engine, source)?;
        let state = engine.collected_state(source)?;
        let latest = match engine.collected_sql()? {
            Some(sql) if state.number > 0 => Latest::of(&sql, &engine.settings().tenant, source)?,
            _ => Latest::default(),
        };
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
        self.unchanged += self.latest.without_known(&mut batch);
        // Of one name the last is the one that holds.
        let own = batch.cursor.take().map(|cursor| (batch.stream.clone(), cursor));
        let mut cursors: BTreeMap<String, Value> = std::mem::take(&mut batch.others).into_iter().collect();
        cursors.extend(own);
        cursors.retain(|stream, cursor| self.state.cursors.get(stream).unwrap_or(&Value::Null) != cursor);
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
        self.kept.records += summary.records;
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
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};
    use stele_collect::{Batch, CollectError, Sieve, Sink, Source, SourcesConfig};

    use super::{DIR, LakeSink, REJECTED_DIR};
    use crate::{Cancel, Engine, EngineError, Environment, NoProgress, Settings};

    struct Rig {
        _dir: tempfile::TempDir,
        engine: Engine,
        turn: Mutex<()>,
        cancel: Cancel,
    }

    impl Rig {
        fn new() -> Rig {
            let dir = tempfile::tempdir().unwrap();
            let settings =
                Settings { data_dir: dir.path().join("d"), threads: Some(1), ..Settings::default() };
            let engine = Engine::new(settings, Environment::default()).unwrap();
            Rig { _dir: dir, engine, turn: Mutex::default(), cancel: Cancel::default() }
        }

        fn sink(&self) -> Result<LakeSink<'_>, EngineError> {
            LakeSink::open(&self.engine, "shop", &self.turn, &NoProgress, &self.cancel)
        }

        fn cursor(&self) -> Option<Value> {
            self.engine.collected_state("shop").unwrap().cursors.get("orders").cloned()
        }

        fn records(&self) -> u64 {
            self.engine.snapshot().unwrap().totals().records
        }
    }

    /// Orders of these numbers and names, and the cursor behind them.
    fn batch(orders: &[(u64, &str)], cursor: Option<Value>) -> Batch {
        let line = |(id, what): &(u64, &str)| {
            let order = json!({
                "source": "shop", "stream": "orders", "doc_type": "row", "original_id": id.to_string(),
                "data": { "id": id, "what": what },
            });
            format!("{order}\n")
        };
        let lines: String = orders.iter().map(line).collect();
        let (stream, records) = ("orders".to_owned(), orders.len() as u64);
        Batch { stream, lines: lines.into_bytes(), records, cursor, ..Batch::default() }
    }

    #[test]
    fn a_batch_is_kept_with_its_cursor_whoever_asks_for_the_stop() {
        let rig = Rig::new();
        rig.cancel.cancel();
        rig.sink().unwrap().take(batch(&[(1, "tea"), (2, "rope")], Some(json!(2)))).unwrap();
        assert_eq!((rig.cursor(), rig.records()), (Some(json!(2)), 3));
    }

    #[test]
    fn what_did_not_change_is_not_kept_again() {
        let rig = Rig::new();
        // Without a cursor, as of a table that is read whole each time.
        rig.sink().unwrap().take(batch(&[(1, "tea"), (2, "rope")], None)).unwrap();
        let mut sink = rig.sink().unwrap();
        sink.take(batch(&[(1, "tea"), (2, "rope")], None)).unwrap();
        assert_eq!((sink.unchanged, rig.records()), (2, 3));
        sink.take(batch(&[(1, "tea"), (2, "oar")], None)).unwrap();
        assert_eq!((sink.unchanged, rig.records()), (3, 5));
        drop(sink);
        // What becomes again what it was is something new.
        rig.sink().unwrap().take(batch(&[(2, "rope")], None)).unwrap();
        assert_eq!(rig.records(), 7);
    }

    #[test]
    fn a_stream_can_begin_anew() {
        let rig = Rig::new();
        let mut sink = rig.sink().unwrap();
        sink.take(batch(&[(1, "tea")], Some(json!({ "at": 1 })))).unwrap();
        // A batch without one leaves the cursor where it was.
        sink.take(batch(&[(2, "rope")], None)).unwrap();
        drop(sink);
        assert_eq!(rig.cursor(), Some(json!({ "at": 1 })));
        rig.sink().unwrap().take(batch(&[], Some(Value::Null))).unwrap();
        assert_eq!(rig.cursor(), None);
        rig.sink().unwrap().take(batch(&[], Some(json!({ "at": 3 })))).unwrap();
        assert_eq!(rig.cursor(), Some(json!({ "at": 3 })));
    }

    /// A source with this of its own, for whatever kind it is of.
    fn source(own: Value) -> Source {
        let mut entry = json!({ "source_id": "shop", "source_type": "database" });
        entry.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        SourcesConfig::of(vec![entry], serde_json::Map::new(), &[], &|_| None).unwrap().sources[0].clone()
    }

    #[test]
    fn sources_09_what_was_kept_is_known_to_the_next_run() {
        let (rig, source) = (Rig::new(), source(json!({ "dedup": ["what"] })));
        for (orders, duplicates, records) in [
            // With each batch that keeps something, one line for its cursor and one for what it kept.
            (&[(1, "tea"), (2, "tea"), (3, "rope")][..], 1, 4),
            (&[(4, "tea"), (5, "oar")][..], 1, 7),
            (&[(6, "oar")][..], 1, 8),
        ] {
            let mut sink = rig.sink().unwrap();
            let mut sieve = Sieve::of(&source, &mut sink).unwrap();
            sieve.take(batch(orders, Some(json!(orders[0].0)))).unwrap();
            assert_eq!((sieve.sifted().duplicates, rig.records()), (duplicates, records));
        }
        assert_eq!(rig.cursor(), Some(json!(6)));
    }

    #[test]
    fn sources_14_what_is_left_out_is_kept_aside_once_with_its_reason() {
        let (rig, source) = (
            Rig::new(),
            source(
                json!({ "schema": { "fields": { "id": "string", "what": "string" }, "types": "discard_row" } }),
            ),
        );
        for _ in 0..2 {
            let mut sink = rig.sink().unwrap();
            let mut sieve = Sieve::of(&source, &mut sink).unwrap();
            // Read whole each time, so that the same comes again.
            sieve.take(batch(&[(1, "tea")], None)).unwrap();
            assert_eq!(sieve.sifted().rejected, 1);
            let state = rig.engine.collected_state("shop").unwrap();
            assert_eq!(state.number, 0, "nothing is in the lake");
        }
        let dir = rig.engine.data_dir().join(REJECTED_DIR).join("shop");
        let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let text = std::fs::read_to_string(&files[0]).unwrap();
        let told: Value = serde_json::from_str(text.trim()).unwrap();
        let expect = json!({
            "source": "shop", "stream": "orders", "place": "orders 1",
            "reason": "`id` is Integer and was String before", "raw": "{\"id\":1,\"what\":\"tea\"}",
        });
        assert_eq!(told, expect);
    }

    #[test]
    fn a_source_is_collected_by_one_at_a_time() {
        let rig = Rig::new();
        let sink = rig.sink().unwrap();
        let Err(EngineError::Collect(CollectError::Stopped { code, .. })) = rig.sink().map(|_| ()) else {
            panic!("two would number their batches alike");
        };
        assert_eq!(code, "source_taken");
        drop(sink);
        // A batch that somebody who was killed left behind is removed.
        let left = rig.engine.data_dir().join(DIR).join("shop/left.jsonl");
        std::fs::write(&left, "{}").unwrap();
        rig.sink().unwrap();
        assert!(!left.exists());
    }
}
