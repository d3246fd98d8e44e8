//! Batches into the lake: with their cursors, once, and what is left out beside it.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

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
        let settings = Settings { data_dir: dir.path().join("d"), threads: Some(1), ..Settings::default() };
        let engine = Engine::new(settings, Environment::default()).unwrap();
        Rig { _dir: dir, engine, turn: Mutex::default(), cancel: Cancel::default() }
    }

    fn sink(&self) -> Result<LakeSink<'_>, EngineError> {
        self.trusting(0.5)
    }

    fn trusting(&self, score: f64) -> Result<LakeSink<'_>, EngineError> {
        LakeSink::open(&self.engine, ("shop", score), &self.turn, &NoProgress, &self.cancel)
    }

    fn cursor(&self) -> Option<Value> {
        self.engine.collected_state("shop").unwrap().cursors.get("orders")
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

#[test]
fn records_bear_how_far_their_source_is_trusted() {
    let rig = Rig::new();
    let tea = || batch(&[(1, "tea")], None);
    rig.sink().unwrap().take(tea()).unwrap();
    let mut sink = rig.trusting(0.9).unwrap();
    // Trusted otherwise, it is not the same record any more; and then it is.
    sink.take(tea()).unwrap();
    sink.take(tea()).unwrap();
    assert_eq!((sink.unchanged, sink.kept.records), (1, 1));
    let sql = rig.engine.collected_sql().unwrap().unwrap();
    let mut found = Vec::new();
    let query = "SELECT trust(raw)::VARCHAR FROM events WHERE event_type = 'orders' ORDER BY source";
    sql.query(query, &stele_lake::sql::Params::none())
        .unwrap()
        .each_text(|row| {
            found.extend(row);
            Ok::<(), EngineError>(())
        })
        .unwrap();
    assert_eq!(found, [Some("0.5".to_owned()), Some("0.9".to_owned())]);
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
